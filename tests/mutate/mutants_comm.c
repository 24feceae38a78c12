/* Mutations of collectives, and of the types that say what is summed. */
#include "config.h"

#include "tests/mutate/mutate.h"

#include <string.h>

bool
axis_lost(struct mut *x, struct op *op)
{
	if (!mut_comm(op) || op->nhop < 1 || op->code == OP_SHIFT ||
	    !mut_here(x, op))
		return false;
	op->nhop--;
	return true;
}

bool
axis_other(struct mut *x, struct op *op)
{
	int a = 0;

	while (a < x->m->naxis && op_axes(op) >> a & 1)
		a++;
	if (!mut_comm(op) || op->code == OP_SHIFT || a == x->m->naxis ||
	    !mut_here(x, op))
		return false;
	op->hop[0].axis = (uint8_t)a;
	return true;
}

bool
axis_order(struct mut *x, struct op *op)
{
	struct hop h;

	if (!mut_comm(op) || op->nhop < 2 ||
	    (op->code != OP_GATHER && op->code != OP_RSCATTER) ||
	    !mut_here(x, op))
		return false;
	h = op->hop[0];
	op->hop[0] = op->hop[1];
	op->hop[1] = h;
	return true;
}

bool
hops_swapped(struct mut *x, struct op *op)
{
	const char *to;

	if (op->code != OP_A2A || op->nhop < 2 ||
	    op->hop[0].to == op->hop[1].to || !mut_here(x, op))
		return false;
	to = op->hop[0].to;
	op->hop[0].to = op->hop[1].to;
	op->hop[1].to = to;
	return true;
}

bool
dim_other(struct mut *x, struct op *op)
{
	const struct type *t = mut_value(op, 0) ? op->in[0].v->type : NULL;

	if (op->code != OP_A2A || !t)
		return false;
	for (int i = t->rank - 1; i >= 0; i--)
		if (t->d[i].name != op->hop[0].to &&
		    t->d[i].name != op->hop[0].from) {
			if (!mut_here(x, op))
				return false;
			op->hop[0].to = t->d[i].name;
			return true;
		}
	return false;
}

bool
comm_dropped(struct mut *x, struct op *op)
{
	if (!mut_comm(op) || op->code == OP_SHIFT || op->has_target ||
	    !mut_value(op, 0) || !mut_here(x, op))
		return false;
	mut_bypass(x, op);
	return true;
}

bool
replica_lost(struct mut *x, struct op *op)
{
	struct type t;

	if (op->code != OP_ATTN_BWD || !op->out[1]->type->pend ||
	    !mut_here(x, op))
		return false;
	t = *op->out[1]->type;
	t.pend = 0;
	op->out[1]->type = type_intern(x->m, &t);
	return true;
}

bool
recip_local(struct mut *x, struct op *op)
{
	struct op *sum;

	if (op->code != OP_RECIP || !op->in[0].v->def)
		return false;
	sum = op->in[0].v->def;
	if (sum->code != OP_ALLREDUCE || !mut_here(x, op))
		return false;
	op->in[0] = sum->in[0];
	return true;
}

bool
return_local(struct mut *x, struct op *op)
{
	if (op->code != OP_RETURN || strcmp(x->f->name, "step") != 0 ||
	    !op->in[0].v->def || op->in[0].v->def->code != OP_ALLREDUCE ||
	    !mut_here(x, op))
		return false;
	op->in[0] = op->in[0].v->def->in[0];
	return true;
}

bool
sum_dropped(struct mut *x, struct op *op)
{
	if (!mut_comm(op) || !op->has_target || !mut_here(x, op))
		return false;
	mut_remove(x);
	return true;
}

static struct bundle *
under(const struct bundle *b)
{
	return b->over;
}

bool
sumsq_local(struct mut *x, struct op *op)
{
	if (op->code != OP_SUMSQ || !under(op->in[0].b) || !mut_here(x, op))
		return false;
	op->in[0].b = under(op->in[0].b);
	return true;
}

bool
adamw_local(struct mut *x, struct op *op)
{
	if (op->code != OP_ADAMW || !under(op->in[1].b) || !mut_here(x, op))
		return false;
	op->in[1].b = under(op->in[1].b);
	return true;
}

bool
norm_local(struct mut *x, struct op *op)
{
	struct op *sum = op->nin == 1 && op->in[0].kind == ARG_VALUE ?
	    op->in[0].v->def : NULL;

	if (op->code != OP_SQRT || !sum || sum->code != OP_ALLREDUCE ||
	    !mut_here(x, op))
		return false;
	op->in[0] = sum->in[0];
	return true;
}

bool
pend_lost(struct mut *x, struct op *op)
{
	struct type t;

	if (!op->nout || op->out[0]->bundle || !op->out[0]->type->pend ||
	    mut_comm(op) || op->code == OP_LOAD || op->code == OP_FOR ||
	    op->code == OP_CALL || !mut_here(x, op))
		return false;
	t = *op->out[0]->type;
	t.pend = 0;
	op->out[0]->type = type_intern(x->m, &t);
	return true;
}

bool
pend_bundle(struct mut *x, struct op *op)
{
	struct bundle *b = op->has_target && op->target.kind == ARG_BUNDLE ?
	    op->target.b : NULL;

	if (!b || b->role != ROLE_GRAD || !b->pend || !mut_here(x, op))
		return false;
	b->pend = 0;
	return true;
}

bool
zigzag_lost(struct mut *x, struct op *op)
{
	struct type t;
	bool any = false;

	if (!op->nout || op->out[0]->bundle || op->code == OP_LOAD ||
	    op->code == OP_FOR || op->code == OP_CALL)
		return false;
	t = *op->out[0]->type;
	for (int i = 0; i < t.rank; i++)
		for (int j = 0; j < t.d[i].n; j++)
			if (t.d[i].s[j].kind == SHARD_ZIGZAG) {
				t.d[i].s[j].kind = SHARD_BLOCK;
				any = true;
			}
	if (!any || !mut_here(x, op))
		return false;
	op->out[0]->type = type_intern(x->m, &t);
	return true;
}
