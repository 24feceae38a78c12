/* --arch: what the kernels of a trainer for GPUs are compiled for. */
#ifndef LOONG_DRIVER_ARCH_H
#define LOONG_DRIVER_ARCH_H

#include <stdbool.h>

enum { ARCH_MAX = 16 };

struct arch {
	char name[12]; /* "sm_90a" */
	int number;    /* 90 */
};

struct arch_list {
	struct arch arch[ARCH_MAX];
	int n;
	bool emulated; /* the word emu, which stands alone */
};

/* "sm_80,sm_90a" or "emu"; NULL: those of arch_default.  On a mistake: a
 * message to stderr, false. */
bool arch_parse(struct arch_list *a, const char *text);

#define arch_default "sm_80,sm_90a,sm_100a"

#endif
