/*
 * What ptxas says of each kernel with --ptxas-options=-v, read from NVRTC's
 * log.  A spill or an advisory (C7510 and its like: wgmma serialised, ...) is
 * a kernel that runs slower than it was written to.
 */
#ifndef LOONG_SUPPORT_PTXAS_H
#define LOONG_SUPPORT_PTXAS_H

#include <stddef.h>

enum { PTXAS_NAME = 128, PTXAS_ADVICE = 200 };

struct ptxas_kernel {
	char name[PTXAS_NAME];     /* cut if longer */
	int registers;             /* of a thread */
	int shared;                /* bytes of static shared memory */
	int stack;                 /* bytes of a thread's local memory */
	int spill_stores, spill_loads; /* bytes */
	int advisories;
	char advice[PTXAS_ADVICE]; /* the first of them, "" if none */
};

/* Up to `most` kernels of the log, in its order; returns how many there are.
 * NULL, 0: counts them. */
int ptxas_read(const char *log, struct ptxas_kernel *kernel, int most);

#endif
