/*
 * Inside of the ring pass: attention over keys that other ranks hold, as
 * steps on one block of keys at a time and shifts in between.
 *
 * What goes round is a set of operands: the keys' side (k, v, documents of
 * keys) or, backward only, the queries' side (do, q, z, D, documents of
 * queries).  Accumulators of the side that stays at home stay at home; those
 * of the side that travels travel with it.
 */
#ifndef LOONG_PASSES_RING_H
#define LOONG_PASSES_RING_H

#include "ir/ir.h"

enum ring_operand { /* in the order of attn.step.bwd */
	RING_DO, RING_Q, RING_K, RING_V, RING_Z, RING_D, RING_QDOC, RING_KDOC,
	RING_IN
};
enum { RING_ACC = 3, RING_LEVELS = 2 }; /* outer and inner ring */
enum { OUTER, INNER };

struct ring {
	struct module *m;
	struct func *f;
	struct op *op;      /* attn or attn.bwd */
	struct region *out; /* where ops go now */
	int depth;          /* loops around it */

	/* The rings: an axis each (outer: -1 if there is one ring only); how
	 * many blocks along it, the first so many hops away; the direction
	 * they come from.  Then `back` blocks from the other direction, along
	 * the outermost ring. */
	int axis[RING_LEVELS];
	int64_t steps[RING_LEVELS], first[RING_LEVELS], back;
	int dir; /* -1: from the ranks before; +1: from those after */
	uint64_t reach; /* keys before a piece that a window sees, if that is
			 * less than a piece; else 0 */
	uint64_t piece; /* of consecutive positions, of which a rank has.. */
	int pieces;     /* ..one, or two in a zigzag */
	bool halo;      /* only those keys travel */

	bool backward;
	unsigned travels;     /* bit i: operand i goes round */
	unsigned acc_travels; /* bit i: accumulator i does */
	int nacc;
	const struct type *acc[RING_ACC]; /* at home, f32 */
	int level[RING_LEVELS]; /* depth of the ring's loop here, or -1 */
	const char *var[RING_LEVELS];
};

/* What the step at hand works on. */
struct ring_state {
	struct value *in[RING_IN];
	struct value *acc[RING_ACC];
};

/* ---- ring_plan.c: how far and which way ---- */

/* Bytes one rank sends in all of a ring's hops; seconds of a backward ring. */
struct ring_price {
	uint64_t kv, q;
	double kv_seconds, q_seconds;
};
/* Bytes of a hop: what travels, and backward the sums that travel with it. */
struct ring_block {
	uint64_t block, sums;
};
/* Fills all but out, level and var; false after an error. */
bool ring_plan(struct ring *r, struct module *m, struct func *f, struct op *op,
    int depth);
struct ring_price ring_price(const struct ring *r);
struct ring_block ring_block(const struct ring *r, bool queries);
/* The dim of an operand that lies along the ring's axes. */
const struct dim *ring_dim(const struct op *op, const struct type *t);
/* Decides what travels. */
void ring_choose(struct ring *r, bool queries);

/* ---- ring_time.c ---- */

double ring_seconds(const struct ring *r, bool queries);

/* ---- ring_emit.c: loops of steps and shifts ---- */

/* Appends everything to *out; the results of r->op are defined there. */
void ring_emit(struct ring *r, struct region *out);

#endif
