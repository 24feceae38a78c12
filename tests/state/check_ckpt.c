/*
 * Checkpoints: what is saved comes back; whatever else is in the folder is
 * refused with the reason, never believed, never a crash.
 */
#define _GNU_SOURCE
#include "config.h"

#include "tests/state/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "runtime/state/hash.h"
#include "runtime/state/io.h"

static struct tiny t;

static void
setup(void)
{
	tiny_setup(&t);
}

static void
teardown(void)
{
	tiny_teardown(&t);
}

/* ------------------------------------------------------------------- files */

static const char *const files[] = {"manifest.json", "model.safetensors",
	"optimizer.safetensors"};

static char *
path_of(int64_t step, const char *file)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s/%s", t.path, lt_step_name(step).s,
	    file);
	return path;
}

static char *
load(int64_t step, const char *file, size_t *n)
{
	struct lt_error e;
	char *text = lt_file_read(AT_FDCWD, path_of(step, file), 1 << 20, n,
	    &e);

	ck_assert_msg(text != NULL, "%s", e.text);
	return text;
}

static void
store(int64_t step, const char *file, const char *bytes, size_t n)
{
	int fd = open(path_of(step, file), O_WRONLY | O_TRUNC | O_CREAT, 0600);

	ck_assert(fd >= 0 && lt_write_all(fd, bytes, n));
	close(fd);
}

static bool
exists(const char *name)
{
	struct stat st;
	char path[256];

	snprintf(path, sizeof path, "%s/%s", t.path, name);
	return lstat(path, &st) == 0;
}

/* How many names of the run's folder contain this. */
static int
count(const char *part)
{
	char command[256];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof command, "ls %s | grep -c -e '%s'", t.path,
	    part);
	f = popen(command, "r");
	ck_assert(f && fscanf(f, "%d", &n) == 1);
	pclose(f);
	return n;
}

/* -------------------------------------------------------------- whole ones */

START_TEST(comes_back)
{
	struct lt_point at;

	ck_assert_int_eq(lt_out_newest(t.out), -1);
	ck_assert_int_eq(tiny_restore(&t, LT_RESUME_NEWEST, &at),
	    LT_RESTORE_NONE);
	ck_assert(tiny_save(&t, 5, 0));
	ck_assert_int_eq(lt_out_newest(t.out), 5);
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert_str_eq(t.error.text, "");
	ck_assert(tiny_save(&t, 1234567, 0)); /* more digits than six */
	tiny_expect(&t, LT_RESUME_VALID, 1234567);
}
END_TEST

START_TEST(same_step_is_replaced)
{
	ck_assert(tiny_save(&t, 5, 1));
	tiny_fill(&t, 6);
	ck_assert(lt_save(&t.rt, t.out, &t.id, &(struct lt_point){5, 12, 3},
	    1, &t.error));
	struct lt_point at;
	ck_assert_int_eq(tiny_restore(&t, LT_RESUME_NEWEST, &at),
	    LT_RESTORE_OK);
	ck_assert(at.step == 5 && at.sample == 12 && tiny_holds(&t, 6));
	ck_assert_int_eq(count("step"), 1);
}
END_TEST

START_TEST(only_the_owner_reads)
{
	struct stat st;

	umask(0);
	ck_assert(tiny_save(&t, 5, 0));
	ck_assert(stat(t.path, &st) == 0 && (st.st_mode & 0777) == 0700);
	ck_assert(stat(path_of(5, "."), &st) == 0 &&
	    (st.st_mode & 0777) == 0700);
	for (int i = 0; i < 3; i++)
		ck_assert(stat(path_of(5, files[i]), &st) == 0 &&
		    (st.st_mode & 0777) == 0600);
}
END_TEST

START_TEST(keeps_the_newest)
{
	for (int64_t step = 1; step <= 5; step++)
		ck_assert(tiny_save(&t, step, 2));
	ck_assert_int_eq(count("step"), 2);
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert(exists("step-000004"));
	/* what is just saved stays, whatever its number */
	ck_assert(tiny_save(&t, 3, 1));
	ck_assert(exists("step-000003"));
	ck_assert_int_eq(count("step"), 1);
}
END_TEST

