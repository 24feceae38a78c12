/* What main asks all ranks before the first step, one of them being odd. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/main/same.h"
#include "tests/comm/ranks.h"

static struct ranks w;
static struct lt_run runs[RANKS_MAX];
static float state[RANKS_MAX][32];
static struct lt_tensor tensor = {.name = "w", .rank = 1, .shape = {4},
	.count = 4, .master = 0, .moment1 = UINT64_MAX, .moment2 = UINT64_MAX,
	.flat = -1};
static struct lt_flat flat = {.name = "W", .layers = 1, .image = 32, .n = 1,
	.axis = {1}, .master = 0, .moment1 = UINT64_MAX,
	.moment2 = UINT64_MAX};
static int code[RANKS_MAX];
static char said[8192];

static void
body(struct rank *r, void *arg)
{
	int i = r->rt.rank;

	(void)arg;
	lt_report_rank(i);
	r->rt.run = &runs[i];
	r->rt.prog = &runs[i].prog;
	r->rt.arena[LT_STATE] = (char *)state[i];
	code[i] = lt_same_check(&r->rt);
	code[i] = code[i] ? code[i] : lt_same_state(&r->rt);
	lt_report_rank(-1);
}

static void
setup(void)
{
	ranks_mesh(&w, 2, (int[]){2, 2});
	w.prog.name = "model";
	w.prog.version = "1.0";
	w.prog.hash = 5;
	w.prog.recipe_text = "b=4\nlr=1\n";
	w.prog.plan_text = "mesh=dp=2,co=2\n";
	w.prog.tensor = &tensor;
	w.prog.ntensor = 1;
	w.prog.flat = &flat;
	w.prog.nflat = 1;
	for (int i = 0; i < w.n; i++) {
		runs[i] = (struct lt_run){.prog = w.prog,
		    .opt = {.steps = 9, .save_every = 3},
		    .data = {.id = "12 tokens, hash 5"}, .point = {4, 16, 0}};
		for (int k = 0; k < 32; k++)
			state[i][k] = (float)k;
	}
}

/* Standard error of what the ranks do. */
static void
listen(void)
{
	int old = dup(2), fd = open("check_same.err", O_RDWR | O_CREAT |
	    O_TRUNC, 0600);
	ssize_t n;

	lt_report_start("train", false);
	ck_assert(fd >= 0 && dup2(fd, 2) == 2);
	ranks_run(&w, body, NULL);
	dup2(old, 2);
	n = pread(fd, said, sizeof said - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(fd);
	close(old);
	unlink("check_same.err");
	ranks_ended(&w);
}

/* All ranks end with this code, after one message: this one. */
static void
refused(int want, const char *text)
{
	const char *first;

	listen();
	for (int i = 0; i < w.n; i++)
		ck_assert_int_eq(code[i], want);
	ck_assert_msg(strstr(said, text) != NULL, "\"%s\" lacks \"%s\"", said,
	    text);
	first = strstr(said, "error: ");
	ck_assert(first && !strstr(first + 1, "error: "));
}

START_TEST(alike)
{
	/* may differ: where the data are, how much is said */
	runs[2].opt.data = "elsewhere";
	runs[2].opt.quiet = true;
	listen();
	for (int i = 0; i < w.n; i++)
		ck_assert_int_eq(code[i], LT_OK);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(program)
{
	runs[3].prog.hash = 6;
	refused(LT_EXIT_CONFIG, "model differs: rank 3 has model, program "
	    "0000000000000006, 0 parameters in 1 tensors, 3 ranks have model, "
	    "program 0000000000000005");
}
END_TEST

START_TEST(build)
{
	runs[1].prog.version = "1.1";
	refused(LT_EXIT_CONFIG, "build differs: rank 1 has loongc 1.1, ");
}
END_TEST

START_TEST(plan)
{
	runs[0].prog.plan_text = "mesh=dp=2,co=2\nmicro=2\n";
	refused(LT_EXIT_CONFIG, "plan differs: rank 0 has micro=2, 3 ranks have "
	    "nothing");
}
END_TEST

START_TEST(recipe)
{
	runs[2].prog.recipe_text = "b=4\nlr=2\n";
	refused(LT_EXIT_CONFIG, "recipe differs: rank 2 has lr=2, 3 ranks have "
	    "lr=1");
}
END_TEST

START_TEST(options)
{
	runs[2].opt.save_every = 4;
	refused(LT_EXIT_CONFIG, "the command line differs: rank 2 has "
	    "--save-every 4, 3 ranks have --save-every 3\n");
}
END_TEST

START_TEST(flags)
{
	runs[0].opt.resume = true;
	runs[0].opt.prompt = "the";
	refused(LT_EXIT_CONFIG, "the command line differs: rank 0 has "
	    "--resume given, 3 ranks have --resume not given\n");
	runs[0].opt.resume = false;
	refused(LT_EXIT_CONFIG, "the command line differs: rank 0 has "
	    "--prompt ");
}
END_TEST

START_TEST(data)
{
	snprintf(runs[3].data.id, sizeof runs[3].data.id, "13 tokens, hash 6");
	refused(LT_EXIT_CONFIG, "data differs: rank 3 has 13 tokens, hash 6; 0 "
	    "tokens held out, 3 ranks have 12 tokens, hash 5;");
}
END_TEST

START_TEST(point)
{
	runs[1].point.step = 5;
	refused(LT_EXIT_CONFIG, "checkpoint differs: rank 1 has step 5, 16 "
	    "sequences read, 0 steps skipped, 3 ranks have step 4, ");
}
END_TEST

START_TEST(weights)
{
	state[3][2] = 7;
	refused(LT_EXIT_INTERNAL, "ranks 0 and 3 hold the same part of w, but "
	    "not the same values");
}
END_TEST

/* A flat tensor: ranks 1 and 3 hold block 1, ranks 0 and 2 block 0. */
START_TEST(blocks)
{
	tensor.flat = 0;
	tensor.shape[0] = tensor.count = 32;
	tensor.master = UINT64_MAX;
	for (int k = 0; k < 16; k++)
		state[1][k] = state[3][k] = (float)(k + 16);
	listen();
	ck_assert_int_eq(code[0], LT_OK);
	state[3][15] = 0;
	refused(LT_EXIT_INTERNAL, "ranks 1 and 3 hold the same part of w");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("same");
	TCase *c = tcase_create("same");
	SRunner *run;
	int failed;

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, alike);
	tcase_add_test(c, program);
	tcase_add_test(c, build);
	tcase_add_test(c, plan);
	tcase_add_test(c, recipe);
	tcase_add_test(c, options);
	tcase_add_test(c, flags);
	tcase_add_test(c, data);
	tcase_add_test(c, point);
	tcase_add_test(c, weights);
	tcase_add_test(c, blocks);
	suite_add_tcase(s, c);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
