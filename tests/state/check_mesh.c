/*
 * Checkpoints between meshes, ranks being threads: whatever mesh saved it,
 * any other goes on from the same bits; trouble on one rank is known to all.
 */
#define _GNU_SOURCE
#include "config.h"

#include <stdarg.h>
#include <sys/resource.h>

#include "tests/state/mesh.h"

/* One collective call on all ranks of a mesh. */
enum call { SAVE, RESTORE, INIT };
struct job {
	enum call call;
	const struct mesh *mesh;
	struct model *model;
	struct lt_out *out;      /* rank 0's */
	int64_t step;
	enum lt_resume how;
	void (*spoil)(struct rank *); /* before the call; NULL: nothing */
	int good[RANKS_MAX];     /* what the call returned */
	bool holds[RANKS_MAX];   /* restored what was saved in `step` */
	struct lt_point point[RANKS_MAX];
	struct lt_error error[RANKS_MAX];
	bool turned;             /* filled in the order of `model` */
	char *state[RANKS_MAX];  /* init: freed by the test */
};

static struct tiny t; /* the folder */
static struct ranks w;
static struct model model, turned;

static void
setup(void)
{
	tiny_setup(&t);
}

static void
teardown(void)
{
	tiny_teardown(&t);
	rest_count = 101;
}

static void
save(struct job *j, struct rank *r, struct lt_out *out)
{
	struct lt_run_id id = {7, &r->rt.prog->recipe, "12 tokens", "path"};
	struct lt_point at = {j->step, (uint64_t)j->step * 2, 3};
	int i = r->rt.rank;

	model_fill(j->mesh, j->turned ? &model : j->model, &r->rt, j->step);
	if (j->spoil)
		j->spoil(r);
	j->good[i] = lt_save(&r->rt, out, &id, &at, 3, &j->error[i]);
}

static void
restore(struct job *j, struct rank *r, struct lt_out *out)
{
	struct lt_run_id id = {7, &r->rt.prog->recipe, "12 tokens", "path"};
	float *s = (float *)(void *)r->rt.arena[LT_STATE];
	int i = r->rt.rank;

	for (uint64_t k = 0; k < j->model->state / 4; k++)
		s[k] = -1;
	if (j->spoil)
		j->spoil(r);
	j->good[i] = lt_restore(&r->rt, out, &id, j->how, &j->point[i],
	    &j->error[i]);
	j->holds[i] = model_holds(j->mesh, j->model, &r->rt, j->step);
}

static void
body(struct rank *r, void *arg)
{
	struct job *j = arg;
	struct lt_out *out = r->rt.rank == 0 ? j->out : NULL;
	char *state = calloc(1, j->model->state);

	r->rt.arena[LT_STATE] = state;
	if (j->call == SAVE)
		save(j, r, out);
	else if (j->call == RESTORE)
		restore(j, r, out);
	else
		lt_state_init(&r->rt, 7);
	if (j->call == INIT)
		j->state[r->rt.rank] = state;
	else
		free(state);
}

static struct job
run(enum call call, const struct mesh *m, int64_t step)
{
	struct job j = {.call = call, .mesh = m, .model = &model,
	    .out = t.out, .step = step};

	model_program(&w, &model, m);
	ranks_run(&w, body, &j);
	ranks_ended(&w);
	return j;
}

static struct job
run_spoilt(enum call call, const struct mesh *m, int64_t step,
    void (*spoil)(struct rank *))
{
	struct job j = {.call = call, .mesh = m, .model = &model,
	    .out = t.out, .step = step, .spoil = spoil};

	model_program(&w, &model, m);
	ranks_run(&w, body, &j);
	ranks_ended(&w);
	return j;
}

/* All ranks returned this and, if it is a failure, the same reason. */
static void
all_say(const struct job *j, int good, const char *text)
{
	for (int r = 0; r < w.n; r++) {
		ck_assert_msg(j->good[r] == good, "rank %d: %d: %s", r,
		    j->good[r], j->error[r].text);
		if (!text)
			continue;
		ck_assert_msg(strstr(j->error[r].text, text) != NULL,
		    "rank %d: \"%s\" lacks \"%s\"", r, j->error[r].text, text);
		ck_assert_int_eq(j->error[r].code, j->error[0].code);
	}
}

static void
all_hold(const struct job *j)
{
	all_say(j, LT_RESTORE_OK, NULL);
	for (int r = 0; r < w.n; r++) {
		ck_assert_msg(j->holds[r], "rank %d", r);
		ck_assert_int_eq(j->point[r].step, j->step);
		ck_assert_uint_eq(j->point[r].sample, (uint64_t)j->step * 2);
		ck_assert_uint_eq(j->point[r].skipped, 3);
	}
}

