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
	bool copy;      /* in another dtype, made by `params` */
	int64_t *layer; /* by field; -1: none */
	struct replay_layer *next;
};

static bool
is_shared(const struct module *m, const struct bundle *b, bool copy)
{
	const struct slot *s = !b->stack || b->over || !b->nfield ||
	    bundle_is_image(m, b) ? NULL :
	    bundle_slot(m, b, 0, copy ? ".cast" : "");

	return s && s->count < module_dim(m, b->stack)->size;
}

static void
add(struct replay *p, const struct bundle *b, bool copy)
{
	struct replay_layer *x;

	if (!is_shared(p->m, b, copy))
		return;
	x = NEW(p->m->mem, struct replay_layer);
	x->b = b;
	x->copy = copy;
	x->layer = NEW_N(p->m->mem, int64_t, (size_t)b->nfield);
	for (int f = 0; f < b->nfield; f++)
		x->layer[f] = -1;
	x->next = p->layers;
	p->layers = x;
}

void
replay_layers(struct replay *p)
{
	for (int i = 0; i < p->m->nbundle; i++) {
		add(p, p->m->bundle[i], false);
		add(p, p->m->bundle[i], true);
	}
}

static struct replay_layer *
find_bundle(const struct replay *p, const struct bundle *b, bool copy)
{
	struct replay_layer *x = p->layers;

	while (x && (x->b != b || x->copy != copy))
		x = x->next;
	return x;
}

static struct replay_layer *
find(const struct replay *p, const struct arg *a)
{
	return a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD ?
	    find_bundle(p, a->b, false) : NULL;
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

/* `params` makes the copy of a layer, unless it names the master itself. */
static void
make_copy(struct replay *p, const struct frame *f, const struct op *op)
{
	const struct bundle *b = op->in[0].b;
	struct replay_layer *x = op->out[0]->dtype == b->dtype ? NULL :
	    find_bundle(p, b, true);

	for (int i = 0; x && i < b->nfield; i++)
		x->layer[i] = layer_of(f, &op->in[0]);
}

/* A field of a copy is that of the layer its `params` named. */
static void
read_copy(struct replay *p, const struct frame *f, const struct op *op,
    const struct arg *a)
{
	const struct op *def = a->kind == ARG_FIELD ? a->v->def : NULL;
	const struct replay_layer *x = !def || def->code != OP_PARAMS ||
	    a->v->dtype == def->in[0].b->dtype ? NULL :
	    find_bundle(p, def->in[0].b, true);

	if (x && x->layer[a->field] != layer_of(f, &def->in[0]))
		replay_fail(p, f, op, "reads the copy of layer %" PRId64
		    " of @%s.%s, in whose place is that of layer %" PRId64
		    " (-1: none)", layer_of(f, &def->in[0]), x->b->name,
		    x->b->field[a->field].name, x->layer[a->field]);
}

void
replay_use_layers(struct replay *p, const struct frame *f,
    const struct op *op)
{
	if (!p->layers)
		return;
	for (int i = 0; i < op->nin; i++) {
		if (op->code == OP_ZERO)
			write(p, f, &op->in[i]);
		else if (op->code != OP_PARAMS)
			read(p, f, op, &op->in[i]);
		read_copy(p, f, op, &op->in[i]);
	}
	if (op->code == OP_PARAMS)
		make_copy(p, f, op);
	if (op->has_target && op->target_add)
		read(p, f, op, &op->target);
	if (op->has_target)
		write(p, f, &op->target);
}
