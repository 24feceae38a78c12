/*
 * Inside of coverage: a list of steps of one attention, and whether each pair
 * of a query and a key that the mask asks for is in it once.
 */
#ifndef LOONG_IR_COVERAGE_PAIRS_H
#define LOONG_IR_COVERAGE_PAIRS_H

#include "ir/ir.h"

struct pair_visit {
	const struct type *q, *k;
	int64_t loop[MAX_LOOPS];
};

struct pairs {
	struct module *m;
	int mask;        /* index into mask_words */
	uint64_t window; /* of mask=window */
	struct pair_visit *visit; /* malloc'd */
	size_t n, cap;
	uint64_t trips; /* of loops, in all */
};

/* Queries that meet keys never (times 0) or more than once (2). */
struct hole {
	struct run q, k;
	int times;
};

void pairs_add(struct pairs *p, const struct type *q, const struct type *k,
    const int64_t *loop);
/* More steps than that are no ring. */
size_t pairs_most(const struct pairs *p);
bool pairs_complete(const struct pairs *p, struct hole *h);
void pairs_free(struct pairs *p);

#endif
