/* Which global indices a rank holds of one dimension. */
#ifndef LT_RUNTIME_RUNS_H
#define LT_RUNTIME_RUNS_H

#include <stdint.h>

enum { LT_RUNS_MAX = 8 };

/* Runs in local order: the local elements are those of r[0], then r[1], ..
 * For attention n == 0 says that row i is at position i, and positions are
 * below 2^31 - 1. */
struct lt_runs {
	uint32_t n;
	struct {
		uint64_t start, len;
	} r[LT_RUNS_MAX];
};

#endif