/* ----------------------------------------------------------- damaged bytes */

/* The tests of each file: 0 manifest, 1 model, 2 optimizer. */
START_TEST(every_byte_counts)
{
	size_t n;
	char *bytes;

	ck_assert(tiny_save(&t, 5, 0));
	bytes = load(5, files[_i], &n);
	for (size_t i = 0; i < n; i++) {
		static const unsigned char flips[] = {0xff, 0x01, 0x20};

		bytes[i] ^= (char)flips[i % 3];
		store(5, files[_i], bytes, n);
		tiny_refuses(&t, LT_RESUME_NEWEST, files[_i]);
		ck_assert_int_eq(t.error.code, LT_EXIT_DATA);
		bytes[i] ^= (char)flips[i % 3];
	}
	store(5, files[_i], bytes, n);
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	free(bytes);
}
END_TEST

START_TEST(every_length_counts)
{
	size_t n;
	char *bytes;

	ck_assert(tiny_save(&t, 5, 0));
	bytes = load(5, files[_i], &n); /* one more byte: the 0 at its end */
	for (size_t i = 0; i <= n + 1; i++) {
		store(5, files[_i], bytes, i);
		if (i == n)
			tiny_expect(&t, LT_RESUME_NEWEST, 5);
		else
			tiny_refuses(&t, LT_RESUME_NEWEST, files[_i]);
	}
	free(bytes);
}
END_TEST

START_TEST(not_the_file_it_was)
{
	char other[300], name[256];
	const char *file = files[_i];

	ck_assert(tiny_save(&t, 5, 0));
	snprintf(name, sizeof name, "%s", path_of(5, file));
	snprintf(other, sizeof other, "%s.moved", name);
	ck_assert(rename(name, other) == 0);
	tiny_refuses(&t, LT_RESUME_NEWEST, "No such file");
	ck_assert(symlink(strrchr(other, '/') + 1, name) == 0);
	tiny_refuses(&t, LT_RESUME_NEWEST, "symbolic links");
	ck_assert(unlink(name) == 0 && mkfifo(name, 0600) == 0);
	tiny_refuses(&t, LT_RESUME_NEWEST, "not a regular file");
	ck_assert(unlink(name) == 0 && mkdir(name, 0700) == 0);
	tiny_refuses(&t, LT_RESUME_NEWEST, "not a regular file");
	ck_assert(rmdir(name) == 0 && rename(other, name) == 0);
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
}
END_TEST

/* A checkpoint moved under another number, or linked from elsewhere. */
START_TEST(not_the_directory_it_was)
{
	char from[256], to[256];

	ck_assert(tiny_save(&t, 5, 0));
	snprintf(from, sizeof from, "%s", path_of(5, ""));
	snprintf(to, sizeof to, "%s", path_of(8, ""));
	from[strlen(from) - 1] = to[strlen(to) - 1] = 0;
	ck_assert(rename(from, to) == 0);
	tiny_refuses(&t, LT_RESUME_NEWEST, "of another step");
	snprintf(from, sizeof from, "%s/elsewhere", t.path);
	ck_assert(rename(to, from) == 0 && symlink("elsewhere", to) == 0);
	tiny_refuses(&t, LT_RESUME_NEWEST, "not a directory");
}
END_TEST

/* ------------------------------------------------------ which one to trust */

static void
damage(int64_t step)
{
	size_t n;
	char *bytes = load(step, "model.safetensors", &n);

	bytes[n - 1] ^= 1;
	store(step, "model.safetensors", bytes, n);
	free(bytes);
}

