/* How a program of tests ends: one case, run, 0 if all of it passed. */
#ifndef LOONG_TESTS_SUITE_H
#define LOONG_TESTS_SUITE_H

#include <check.h>

static inline int
suite_run(const char *name, TCase *t)
{
	Suite *s = suite_create(name);
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

#endif
