/*
 * A piece of an array on its way: a nest of loops over equal boxes in the
 * source and in the destination.  Offsets and strides are in elements.
 */
#ifndef LT_RUNTIME_COMM_NEST_H
#define LT_RUNTIME_COMM_NEST_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/loong_rt.h"

struct lt_pool;

/* Rows of len elements that lie together on both sides; a packed piece is
 * the rows in order, one right after the other. */
struct lt_nest {
	int rank;                 /* loops around a row */
	uint64_t n[LT_RANK_MAX], src[LT_RANK_MAX], dst[LT_RANK_MAX];
	uint64_t rows, len;
};

/* A box n inside arrays of these shapes; loops that can be merged are. */
struct lt_nest lt_nest_of(int rank, const uint64_t n[], const uint64_t src[],
    const uint64_t dst[]);

/* One of the arrays that a copy or a sum reads; at: the box's first element,
 * or the packed piece. */
struct lt_source {
	const char *at;
	int packed;
};

/* dst = src, elements of `size` bytes, split over the pool. */
void lt_nest_copy(struct lt_pool *, const struct lt_nest *, size_t size,
    char *dst, struct lt_source src);
/* dst = src[0] + src[1] + .., f32, in this order for every element; dst may
 * be one of the sources. */
void lt_nest_sum(struct lt_pool *, const struct lt_nest *, float *dst, int n,
    const struct lt_source src[]);
/* dst = the largest of src[0], src[1], .., which are at least 0; NaN is larger
 * than all others. */
void lt_nest_max(struct lt_pool *, const struct lt_nest *, float *dst, int n,
    const struct lt_source src[]);
/* The box, packed. */
void lt_nest_pack(const struct lt_nest *, size_t size, char *packed,
    const char *src);

#endif