START_TEST(damaged_newest)
{
	for (int64_t step = 1; step <= 3; step++)
		ck_assert(tiny_save(&t, step, 0));
	damage(3);
	damage(2);
	tiny_refuses(&t, LT_RESUME_NEWEST,
	    "step-000003: model.safetensors: damaged: the hash of tensor b");
	ck_assert_ptr_nonnull(strstr(t.error.text,
	    "step-000001 is intact: --resume-valid goes on from it"));
	tiny_refuses(&t, LT_RESUME_NEWEST, "damaged"); /* still there */
	tiny_expect(&t, LT_RESUME_VALID, 1);
	ck_assert_ptr_nonnull(strstr(t.error.text, "kept as step-000003.bad"));
	ck_assert_ptr_nonnull(strstr(t.error.text, "kept as step-000002.bad"));
	tiny_expect(&t, LT_RESUME_NEWEST, 1);
	ck_assert_str_eq(t.error.text, "");
	ck_assert(tiny_save(&t, 3, 1)); /* pruning leaves the damaged ones */
	ck_assert(exists("step-000003.bad") && exists("step-000002.bad"));
	tiny_expect(&t, LT_RESUME_NEWEST, 3);
	damage(3); /* and a second one of the same step is no obstacle */
	ck_assert(tiny_save(&t, 2, 0));
	tiny_expect(&t, LT_RESUME_VALID, 2);
	ck_assert(!exists("step-000003"));
}
END_TEST

START_TEST(all_damaged)
{
	ck_assert(tiny_save(&t, 1, 0) && tiny_save(&t, 2, 0));
	damage(1);
	damage(2);
	tiny_refuses(&t, LT_RESUME_NEWEST, "no older checkpoint is intact");
	tiny_refuses(&t, LT_RESUME_VALID, "step-000001");
	ck_assert(exists("step-000001") && exists("step-000002"));
}
END_TEST

START_TEST(half_written)
{
	char command[512];

	ck_assert(tiny_save(&t, 1, 0));
	snprintf(command, sizeof command, "cd %s && cp -r step-000001 "
	    "step-000002.tmp.0123abcd && mkdir step-000003.tmp.1 notes.tmp.1 "
	    "step-4.tmp.1 step-000009.bad && touch step-7 step-00000008",
	    t.path);
	ck_assert_int_eq(system(command), 0);
	tiny_expect(&t, LT_RESUME_NEWEST, 1); /* ignored */
	lt_out_close(t.out);
	tiny_open(&t); /* removed, with nothing that is not ours */
	ck_assert(!exists("step-000002.tmp.0123abcd") &&
	    !exists("step-000003.tmp.1"));
	ck_assert(exists("notes.tmp.1") && exists("step-4.tmp.1") &&
	    exists("step-7") && exists("step-00000008") &&
	    exists("step-000009.bad"));
	tiny_expect(&t, LT_RESUME_NEWEST, 1);
}
END_TEST

/* ------------------------------------------------------ of something else */

static void
other_shape(void)
{
	t.tensor[0].shape[1] = 2;
	t.tensor[0].shape[2] = 3;
}

static void
other_rank(void)
{
	t.tensor[0].rank = 2;
	t.tensor[0].shape[1] = 6;
}

static void
other_name(void)
{
	t.tensor[1].name = "c";
}

static void
one_less(void)
{
	t.prog.ntensor = 1;
}

static void
other_hash(void)
{
	t.prog.hash = 0xabd;
}

static void
other_lr(void)
{
	t.prog.recipe.lr = 2.5e-4;
}

static void
other_schedule(void)
{
	t.prog.recipe.schedule = LT_WSD;
}

static void
other_precision(void)
{
	t.prog.recipe_text = "no.precision=1\nprecision=bf16\nclip=1\n";
}

static void
other_batch(void)
{
	t.prog.micro = 2;
}

static void
other_seed(void)
{
	t.id.seed = 8;
}

static void
other_data(void)
{
	t.id.data = "13 tokens, hash 6";
	t.id.data_path = "new";
}

static const struct {
	void (*change)(void);
	const char *says;
} others[] = {
	{other_shape, "step-000005: model: tensor layer.a is [2, 2, 3] here "
	    "and [2, 3, 2] in the checkpoint"},
	{other_rank, "tensor layer.a is [2, 6] here and [2, 3, 2]"},
	{other_name, "model: the checkpoint lacks tensor c [5]"},
	{other_name, "model: the checkpoint has tensor b [5], which"},
	{one_less, "model: the checkpoint has tensor moment1.b [5], which"},
	{other_hash, "model: tiny has the same tensors but computes"},
	{other_lr, "recipe: lr is 0.00025 here and 0.0003 in the checkpoint"},
	{other_schedule, "recipe: schedule is wsd here and cosine in the"},
	{other_precision, "recipe: precision is bf16 here and f32 in the"},
	{other_batch, "recipe: batch is 4 here and 2 in the checkpoint"},
	{other_seed, "seed: 8 here and 7 in the checkpoint"},
	{other_data, "data: 13 tokens, hash 6 (new) here and 12 tokens, "
	    "hash 5 (some/path) in the checkpoint"},
};

