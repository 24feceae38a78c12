/* Reads and writes of ops. */
#include "config.h"

#include "passes/effects.h"

#include <string.h>

static void
add(struct module *m, struct effects *s, const void *what, int field,
    bool write)
{
	if (s->n == s->cap) {
		struct effect *old = s->e;

		s->cap = s->cap ? 2 * s->cap : 16;
		s->e = NEW_N(m->mem, struct effect, (size_t)s->cap);
		if (s->n)
			memcpy(s->e, old, sizeof *old * (size_t)s->n);
	}
	s->e[s->n++] = (struct effect){what, field, write};
}

/* Bundles that lie in one place are one. */
static const struct bundle *
place(const struct bundle *b)
{
	return b->over ? b->over : b;
}

static void
add_arg(struct module *m, struct effects *s, const struct arg *a, bool write)
{
	int field = a->kind == ARG_FIELD || a->kind == ARG_BUNDLE_FIELD ?
	    a->field : -1;

	if (a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD) {
		add(m, s, place(a->b), field, write);
		return;
	}
	add(m, s, a->v, field, write || a->consume);
	if (a->v->bundle && a->v->def && a->v->def->code == OP_PARAMS)
		add(m, s, place(a->v->bundle), field, false);
}

/* Operands that the op changes: state of the optimizer, what is zeroed. */
static bool
changes(const struct op *op, int i)
{
	return op->code == OP_ZERO ||
	    (op->code == OP_ADAMW && (i == 0 || i == 2 || i == 3));
}

static void
add_region(struct module *m, struct effects *s, const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		effects_add(m, s, r->op[i]);
}

void
effects_add(struct module *m, struct effects *s, const struct op *op)
{
	for (int i = 0; i < op->nin && op->code != OP_LOCAL; i++)
		add_arg(m, s, &op->in[i], changes(op, i));
	if (op->code == OP_FETCH)
		add(m, s, fetch_source(op), -1, false);
	for (int i = 0; i < op->nout; i++)
		add(m, s, op->out[i], -1, true);
	if (op->has_target)
		add_arg(m, s, &op->target, true);
	for (int i = 0; op->carry && i < op->nin; i++)
		add(m, s, op->carry[i], -1, true);
	add_region(m, s, &op->body);
	if (op->code == OP_CALL)
		add_region(m, s, &op->callee->body);
}

void
effects_add_bundle(struct module *m, struct effects *s, const struct bundle *b)
{
	add(m, s, place(b), -1, true);
}

bool
effects_conflict(const struct effects *a, const struct effects *b)
{
	for (int i = 0; i < a->n; i++)
		for (int j = 0; j < b->n; j++) {
			const struct effect *x = &a->e[i], *y = &b->e[j];

			if (x->what == y->what && (x->write || y->write) &&
			    (x->field == y->field || x->field < 0 ||
			    y->field < 0))
				return true;
		}
	return false;
}
