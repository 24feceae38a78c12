/*
 * What a container may use of its machine: the limits of control groups,
 * version 2 or 1, as seen from inside.
 */
#ifndef LT_RUNTIME_MAIN_LIMITS_H
#define LT_RUNTIME_MAIN_LIMITS_H

#include <stdint.h>

/* Where the kernel shows them; tests have a folder of their own. */
#define LT_CGROUP "/sys/fs/cgroup"

/* Cores' worth of time, rounded up; 0: no limit. */
int lt_limit_cores(const char *root);

/* Bytes; 0: no limit. */
uint64_t lt_limit_memory(const char *root);

#endif
