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

/* The global index of local element i. */
static inline uint64_t
lt_position(const struct lt_runs *at, uint64_t i)
{
	uint32_t j = 0;

	while (j + 1 < at->n && i >= at->r[j].len)
		i -= at->r[j++].len;
	return at->r[j].start + i;
}

/* The local element with that global index, or -1. */
static inline int64_t
lt_find(const struct lt_runs *at, uint64_t global)
{
	uint64_t before = 0;

	for (uint32_t j = 0; j < at->n; before += at->r[j++].len)
		if (global >= at->r[j].start &&
		    global - at->r[j].start < at->r[j].len)
			return (int64_t)(before + global - at->r[j].start);
	return -1;
}

#endif