static int
shell(const char *format, ...)
{
	char command[500];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof command, format, ap);
	va_end(ap);
	return system(command);
}

/* ---- any to any ---- */

/* All ordered pairs of the table with this one first. */
START_TEST(pairs)
{
	struct job j = run(SAVE, &meshes[_i], 5);

	all_say(&j, true, NULL);
	for (int to = 0; to < MESHES; to++) {
		j = run(RESTORE, &meshes[to], 5);
		all_hold(&j);
	}
}
END_TEST

/* Boxes of more than one piece, whole tensors too (the first mesh). */
START_TEST(large)
{
	static const int some[] = {0, 1, 2, 9};
	struct job j;

	rest_count = 700001; /* 2.7 MiB */
	j = run(SAVE, &meshes[some[_i]], 5);
	all_say(&j, true, NULL);
	for (int to = 0; to < 4; to++) {
		j = run(RESTORE, &meshes[some[to]], 5);
		all_hold(&j);
	}
}
END_TEST

/* The files do not tell which mesh it was. */
START_TEST(same_files)
{
	struct job j = run(SAVE, &meshes[0], 5);

	all_say(&j, true, NULL);
	ck_assert_int_eq(shell("cp -r %s/step-000005 %s/one", t.path, t.dir),
	    0);
	for (int m = 1; m < MESHES; m++) {
		j = run(SAVE, &meshes[m], 5);
		all_say(&j, true, NULL);
		ck_assert_msg(shell("diff -r %s/step-000005 %s/one", t.path,
		    t.dir) == 0, "mesh %d", m);
	}
}
END_TEST

/* Nor in which order a plan lists the tensors. */
START_TEST(same_order)
{
	struct job j = run(SAVE, &meshes[7], 5);
	struct lt_tensor first;

	all_say(&j, true, NULL);
	ck_assert_int_eq(shell("cp -r %s/step-000005 %s/one", t.path, t.dir),
	    0);
	model_program(&w, &model, &meshes[7]);
	j.model = &turned;
	turned = model;
	w.prog.tensor = turned.tensor;
	first = turned.tensor[0];
	memmove(turned.tensor, turned.tensor + 1,
	    (TENSORS - 1) * sizeof first);
	turned.tensor[TENSORS - 1] = first;
	j.turned = true;
	ranks_run(&w, body, &j);
	ranks_ended(&w);
	all_say(&j, true, NULL);
	ck_assert_int_eq(shell("diff -r %s/step-000005 %s/one", t.path,
	    t.dir), 0);
}
END_TEST

/* Element i of a tensor is the same number wherever it lies. */
START_TEST(same_start)
{
	struct model one;
	struct job a = run(INIT, &meshes[0], 0), b;

	one = model;
	b = run(INIT, &meshes[_i], 0);
	for (int r = 0; r < w.n; r++)
		for (int k = 0; k < TENSORS; k++)
			for (int slot = 0; slot < 3; slot++)
				for (uint64_t i = 0; i < one.tensor[k].count;
				    i++) {
					uint64_t p = slow_place(&meshes[0],
					    &one, k, slot, 0, i);
					uint64_t q = slow_place(&meshes[_i],
					    &model, k, slot, r, i);

					if (q != UINT64_MAX)
						ck_assert(memcmp(a.state[0] +
						    p, b.state[r] + q, 4) ==
						    0);
				}
	free(a.state[0]);
	for (int r = 0; r < w.n; r++)
		free(b.state[r]);
}
END_TEST

/* ---- trouble ---- */

static const struct mesh *const eight = &meshes[13];

START_TEST(damaged)
{
	struct job j = run(SAVE, eight, 5);

	all_say(&j, true, NULL);
	j = run(SAVE, eight, 6);
	all_say(&j, true, NULL);
	/* the last tensor of the file: the others have been handed out */
	ck_assert_int_eq(shell("printf x | dd of=%s/step-000006/"
	    "optimizer.safetensors bs=1 conv=notrunc status=none seek=$(($("
	    "stat -c %%s %s/step-000006/optimizer.safetensors) - 1))", t.path,
	    t.path), 0);
	j = run(RESTORE, eight, 6);
	all_say(&j, LT_RESTORE_FAILED, "the hash of tensor moment2.rest "
	    "differs");
	all_say(&j, LT_RESTORE_FAILED, "step-000005 is intact");
	ck_assert_int_eq(j.error[3].code, LT_EXIT_DATA);
	j = (struct job){.call = RESTORE, .mesh = eight, .model = &model,
	    .out = t.out, .step = 5, .how = LT_RESUME_VALID};
	ranks_run(&w, body, &j);
	ranks_ended(&w);
	all_hold(&j);
	ck_assert_int_eq(shell("test -d %s/step-000006.bad", t.path), 0);
}
END_TEST