START_TEST(of_something_else)
{
	ck_assert(tiny_save(&t, 4, 0));
	ck_assert(tiny_save(&t, 5, 0));
	others[_i].change();
	tiny_refuses(&t, LT_RESUME_NEWEST, others[_i].says);
	ck_assert_int_eq(t.error.code, LT_EXIT_DATA);
	/* nothing is wrong with the files: nothing is set aside */
	tiny_refuses(&t, LT_RESUME_VALID, others[_i].says);
	ck_assert(exists("step-000005") && !exists("step-000005.bad"));
}
END_TEST

/* Sampling asks for the model alone; steps may be raised. */
START_TEST(what_may_differ)
{
	struct lt_point at;

	ck_assert(tiny_save(&t, 5, 0));
	t.prog.recipe.steps = 200;
	t.prog.recipe.log_every = 9;
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert_ptr_nonnull(strstr(t.error.text,
	    "steps is 200 here and 100 in the checkpoint"));
	other_seed();
	other_data();
	other_lr();
	ck_assert_int_eq(lt_restore(&t.rt, t.out, NULL, LT_RESUME_NEWEST, &at,
	    &t.error), LT_RESTORE_OK);
	ck_assert(tiny_holds(&t, 5));
}
END_TEST

/* The manifest with one text replaced, and a hash that agrees. */
static void
reseal(int64_t step, const char *from, const char *to)
{
	size_t n;
	char *old = load(step, "manifest.json", &n), *at = strstr(old, from);
	char *new = malloc(n + 100);
	int k;

	ck_assert_ptr_nonnull(at);
	k = sprintf(new, "%.*s%s%s", (int)(at - old), old, to,
	    at + strlen(from));
	at = strstr(new, ",\n  \"xxh3_128\": \"");
	ck_assert_ptr_nonnull(at);
	memcpy(at + strlen(",\n  \"xxh3_128\": \""),
	    lt_hash(new, (size_t)(at - new)).hex, 32);
	store(step, "manifest.json", new, (size_t)k);
	free(old);
	free(new);
}

static const struct {
	const char *from, *to, *says;
} forged[] = {
	{"\"version\": 1", "\"version\": 2",
	 "version 2; this trainer reads version 1"},
	{"loong checkpoint", "other checkpoint", "not a loong checkpoint"},
	{"\"step\": 5", "\"step\": -5", "a number that is none"},
	{"\"step\": 5", "\"step\": 5, \"step\": 5", "duplicate"},
	{"\"step\": 5", "\"step\": 5.0", "integer"},
	{"\"step\": 5", "\"step\": 9223372036854775808", "too big"},
	{"\"step\": 5", "\"stop\": 5", "step"},
	{"\"step\": 5", "\"x\": [[[[[[[[[0]]]]]]]]], \"step\": 5",
	 "nested too deep"},
	{"\"name\": \"model.safetensors\"", "\"name\": \"../x.safetensors\"",
	 "not the files of a checkpoint"},
	{"\"file\": \"model.safetensors\"", "\"file\": \"/etc/passwd\"",
	 "a tensor that is none"},
	{"0x0000000000000007", "0x7", "a number that is none"},
	{"\"name\": \"b\"", "\"name\": \"c\"", "tensor"},
};

START_TEST(forged_manifest)
{
	ck_assert(tiny_save(&t, 5, 0));
	reseal(5, forged[_i].from, forged[_i].to);
	tiny_refuses(&t, LT_RESUME_NEWEST, forged[_i].says);
}
END_TEST

/* --------------------------------------------------------------- trainers */

START_TEST(second_trainer)
{
	char pid[32];

	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	ck_assert_ptr_null(lt_out_open(t.path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "another trainer"));
	ck_assert_ptr_nonnull(strstr(t.error.text, pid));
	ck_assert_int_eq(t.error.code, LT_EXIT_IO);
	lt_out_close(t.out);
	tiny_open(&t);
}
END_TEST

