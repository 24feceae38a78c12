/* Mutations of bundles and layers: which one, and added to or set. */
#include "config.h"

#include "tests/mutate/mutate.h"

static bool
to_first(struct arg *a)
{
	if (!a->indexed || a->index.n == 0)
		return false;
	a->index = affine_const(0);
	return true;
}

bool
layer_first(struct mut *x, struct op *op)
{
	if ((op->code != OP_GATHER && op->code != OP_PARAMS) ||
	    op->in[0].kind != ARG_BUNDLE || op->in[0].index.n == 0 ||
	    !mut_here(x, op))
		return false;
	return to_first(&op->in[0]);
}

bool
accum_first(struct mut *x, struct op *op)
{
	if (!op->has_target || op->target.kind != ARG_BUNDLE ||
	    op->target.index.n == 0 || !mut_here(x, op))
		return false;
	return to_first(&op->target);
}

bool
accum_set(struct mut *x, struct op *op)
{
	if (!op->has_target || !op->target_add ||
	    op->target.kind != ARG_BUNDLE || !mut_here(x, op))
		return false;
	op->target_add = false;
	return true;
}

bool
call_first(struct mut *x, struct op *op)
{
	if (op->code != OP_CALL || op->index.n == 0 || !mut_here(x, op))
		return false;
	op->index = affine_const(0);
	return true;
}

bool
loop_forward(struct mut *x, struct op *op)
{
	if (op->code != OP_FOR || !op->rev || !mut_here(x, op))
		return false;
	op->rev = false;
	return true;
}
