/* Which code runs on which GPU, and which is taken of several. */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "runtime/gpu/cuda.h"

static const struct {
	const char *arch;
	int here;
	bool runs;
} cases[] = {
	{"sm_80", 80, true}, {"sm_80", 86, true}, {"sm_80", 89, true},
	{"sm_86", 80, false}, {"sm_86", 89, true}, {"sm_80", 90, false},
	{"sm_80a", 80, false}, {"sm_80f", 80, false},
	{"sm_90", 90, true}, {"sm_90a", 90, true}, {"sm_90f", 90, false},
	{"sm_90a", 100, false},
	{"sm_100", 100, true}, {"sm_100", 103, true}, {"sm_103", 100, false},
	{"sm_100a", 100, true}, {"sm_100a", 103, false},
	{"sm_103a", 103, true}, {"sm_103a", 100, false},
	{"sm_100f", 100, true}, {"sm_100f", 103, true},
	{"sm_103f", 103, true}, {"sm_103f", 100, false},
	{"sm_100f", 101, false}, {"sm_101f", 101, true},
	{"sm_101f", 103, false}, {"sm_100f", 110, false},
	{"sm_120f", 121, true}, {"sm_100f", 120, false},
	{"sm_90b", 90, false}, {"sm_90aa", 90, false}, {"sm_", 90, false},
	{"compute_90", 90, false}, {"", 90, false},
};

START_TEST(runs)
{
	int got = lt_cuda_suits(cases[_i].arch, cases[_i].here);

	ck_assert_msg((got >= 0) == cases[_i].runs, "%s on %d: %d",
	    cases[_i].arch, cases[_i].here, got);
}
END_TEST

START_TEST(the_best_is_taken)
{
	static const char *const order[] = {"sm_100", "sm_103", "sm_100f",
		"sm_103f", "sm_103a"};

	for (int i = 0; i + 1 < 5; i++)
		ck_assert_int_lt(lt_cuda_suits(order[i], 103),
		    lt_cuda_suits(order[i + 1], 103));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("suits");
	Suite *s = suite_create("suits");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, runs, 0, sizeof cases / sizeof *cases);
	tcase_add_test(t, the_best_is_taken);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
