/*
 * Who started this process, and as one of how many: torchrun, srun and
 * mpirun say so in the environment, and Kubernetes which machine this is.
 */
#ifndef LT_RUNTIME_MAIN_LAUNCH_H
#define LT_RUNTIME_MAIN_LAUNCH_H

#include <stdint.h>

struct lt_launch {
	const char *by; /* NULL: nobody, this process is alone */
	int64_t rank, ranks;
	int64_t node, nodes; /* this machine; nodes 1: the only one, or it is
	                        not known */
};

/* The first launcher of launch.def that has set its variables to numbers;
 * else alone: rank 0 of 1. */
void lt_launch_find(struct lt_launch *);

#endif
