/*
 * Bundles whose layers share one place (see passes/update.c): which layer is
 * there at the moment, field by field.  Reading another one is reading what
 * has been written over.
 */
#include "config.h"

#include "ir/replay_run.h"

#include <inttypes.h>

struct replay_layer {
	const struct bundle *b;
	int64_t *layer; /* by field; -1: none */
	struct replay_layer *next;
};

static bool
is_shared(const struct module *m, const struct bundle *b)
{
	const struct slot *s = !b->stack || b->over || !b->nfield ||
	    bundle_is_image(m, b) ? NULL : bundle_slot(m, b, 0, "");

	return s && s->count < module_dim(m, b->stack)->size;
}

void
replay_layers(struct replay *p)
{
	struct arena *mem = p->m->mem;

	for (int i = 0; i < p->m->nbundle; i++) {
		struct bundle *b = p->m->bundle[i];
		struct replay_layer *x;

		if (!is_shared(p->m, b))
			continue;
		x = NEW(mem, struct replay_layer);
		x->b = b;
		x->layer = NEW_N(mem, int64_t, (size_t)b->nfield);
		for (int f = 0; f < b->nfield; f++)
			x->layer[f] = -1;
		x->next = p->layers;
		p->layers = x;
	}
}

static struct replay_layer *
find(const struct replay *p, const struct arg *a)
{
	struct replay_layer *x = p->layers;

	if (a->kind != ARG_BUNDLE && a->kind != ARG_BUNDLE_FIELD)
		return NULL;
	while (x && x->b != a->b)
		x = x->next;
	return x;
}

static int64_t
layer_of(const struct frame *f, const struct arg *a)
{
	return a->indexed ?
	    affine_eval(&a->index, f->var, f->val, f->nvar) : -1;
}

static void
read(struct replay *p, const struct frame *f, const struct op *op,
    const struct arg *a)
{
	const struct replay_layer *x = find(p, a);
	int64_t l = layer_of(f, a);

	for (int i = 0; x && i < x->b->nfield && !p->failed; i++)
		if ((a->kind == ARG_BUNDLE || a->field == i) &&
		    (l < 0 || x->layer[i] != l))
			replay_fail(p, f, op, "reads layer %" PRId64 " of "
			    "@%s.%s, in whose place is layer %" PRId64
			    " (-1: all, or none)", l, x->b->name,
			    x->b->field[i].name, x->layer[i]);
}

static void
write(struct replay *p, const struct frame *f, const struct arg *a)
{
	struct replay_layer *x = find(p, a);

	for (int i = 0; x && i < x->b->nfield; i++)
		if (a->kind == ARG_BUNDLE || a->field == i)
			x->layer[i] = layer_of(f, a);
}

void
replay_use_layers(struct replay *p, const struct frame *f,
    const struct op *op)
{
	if (!p->layers)
		return;
	for (int i = 0; i < op->nin; i++)
		if (op->code == OP_ZERO)
			write(p, f, &op->in[i]);
		else
			read(p, f, op, &op->in[i]);
	if (op->has_target && op->target_add)
		read(p, f, op, &op->target);
	if (op->has_target)
		write(p, f, &op->target);
}
