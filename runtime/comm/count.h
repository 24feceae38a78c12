/*
 * How much a rank sends: calls and bytes of each kind of move over each set
 * of axes, and of its copies to the host and from it, which are over none.  What stays on the rank is not counted.  An allreduce of n
 * elements counts as what it takes at least: every member sends all parts
 * but its own, and then its own to the others.
 */
#ifndef LT_RUNTIME_COMM_COUNT_H
#define LT_RUNTIME_COMM_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loong_rt.h"

struct lt_op;

enum { LT_COUNT_MAX = 64 };
enum { LT_COUNT_OFFLOAD = LT_MOVE_KINDS, LT_COUNT_FETCH, LT_COUNT_KINDS };
struct lt_count {
	bool on;
	int n;
	struct lt_count_row {
		uint32_t kind, axes; /* enum lt_move_kind, or of these two;
		                        bit a: axis a */
		uint64_t calls, bytes;
	} row[LT_COUNT_MAX];
};

void lt_count_add(struct lt_count *, const struct lt_op *);
/* This rank's; NULL: nothing is counted. */
struct lt_count *lt_count_of(struct lt *);
/* A copy of so many bytes to dst, from or to LT_HOST. */
void lt_count_copy(struct lt *, const void *dst, uint64_t bytes);
/* Whether that is in LT_HOST. */
bool lt_in_host(const struct lt *, const void *);
/* Adds all of `more`, if `to` is on. */
void lt_count_join(struct lt_count *to, const struct lt_count *more);

#endif
