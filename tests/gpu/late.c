/*
 * A trainer for the emulator, PROGRAM, on the driver of fake_cuda.c instead,
 * which runs the same kernels as late as it may: the image of each unit is the
 * list of its kernels.  What steps allocate is counted.
 */
#define main main_of_program
#include PROGRAM
#undef main

#include <stdio.h>
#include <stdlib.h>

#include "tests/gpu/counted.h"

enum { ROOM = 1 << 16 };

static const char *
image_of(const struct lt_program *p, int unit)
{
	char *s = malloc(ROOM);
	size_t at = (size_t)snprintf(s, ROOM, "FAKE\n");

	for (int i = 0; i < p->nkernel && at < ROOM; i++)
		if (p->kernel[i].unit == unit)
			at += (size_t)snprintf(s + at, ROOM - at, "%s %u\n",
			    p->kernel[i].name, p->kernel[i].args);
	return s;
}

int
main(int argc, char **argv)
{
	static struct lt_program p;
	struct lt_unit *u = calloc((size_t)program.nunit, sizeof *u);
	struct lt_cubin *c = calloc((size_t)program.nunit, sizeof *c);
	int rc;

	p = program;
	for (int i = 0; i < p.nunit; i++) {
		u[i] = p.unit[i];
		c[i] = (struct lt_cubin){"sm_90a", image_of(&program, i), 0};
		c[i].size = strlen(c[i].data);
		u[i].cubin = &c[i];
		u[i].ncubin = 1;
	}
	p.unit = u;
	p.device = LT_DEVICE_CUDA;
	count_program(&p, &program);
	(void)main_of_program;
	rc = lt_main(argc, argv, &p);
	count_report();
	return rc;
}
