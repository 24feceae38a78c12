/* What all ranks must have in common, and what is said if they do not. */
#include "config.h"

#include "runtime/state/facts.h"
#include "tests/comm/ranks.h"

static struct ranks w;
static struct lt_fact facts[RANKS_MAX][3];
static struct lt_error error[RANKS_MAX];
static bool good[RANKS_MAX];

static void
body(struct rank *r, void *arg)
{
	int i = r->rt.rank;

	(void)arg;
	good[i] = lt_facts_agree(&r->rt, facts[i], 3, &error[i]);
}

static void
setup(void)
{
	ranks_mesh(&w, 2, (int[]){2, 3});
	for (int i = 0; i < w.n; i++) {
		facts[i][0] = (struct lt_fact){"build", "loongc 1, 0123"};
		facts[i][1] = (struct lt_fact){"data", "12 tokens"};
		facts[i][2] = (struct lt_fact){"recipe", "steps 5\nlr 1"};
		error[i] = (struct lt_error){.code = LT_OK};
	}
}

/* Every rank gets the same: true, or exactly this. */
static void
all_say(const char *text)
{
	ranks_run(&w, body, NULL);
	ranks_ended(&w);
	for (int i = 0; i < w.n; i++) {
		ck_assert_int_eq(good[i], text == NULL);
		if (!text)
			continue;
		ck_assert_str_eq(error[i].text, text);
		ck_assert_int_eq(error[i].code, LT_EXIT_CONFIG);
	}
}

START_TEST(equal)
{
	char copy[] = "12 tokens"; /* texts, not addresses */

	facts[3][1].text = copy;
	all_say(NULL);
}
END_TEST

START_TEST(one_differs)
{
	facts[4][1].text = "13 tokens";
	all_say("data differs: rank 4 has 13 tokens, 5 ranks have 12 tokens");
}
END_TEST

START_TEST(rank_0_differs)
{
	facts[0][0].text = "loongc 2, 4567";
	all_say("build differs: rank 0 has loongc 2, 4567, 5 ranks have "
	    "loongc 1, 0123");
}
END_TEST

/* Of a text of lines, the one that differs. */
START_TEST(second_line)
{
	facts[5][2].text = "steps 5\nlr 2";
	all_say("recipe differs: rank 5 has lr 2, 5 ranks have lr 1");
	facts[5][2].text = "steps 5";
	ranks_run(&w, body, NULL);
	ck_assert_ptr_nonnull(strstr(error[2].text, "recipe differs: rank 5 "
	    "has steps 5 .. "));
	ck_assert_ptr_nonnull(strstr(error[2].text, ", 5 ranks have steps 5 "
	    ".. "));
}
END_TEST

START_TEST(several)
{
	facts[1][0].text = "a";
	facts[2][0].text = "b";
	facts[2][2].text = "c";
	all_say("build differs: rank 1 has a, 4 ranks have loongc 1, 0123\n"
	    "build differs: rank 2 has b, 4 ranks have loongc 1, 0123\n"
	    "recipe differs: rank 2 has c, 5 ranks have steps 5");
}
END_TEST

/* As many as not: what rank 0 has counts. */
START_TEST(even)
{
	for (int i = 3; i < 6; i++)
		facts[i][1].text = "13 tokens";
	ranks_run(&w, body, NULL);
	ck_assert(!good[0] && strstr(error[0].text, "rank 3 has 13 "
	    "tokens, 3 ranks have 12 tokens"));
}
END_TEST

/* A text that is longer than a message wants. */
START_TEST(long_text)
{
	static char text[5000], other[5000];

	memset(text, 'x', sizeof text - 1);
	facts[2][0].text = text;
	ranks_run(&w, body, NULL);
	ck_assert(!good[1] && strlen(error[1].text) < 300);
	/* only at its end */
	for (int i = 0; i < w.n; i++)
		facts[i][0].text = text;
	facts[2][0].text = other;
	memcpy(other, text, sizeof text - 1);
	other[4000] = 'y';
	ranks_run(&w, body, NULL);
	ck_assert(!good[1] && strstr(error[1].text, "xxx .. "));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("facts");
	TCase *c = tcase_create("facts");
	SRunner *run;
	int failed;

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, equal);
	tcase_add_test(c, one_differs);
	tcase_add_test(c, rank_0_differs);
	tcase_add_test(c, second_line);
	tcase_add_test(c, several);
	tcase_add_test(c, even);
	tcase_add_test(c, long_text);
	suite_add_tcase(s, c);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
