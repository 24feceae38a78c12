/*
 * How much a rank sends: calls and bytes of each kind of move over each set
 * of axes.  What stays on the rank is not counted.  An allreduce of n
 * elements counts as what it takes at least: every member sends all parts
 * but its own, and then its own to the others.
 */
#ifndef LT_RUNTIME_COMM_COUNT_H
#define LT_RUNTIME_COMM_COUNT_H

#include <stdbool.h>
#include <stdint.h>

struct lt_op;

enum { LT_COUNT_MAX = 64 };
struct lt_count {
	bool on;
	int n;
	struct lt_count_row {
		uint32_t kind, axes; /* enum lt_move_kind; bit a: axis a */
		uint64_t calls, bytes;
	} row[LT_COUNT_MAX];
};

void lt_count_add(struct lt_count *, const struct lt_op *);
/* Adds all of `more`, if `to` is on. */
void lt_count_join(struct lt_count *to, const struct lt_count *more);

#endif
