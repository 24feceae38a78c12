/* A trainer, PROGRAM, whose allocations in its functions are counted. */
#define main main_of_program
#include PROGRAM
#undef main

#include "tests/gpu/counted.h"

int
main(int argc, char **argv)
{
	static struct lt_program p;
	int rc;

	p = program;
	count_program(&p, &program);
	(void)main_of_program;
	rc = lt_main(argc, argv, &p);
	count_report();
	return rc;
}