/* Many start at once: exactly one gets the folder. */
START_TEST(race_for_the_folder)
{
	enum { N = 12 };
	int go[2], won = 0, status;
	char c;

	lt_out_close(t.out);
	ck_assert_int_eq(pipe(go), 0);
	for (int i = 0; i < N; i++)
		if (fork() == 0) {
			close(go[1]);
			while (read(go[0], &c, 1) < 0)
				;
			t.out = lt_out_open(t.path, &t.error);
			if (t.out)
				usleep(300000);
			_exit(t.out ? 0 : 1);
		}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < N; i++) {
		ck_assert(wait(&status) > 0 && WIFEXITED(status));
		won += WEXITSTATUS(status) == 0;
	}
	ck_assert_int_eq(won, 1);
	tiny_open(&t);
}
END_TEST

START_TEST(no_such_folder)
{
	char path[128];

	snprintf(path, sizeof path, "%s/a/b", t.dir);
	ck_assert_ptr_null(lt_out_open(path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "No such file"));
	snprintf(path, sizeof path, "%s/file", t.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_ptr_null(lt_out_open(path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "Not a directory"));
	snprintf(path, sizeof path, "%s/link/lock", t.dir);
	ck_assert(mkdir(strcat(strcpy(path, t.dir), "/link"), 0700) == 0);
	snprintf(path, sizeof path, "%s/link/lock", t.dir);
	ck_assert(symlink("../file", path) == 0);
	*strrchr(path, '/') = 0;
	ck_assert_ptr_null(lt_out_open(path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "symbolic links"));
}
END_TEST

/* Sizes at which a disk could be full, in every file: the old one stays. */
START_TEST(disk_full)
{
	struct rlimit none;
	size_t most = 0, n;

	ck_assert(tiny_save(&t, 5, 2));
	for (int i = 0; i < 3; i++) {
		free(load(5, files[i], &n));
		most = n > most ? n : most;
	}
	getrlimit(RLIMIT_FSIZE, &none);
	for (size_t limit = 0; limit < most; limit += 61) {
		struct rlimit full = {limit, none.rlim_max};
		bool ok;

		setrlimit(RLIMIT_FSIZE, &full);
		ok = tiny_save(&t, 6, 2);
		setrlimit(RLIMIT_FSIZE, &none);
		ck_assert(!ok);
		ck_assert_ptr_nonnull(strstr(t.error.text,
		    "step-000006: cannot write"));
		ck_assert_ptr_nonnull(strstr(t.error.text, "too large"));
		ck_assert_int_eq(t.error.code, LT_EXIT_IO);
		ck_assert_int_eq(count("step"), 1);
	}
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert(tiny_save(&t, 6, 2)); /* and training goes on */
	tiny_expect(&t, LT_RESUME_NEWEST, 6);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ckpt");
	TCase *c = tcase_create("ckpt");
	SRunner *run;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, comes_back);
	tcase_add_test(c, same_step_is_replaced);
	tcase_add_test(c, only_the_owner_reads);
	tcase_add_test(c, keeps_the_newest);
	tcase_add_loop_test(c, every_byte_counts, 0, 3);
	tcase_add_loop_test(c, every_length_counts, 0, 3);
	tcase_add_loop_test(c, not_the_file_it_was, 0, 3);
	tcase_add_test(c, not_the_directory_it_was);
	tcase_add_test(c, damaged_newest);
	tcase_add_test(c, all_damaged);
	tcase_add_test(c, half_written);
	tcase_add_loop_test(c, of_something_else, 0,
	    (int)(sizeof others / sizeof others[0]));
	tcase_add_test(c, what_may_differ);
	tcase_add_loop_test(c, forged_manifest, 0,
	    (int)(sizeof forged / sizeof forged[0]));
	tcase_add_test(c, second_trainer);
	tcase_add_test(c, race_for_the_folder);
	tcase_add_test(c, no_such_folder);
	tcase_add_test(c, disk_full);
	suite_add_tcase(s, c);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
