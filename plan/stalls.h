/*
 * What a compute lane stalls for: seconds by the op that it waits for.
 */
#ifndef LOONG_PLAN_STALLS_H
#define LOONG_PLAN_STALLS_H

#include "ir/ir.h"

struct sent { /* an op, and the function that it is in */
	const struct op *op;
	const struct func *func;
};

struct stall {
	struct sent by;
	double seconds;
	uint64_t times;
	uint64_t first; /* its place among all, which orders what is equal */
};

struct stalls {
	struct stall *stall;
	int n, cap;
	uint64_t all;
	double seconds;
};

void stalls_add(struct stalls *s, struct sent by, double seconds);

/* One line for each op, those first that are awaited longest, and one for all
 * that make less than a hundredth of the seconds:
 *	0.170 ms for zg, 32 times: FILE:LINE:COLUMN: fn step: w = gather on hp */
void stalls_print(struct stalls *s, const struct module *m, FILE *out);

void stalls_free(struct stalls *s);

#endif
