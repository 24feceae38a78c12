/* Seconds on a clock that only goes forward, from some moment on. */
#ifndef LT_RUNTIME_CLOCK_H
#define LT_RUNTIME_CLOCK_H

#include <time.h>

static inline double
lt_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
