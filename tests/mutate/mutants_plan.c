/* Mutations of order and of places in memory. */
#include "config.h"

#include "tests/mutate/mutate.h"

bool
wait_lost(struct mut *x, struct op *op)
{
	if (op->code != OP_WAIT || !mut_here(x, op))
		return false;
	mut_bypass(x, op);
	return true;
}

static void
move_op(struct mut *x, int to)
{
	struct op *op = x->r->op[x->at];
	int at = x->at, way = to > at ? 1 : -1;

	for (; at != to; at += way)
		x->r->op[at] = x->r->op[at + way];
	x->r->op[to] = op;
}

bool
wait_late(struct mut *x, struct op *op)
{
	int reader = x->at + 1;

	if (op->code != OP_WAIT)
		return false;
	while (reader < x->r->n && !mut_reads(x->r->op[reader], op))
		reader++;
	if (reader >= x->r->n - 1 || !mut_here(x, op))
		return false;
	move_op(x, reader);
	return true;
}

bool
start_early(struct mut *x, struct op *op)
{
	int maker = x->at - 1;

	if (!mut_comm(op) || !op->nout || !op->out[0]->future)
		return false;
	while (maker >= 0 && !mut_reads(op, x->r->op[maker]))
		maker--;
	if (maker < 0 || !mut_here(x, op))
		return false;
	move_op(x, maker);
	return true;
}

static bool
placed(const struct value *v)
{
	return v->slot != NULL && v->type;
}

static void
place_at(struct value *v, const struct value *there)
{
	v->slot = there->slot;
	v->slot_indexed = there->slot_indexed;
	v->slot_index = there->slot_index;
}

bool
receive_source(struct mut *x, struct op *op)
{
	struct op *wait = NULL;

	if (op->code != OP_SHIFT && op->code != OP_A2A)
		return false;
	for (int i = 0; i < x->r->n; i++)
		if (x->r->op[i]->code == OP_WAIT && mut_reads(x->r->op[i], op))
			wait = x->r->op[i];
	if (!wait || !mut_value(op, 0) || !placed(op->in[0].v) ||
	    !placed(op->out[0]) || op->out[0]->type == NULL ||
	    !mut_here(x, op))
		return false;
	place_at(op->out[0], op->in[0].v);
	for (int i = 0; i < wait->nin; i++)
		if (wait->in[i].v == op->out[0])
			place_at(wait->out[i], op->in[0].v);
	return true;
}

static struct value *
in_turn(struct op *op)
{
	for (int i = 0; i < op->nout && mut_comm(op); i++)
		if (op->out[i]->slot_indexed && op->out[i]->slot_index.mod > 1 &&
		    op->out[i]->slot_index.n > 0)
			return op->out[i];
	return NULL;
}

bool
parity(struct mut *x, struct op *op)
{
	struct value *v = in_turn(op);

	if (!v || op->code == OP_WAIT || !mut_here(x, op))
		return false;
	v->slot_index.k++;
	return true;
}

bool
one_place(struct mut *x, struct op *op)
{
	struct value *v = in_turn(op);

	if (!v || op->code == OP_WAIT || !mut_here(x, op))
		return false;
	v->slot_index = affine_const(0);
	for (int i = 0; i < x->f->nvalue; i++)
		if (x->f->value[i] && x->f->value[i]->slot == v->slot)
			x->f->value[i]->slot_index = affine_const(0);
	return true;
}

bool
saved_first(struct mut *x, struct op *op)
{
	struct value *v = op->nout ? op->out[0] : NULL;

	if (!v || !x->f->index || op->code == OP_LOAD || !v->slot_indexed ||
	    v->slot_index.mod || v->slot_index.n == 0 || op->code == OP_FOR ||
	    v->future || op->code == OP_WAIT || op->into || !mut_here(x, op))
		return false;
	for (int i = 0; i < x->m->nfunc; i++)
		for (int j = 0; j < x->m->func[i]->nvalue; j++) {
			struct value *w = x->m->func[i]->value[j];

			if (w && w->slot == v->slot)
				w->slot_index = affine_const(0);
		}
	return true;
}

bool
result_operand(struct mut *x, struct op *op)
{
	if (op->code != OP_DOT || op->into || op->has_target ||
	    !mut_value(op, 0) || !placed(op->in[0].v) ||
	    !placed(op->out[0]) || op->in[0].v->slot_indexed ||
	    type_local_bytes(x->m, op->out[0]->type) >
	    type_local_bytes(x->m, op->in[0].v->type) || !mut_here(x, op))
		return false;
	place_at(op->out[0], op->in[0].v);
	return true;
}

bool
slot_moved(struct mut *x, struct op *op)
{
	struct slot *from, *to;

	if (op->code != OP_SHIFT || !mut_value(op, 0) ||
	    !placed(op->in[0].v) || !placed(op->out[0]))
		return false;
	from = module_slot(x->m, op->in[0].v->slot);
	to = module_slot(x->m, op->out[0]->slot);
	if (from == to || from->arena != ARENA_ACT || to->arena != ARENA_ACT ||
	    !mut_here(x, op))
		return false;
	to->offset = from->offset;
	to->stride = from->stride;
	return true;
}

bool
arena_small(struct mut *x, struct op *op)
{
	static const enum arena_id arena[] = {ARENA_ACT, ARENA_KEEP};

	if (x->at != 0 || x->left > 1)
		return false;
	x->m->arena_size[arena[x->left]]--;
	x->left = 0;
	return mut_here(x, op);
}

/* A result that is made while a transfer is in flight, in its source. */
bool
source_written(struct mut *x, struct op *op)
{
	if (!mut_comm(op) || !op->nout || !op->out[0]->future ||
	    !mut_value(op, 0) || !placed(op->in[0].v))
		return false;
	for (int i = x->at + 1; i < x->r->n; i++) {
		struct op *next = x->r->op[i];

		if (next->code == OP_WAIT && mut_reads(next, op))
			return false;
		if (next->code != OP_DOT || next->has_target || next->into ||
		    !placed(next->out[0]) ||
		    type_local_bytes(x->m, next->out[0]->type) >
		    type_local_bytes(x->m, op->in[0].v->type))
			continue;
		if (!mut_here(x, op))
			return false;
		place_at(next->out[0], op->in[0].v);
		return true;
	}
	return false;
}
