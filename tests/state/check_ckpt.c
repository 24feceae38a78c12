/*
 * Checkpoints: what is saved comes back; whatever else is in the folder is
 * refused with the reason, never believed, never a crash.
 */
#define _GNU_SOURCE
#include "config.h"

#include "tests/state/fixture.h"
#include "tests/suite.h"

#include <sys/resource.h>

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
	ck_assert_int_eq(tiny_count(&t, "step"), 1);
}
END_TEST

START_TEST(only_the_owner_reads)
{
	struct stat st;

	umask(0);
	ck_assert(tiny_save(&t, 5, 0));
	ck_assert(stat(t.path, &st) == 0 && (st.st_mode & 0777) == 0700);
	ck_assert(stat(tiny_path(&t, 5, "."), &st) == 0 &&
	    (st.st_mode & 0777) == 0700);
	for (int i = 0; i < 3; i++)
		ck_assert(stat(tiny_path(&t, 5, files[i]), &st) == 0 &&
		    (st.st_mode & 0777) == 0600);
}
END_TEST

START_TEST(keeps_the_newest)
{
	for (int64_t step = 1; step <= 5; step++)
		ck_assert(tiny_save(&t, step, 2));
	ck_assert_int_eq(tiny_count(&t, "step"), 2);
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert(tiny_exists(&t, "step-000004"));
	/* what is just saved stays, whatever its number */
	ck_assert(tiny_save(&t, 3, 1));
	ck_assert(tiny_exists(&t, "step-000003"));
	ck_assert_int_eq(tiny_count(&t, "step"), 1);
}
END_TEST

/* ----------------------------------------------------------- damaged bytes */

/* The tests of each file: 0 manifest, 1 model, 2 optimizer. */
START_TEST(every_byte_counts)
{
	size_t n;
	char *bytes;

	ck_assert(tiny_save(&t, 5, 0));
	bytes = tiny_load(&t, 5, files[_i], &n);
	for (size_t i = 0; i < n; i++) {
		static const unsigned char flips[] = {0xff, 0x01, 0x20};

		bytes[i] ^= (char)flips[i % 3];
		tiny_store(&t, 5, files[_i], bytes, n);
		tiny_refuses(&t, LT_RESUME_NEWEST, files[_i]);
		ck_assert_int_eq(t.error.code, LT_EXIT_DATA);
		bytes[i] ^= (char)flips[i % 3];
	}
	tiny_store(&t, 5, files[_i], bytes, n);
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	free(bytes);
}
END_TEST

START_TEST(every_length_counts)
{
	size_t n;
	char *bytes;

	ck_assert(tiny_save(&t, 5, 0));
	bytes = tiny_load(&t, 5, files[_i], &n); /* one more byte: the 0 at its end */
	for (size_t i = 0; i <= n + 1; i++) {
		tiny_store(&t, 5, files[_i], bytes, i);
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
	snprintf(name, sizeof name, "%s", tiny_path(&t, 5, file));
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
	snprintf(from, sizeof from, "%s", tiny_path(&t, 5, ""));
	snprintf(to, sizeof to, "%s", tiny_path(&t, 8, ""));
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
	char *bytes = tiny_load(&t, step, "model.safetensors", &n);

	bytes[n - 1] ^= 1;
	tiny_store(&t, step, "model.safetensors", bytes, n);
	free(bytes);
}

START_TEST(damaged_newest)
{
	for (int64_t step = 1; step <= 3; step++)
		ck_assert(tiny_save(&t, step, 0));
	damage(3);
	damage(2);
	tiny_refuses(&t, LT_RESUME_NEWEST,
	    "step-000003: model.safetensors: damaged: the hash of tensor layer.a");
	ck_assert_ptr_nonnull(strstr(t.error.text,
	    "step-000001 is intact: --resume-valid goes on from it"));
	tiny_refuses(&t, LT_RESUME_NEWEST, "damaged"); /* still there */
	tiny_expect(&t, LT_RESUME_VALID, 1);
	ck_assert_ptr_nonnull(strstr(t.error.text, "kept as step-000003.bad"));
	ck_assert_ptr_nonnull(strstr(t.error.text, "kept as step-000002.bad"));
	tiny_expect(&t, LT_RESUME_NEWEST, 1);
	ck_assert_str_eq(t.error.text, "");
	ck_assert(tiny_save(&t, 3, 1)); /* pruning leaves the damaged ones */
	ck_assert(tiny_exists(&t, "step-000003.bad") && tiny_exists(&t, "step-000002.bad"));
	tiny_expect(&t, LT_RESUME_NEWEST, 3);
	damage(3); /* and a second one of the same step is no obstacle */
	ck_assert(tiny_save(&t, 2, 0));
	tiny_expect(&t, LT_RESUME_VALID, 2);
	ck_assert(!tiny_exists(&t, "step-000003"));
}
END_TEST

START_TEST(all_damaged)
{
	ck_assert(tiny_save(&t, 1, 0) && tiny_save(&t, 2, 0));
	damage(1);
	damage(2);
	tiny_refuses(&t, LT_RESUME_NEWEST, "no older checkpoint is intact");
	tiny_refuses(&t, LT_RESUME_VALID, "step-000001");
	ck_assert(tiny_exists(&t, "step-000001") && tiny_exists(&t, "step-000002"));
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
	ck_assert(!tiny_exists(&t, "step-000002.tmp.0123abcd") &&
	    !tiny_exists(&t, "step-000003.tmp.1"));
	ck_assert(tiny_exists(&t, "notes.tmp.1") && tiny_exists(&t, "step-4.tmp.1") &&
	    tiny_exists(&t, "step-7") && tiny_exists(&t, "step-00000008") &&
	    tiny_exists(&t, "step-000009.bad"));
	tiny_expect(&t, LT_RESUME_NEWEST, 1);
}
END_TEST

/* Sizes at which a disk could be full, in every file: the old one stays. */
START_TEST(disk_full)
{
	struct rlimit none;
	size_t most = 0, n;

	ck_assert(tiny_save(&t, 5, 2));
	for (int i = 0; i < 3; i++) {
		free(tiny_load(&t, 5, files[i], &n));
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
		ck_assert_int_eq(tiny_count(&t, "step"), 1);
	}
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert(tiny_save(&t, 6, 2)); /* and training goes on */
	tiny_expect(&t, LT_RESUME_NEWEST, 6);
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("ckpt");

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
	tcase_add_test(c, disk_full);
	return suite_run("ckpt", c);
}
