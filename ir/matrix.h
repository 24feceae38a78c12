/*
 * A dot as one product of matrices: C[m,n] = op(A)[m,k] op(B)[k,n].
 *
 *	q = dot h[b,s,e], wq[e,k,g,d] : [b,s,k,g,d]
 *	m = b s, contracted = e, n = k g d
 *
 * The kept dims of a, the kept dims of b and the contracted dims must each
 * stand together and in one order wherever they occur; then no data moves.
 */
#ifndef LOONG_IR_MATRIX_H
#define LOONG_IR_MATRIX_H

#include "ir/ir.h"

struct matrices {
	const struct type *a, *b, *c; /* as the op has them */
	uint64_t m, n, k;
	bool ta, tb; /* stored the other way round */
	bool swap;   /* it is C' = B' A' that lies as c does */
};

/* False: its dims do not line up. */
bool matrices_of(const struct module *m, const struct op *op,
    struct matrices *out);

/*
 * Parameters in another dtype than their masters have copies, but for those
 * that are only read as a side of a product, as the weights of the loss head
 * or row by row: there the master is read and rounded (plan.copies = few).
 */
bool master_readable(const struct module *m, const struct op *op, int in);

/* Is operand a a field of such a copy, but none is kept? */
bool arg_is_master(struct module *m, const struct arg *a);

/* which[i]: somebody needs a copy of field i of b. */
void copies_needed(struct module *m, const struct bundle *b, bool *which);

#endif
