/* Parts of a range, one per thread, cut at whole cache lines of f32 and bf16. */
#ifndef LT_RUNTIME_STATE_SLICE_H
#define LT_RUNTIME_STATE_SLICE_H

#include <stdint.h>

struct slice {
	uint64_t lo, hi; /* elements, half open */
};

static inline uint64_t
slice_at(uint64_t n, uint64_t part, uint64_t parts)
{
	uint64_t lines = n / 32;

	/* lines * part may pass 2^64 only above 2^54 elements */
	return part == parts ? n : lines * part / parts * 32;
}

static inline struct slice
slice_of(uint64_t n, int part, int parts)
{
	return (struct slice){slice_at(n, (uint64_t)part, (uint64_t)parts),
	    slice_at(n, (uint64_t)part + 1, (uint64_t)parts)};
}

#endif
