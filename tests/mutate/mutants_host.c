/* Mutations of what goes to the host and comes back. */
#include "config.h"

#include "tests/mutate/mutate.h"

static bool
is_fetch(const struct op *op)
{
	return op->code == OP_FETCH;
}

/* Something else of the same type that is there already goes instead. */
bool
sent_other(struct mut *x, struct op *op)
{
	struct value *other = NULL;

	for (int i = 0; op->code == OP_OFFLOAD && i < x->at; i++)
		for (int j = 0; j < x->r->op[i]->nout; j++) {
			struct value *v = x->r->op[i]->out[j];

			if (v->type == op->in[0].v->type && !v->future &&
			    v != op->in[0].v && !value_on_host(v))
				other = v;
		}
	if (!other || !mut_here(x, op))
		return false;
	op->in[0].v = other;
	return true;
}

bool
fetch_layer(struct mut *x, struct op *op)
{
	if (!is_fetch(op) || op->when.set || !mut_here(x, op))
		return false;
	op->index = affine_const(0);
	return true;
}

/* The layer at work instead of the one after it. */
bool
fetch_again(struct mut *x, struct op *op)
{
	if (!is_fetch(op) || !op->when.set || !mut_here(x, op))
		return false;
	op->index.k = 0;
	return true;
}

/* In front of everything: nothing has been sent yet. */
bool
fetch_early(struct mut *x, struct op *op)
{
	if (!is_fetch(op) || x->f->index || !mut_here(x, op))
		return false;
	for (int i = x->at; i > 0; i--)
		x->r->op[i] = x->r->op[i - 1];
	x->r->op[0] = op;
	return true;
}

bool
host_read(struct mut *x, struct op *op)
{
	struct op *next = x->at + 1 < x->r->n ? x->r->op[x->at + 1] : NULL;

	if (op->code != OP_OFFLOAD || op->out[0]->future || !next)
		return false;
	for (int i = 0; i < next->nin; i++)
		if (next->in[i].kind == ARG_VALUE &&
		    next->in[i].v == op->in[0].v && mut_here(x, op)) {
			next->in[i].v = op->out[0];
			return true;
		}
	return false;
}

bool
host_load(struct mut *x, struct op *op)
{
	if (!is_fetch(op) || op->when.set || op->out[0]->future ||
	    !mut_here(x, op))
		return false;
	op->code = OP_LOAD;
	op->indexed = false;
	op->callee = NULL;
	return true;
}

/* All layers in the first one's place. */
bool
sent_first(struct mut *x, struct op *op)
{
	const char *slot = op->nout ? op->out[0]->slot : NULL;

	if (op->code != OP_OFFLOAD || !slot || !mut_here(x, op))
		return false;
	for (int i = 0; i < x->f->nvalue; i++)
		if (x->f->value[i] && x->f->value[i]->slot == slot)
			x->f->value[i]->slot_index = affine_const(0);
	return true;
}

/* The copy stays on the device, over activations. */
bool
host_arena(struct mut *x, struct op *op)
{
	struct slot *s = op->code == OP_OFFLOAD && op->out[0]->slot ?
	    module_slot(x->m, op->out[0]->slot) : NULL;

	if (!s || !mut_here(x, op))
		return false;
	s->arena = ARENA_ACT;
	s->offset = 0;
	return true;
}

/* What is being sent is written meanwhile. */
bool
sent_written(struct mut *x, struct op *op)
{
	const struct value *v = op->nin ? op->in[0].v : NULL;

	if (op->code != OP_OFFLOAD || !op->out[0]->future || !v->slot)
		return false;
	for (int i = x->at + 1; i < x->r->n; i++) {
		struct op *next = x->r->op[i];

		if (next->code == OP_WAIT && next->in[0].v == op->out[0])
			return false;
		if (next->code != OP_DOT || next->has_target || next->into ||
		    !next->out[0]->slot ||
		    type_local_bytes(x->m, next->out[0]->type) >
		    type_local_bytes(x->m, v->type) || !mut_here(x, op))
			continue;
		next->out[0]->slot = v->slot;
		next->out[0]->slot_indexed = v->slot_indexed;
		next->out[0]->slot_index = v->slot_index;
		return true;
	}
	return false;
}

/* The next layer's arrives in the buffer of this one. */
bool
fetch_parity(struct mut *x, struct op *op)
{
	for (int i = 0; op->code == OP_CALL && i < op->nout; i++) {
		struct value *v = op->out[i];

		if (v->future && v->type && v->slot_indexed &&
		    v->slot_index.mod == 2 && mut_here(x, op)) {
			v->slot_index.k++;
			return true;
		}
	}
	return false;
}
