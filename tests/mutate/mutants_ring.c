/* Mutations of rings: hops, carries and the steps of attention. */
#include "config.h"

#include "tests/mutate/mutate.h"

#include "passes/rewrite.h"

static bool
same_type(const struct op *op, int i, int j)
{
	return mut_value(op, i) && mut_value(op, j) &&
	    op->in[i].v->type == op->in[j].v->type &&
	    op->in[i].v != op->in[j].v;
}

static void
swap_in(struct op *op, int i, int j)
{
	struct arg a = op->in[i];

	op->in[i] = op->in[j];
	op->in[j] = a;
}

bool
hop_dropped(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || !mut_here(x, op))
		return false;
	mut_bypass(x, op);
	return true;
}

bool
hop_far(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || !mut_here(x, op))
		return false;
	op->hop[0].by++;
	return true;
}

bool
hop_back(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT ||
	    x->m->axis[op->hop[0].axis].size == 2 || !mut_here(x, op))
		return false;
	op->hop[0].by = -op->hop[0].by;
	return true;
}

bool
hop_when(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || !op->when.set || !mut_here(x, op))
		return false;
	op->when.b.k--;
	return true;
}

/* The guard of another shift of the loop on one that had none. */
bool
hop_guarded(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || op->when.set)
		return false;
	for (int i = 0; i < x->r->n; i++)
		if (x->r->op[i]->code == OP_SHIFT && x->r->op[i]->when.set) {
			if (!mut_here(x, op))
				return false;
			op->when = x->r->op[i]->when;
			return true;
		}
	return false;
}

static bool
swap_alike(struct mut *x, struct op *op)
{
	for (int i = 0; i + 1 < op->nin; i++)
		if (same_type(op, i, i + 1)) {
			if (!mut_here(x, op))
				return false;
			swap_in(op, i, i + 1);
			return true;
		}
	return false;
}

bool
yield_swapped(struct mut *x, struct op *op)
{
	return op->code == OP_YIELD && swap_alike(x, op);
}

bool
init_swapped(struct mut *x, struct op *op)
{
	return op->code == OP_FOR && swap_alike(x, op);
}

bool
operands_swapped(struct mut *x, struct op *op)
{
	return op->code == OP_SHIFT && swap_alike(x, op);
}

/* Yields the last carry of the loop itself, not what came of it. */
bool
yield_stale(struct mut *x, struct op *op)
{
	struct value *carry = NULL;

	if (op->code != OP_YIELD || op->nin == 0)
		return false;
	for (int i = 0; i < x->f->nvalue; i++) {
		struct value *v = x->f->value[i];

		if (v && !v->def && v->type && v->name &&
		    mut_value(op, op->nin - 1) &&
		    v->type->rank == op->in[op->nin - 1].v->type->rank)
			for (int j = 0; j < x->r->n; j++)
				for (int k = 0; k < x->r->op[j]->nin; k++)
					if (x->r->op[j]->in[k].v == v &&
					    x->r->op[j]->code == OP_SHIFT)
						carry = v;
	}
	if (!carry || !mut_here(x, op))
		return false;
	op->in[op->nin - 1].v = carry;
	return true;
}

static bool
is_step(const struct op *op)
{
	return op->code == OP_ATTN_STEP || op->code == OP_ATTN_STEP_BWD;
}

bool
step_swapped(struct mut *x, struct op *op)
{
	int k = op->code == OP_ATTN_STEP_BWD ? 2 : 1;

	if (!is_step(op) || !same_type(op, k, k + 1) || !mut_here(x, op))
		return false;
	swap_in(op, k, k + 1);
	return true;
}

bool
mask_other(struct mut *x, struct op *op)
{
	if (!is_step(op) || !mut_here(x, op))
		return false;
	op_set_int(x->m, op, ATTR_MASK, 1);
	return true;
}

bool
scale_other(struct mut *x, struct op *op)
{
	if (!is_step(op) || !mut_here(x, op))
		return false;
	op_set_real(x->m, op, ATTR_SCALE, 1.25);
	return true;
}

bool
lse_zero(struct mut *x, struct op *op)
{
	if (op->code != OP_NEGINF || !mut_here(x, op))
		return false;
	op->code = OP_ZEROS;
	return true;
}

bool
loop_short(struct mut *x, struct op *op)
{
	if (op->code != OP_FOR || op->hi.dim == NULL ||
	    module_axis(x->m, op->hi.dim) < 0 || !mut_here(x, op))
		return false;
	op->hi.k--;
	return true;
}

/* Accumulators go on as they were. */
bool
step_dropped(struct mut *x, struct op *op)
{
	if (!is_step(op) || !mut_here(x, op))
		return false;
	for (int i = 0; i < op->nout; i++)
		replace_uses(x->f, op->out[i],
		    op->in[op->nin - op->into + i].v);
	mut_remove(x);
	return true;
}

bool
window_other(struct mut *x, struct op *op)
{
	if (!is_step(op) || !op_attr(op, ATTR_WINDOW) || !mut_here(x, op))
		return false;
	op_set_int(x->m, op, ATTR_WINDOW, op_int(op, ATTR_WINDOW) + 1);
	return true;
}

bool
part_short(struct mut *x, struct op *op)
{
	if (op->code != OP_PART ||
	    op_int(op, ATTR_TO) - op_int(op, ATTR_FROM) < 2 ||
	    !mut_here(x, op))
		return false;
	op_set_int(x->m, op, ATTR_FROM, op_int(op, ATTR_FROM) + 1);
	return true;
}