START_TEST(missing)
{
	struct job j = run(RESTORE, eight, 5);

	all_say(&j, LT_RESTORE_NONE, NULL);
	j = run(SAVE, eight, 5);
	ck_assert_int_eq(shell("rm %s/step-000005/model.safetensors", t.path),
	    0);
	j = run(RESTORE, eight, 5);
	all_say(&j, LT_RESTORE_FAILED, "model.safetensors: No such file");
	/* cut short: the manifest knows the size */
	j = run(SAVE, eight, 5);
	all_say(&j, true, NULL);
	ck_assert_int_eq(shell("truncate -s -1 %s/step-000005/"
	    "model.safetensors", t.path), 0);
	j = run(RESTORE, eight, 5);
	all_say(&j, LT_RESTORE_FAILED, "shorter than written");
}
END_TEST

/* Another model is refused by all, and nothing is tried instead. */
START_TEST(different)
{
	struct job j = run(SAVE, &meshes[0], 5);

	all_say(&j, true, NULL);
	j = (struct job){.call = RESTORE, .mesh = eight, .model = &model,
	    .out = t.out, .step = 5};
	model_program(&w, &model, eight);
	model.tensor[3].shape[1] = 13;
	model.tensor[3].shape[2] = 10;
	ranks_run(&w, body, &j);
	ranks_ended(&w);
	all_say(&j, LT_RESTORE_FAILED, "tensor layer.d is [3, 13, 10] here "
	    "and [3, 10, 13] in the checkpoint");
}
END_TEST

/* A rank whose tables are broken: all fail, and it is named. */
static struct lt_tensor broken[TENSORS];
static struct lt_program broken_program;

static void
broken_rank(struct rank *r)
{
	if (r->rt.rank != 3)
		return;
	broken_program = *r->rt.prog;
	memcpy(broken, r->rt.prog->tensor, sizeof broken);
	broken[2].count++;
	broken_program.tensor = broken;
	r->rt.prog = &broken_program;
}

START_TEST(one_rank_cannot)
{
	struct job j = run_spoilt(SAVE, eight, 5, broken_rank);

	all_say(&j, false, "rank 3: the program's table");
	ck_assert_int_eq(shell("ls %s | grep -q step", t.path) == 0, 0);
	j = run(SAVE, eight, 6);
	all_say(&j, true, NULL);
	j = run_spoilt(RESTORE, eight, 6, broken_rank);
	all_say(&j, LT_RESTORE_FAILED, "rank 3: the program's table");
}
END_TEST

/* One bit of one copy: rest is cut by the last axis, so rank 6 stores what
 * rank 0 does. */
static void
flip(struct rank *r)
{
	if (r->rt.rank == 6)
		r->rt.arena[LT_STATE][model.flat[1].moment2 + 9] ^= 1;
}

START_TEST(copies_differ)
{
	struct job j = run_spoilt(SAVE, eight, 5, flip);

	all_say(&j, false, "ranks 0 and 6 hold the same part of moment2.rest, "
	    "but not the same values");
	ck_assert_int_eq(shell("ls %s | grep -q step", t.path) == 0, 0);
}
END_TEST

/* A full disk at any byte: all know, nothing is left, the old one stays and
 * the next save works. */
START_TEST(disk_full)
{
	struct job j = run(SAVE, eight, 5);
	struct rlimit none;

	all_say(&j, true, NULL);
	getrlimit(RLIMIT_FSIZE, &none);
	for (rlim_t limit = 0; limit < 5000; limit += 389) {
		struct rlimit full = {limit, none.rlim_max};

		setrlimit(RLIMIT_FSIZE, &full);
		j = run(SAVE, eight, 6);
		setrlimit(RLIMIT_FSIZE, &none);
		all_say(&j, false, "step-000006: cannot write");
		ck_assert_int_eq(j.error[5].code, LT_EXIT_IO);
	}
	ck_assert_int_eq(shell("test $(ls %s | grep -c step) = 1", t.path), 0);
	j = run(RESTORE, eight, 5);
	all_hold(&j);
	j = run(SAVE, eight, 6);
	all_say(&j, true, NULL);
	j = run(RESTORE, &meshes[9], 6);
	all_hold(&j);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mesh");
	TCase *c = tcase_create("mesh");
	SRunner *run;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, pairs, 0, MESHES);
	tcase_add_loop_test(c, large, 0, 4);
	tcase_add_test(c, same_files);
	tcase_add_test(c, same_order);
	tcase_add_loop_test(c, same_start, 1, MESHES);
	tcase_add_test(c, damaged);
	tcase_add_test(c, missing);
	tcase_add_test(c, different);
	tcase_add_test(c, one_rank_cannot);
	tcase_add_test(c, copies_differ);
	tcase_add_test(c, disk_full);
	suite_add_tcase(s, c);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
