/*
 * Gradients of parameters: sums over tokens that every rank has a part of.
 *
 *   bundle GW[L] = grad W : f32        bundle GW[L] = grad W : f32 +all
 *                                      bundle RW[L] = grad W over GW : f32
 *   ss = sumsq @GW                     @RW = allreduce @GW on dp,cp,hp
 *   adamw @W, @GW, ..                  ss = sumsq @RW
 *                                      adamw @W, @RW, ..
 */
#include "config.h"

#include <string.h>

#include "passes/partition.h"
#include "passes/rewrite.h"

static struct bundle *
complete_of(const struct module *m, const struct bundle *grad)
{
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->over == grad)
			return m->bundle[i];
	return NULL;
}

void
part_bundles(struct part *p)
{
	struct module *m = p->m;
	int n = m->nbundle;

	for (int i = 0; i < n; i++) {
		struct bundle *g = m->bundle[i], *r;
		const char *name;

		if (g->role != ROLE_GRAD || g->over)
			continue;
		name = arena_printf(m->mem, "R%s", g->of->name);
		while (module_bundle(m, name))
			name = arena_printf(m->mem, "%s_", name);
		r = module_derive_bundle(m, name, g->of, ROLE_GRAD,
		    (enum dtype)g->dtype);
		r->over = g;
		g->pend = p->all;
	}
}

static void
reduce(struct part *p, struct part_func *x, struct bundle *grad,
    struct bundle *full, struct span at)
{
	struct op *op = op_make(p->m, OP_ALLREDUCE, (struct arg[]){
	    arg_bundle(grad)}, 1, 1, at);
	struct value *v = op_result(p->m, x->f, op, 0, NULL, NULL);

	v->bundle = full;
	v->dtype = full->dtype;
	op->has_target = true;
	op->target = arg_bundle(full);
	part_on(p, op, p->all);
	part_append(p, x, op, x->depth);
}

static bool
is_reduced(const struct part_func *x, const struct bundle *full)
{
	const struct region *r = x->out[x->depth];

	for (int i = 0; i < r->n; i++)
		if (r->op[i]->code == OP_ALLREDUCE && r->op[i]->has_target &&
		    r->op[i]->target.b == full)
			return true;
	return false;
}

void
part_optimizer(struct part *p, struct part_func *x, struct op *op)
{
	if (op->code != OP_SUMSQ && op->code != OP_ADAMW)
		return;
	for (int i = 0; i < op->nin; i++) {
		struct bundle *b = op->in[i].kind == ARG_BUNDLE ? op->in[i].b :
		    NULL, *full = b && b->pend ? complete_of(p->m, b) : NULL;

		if (!full)
			continue;
		if (!is_reduced(x, full))
			reduce(p, x, b, full, op->at);
		op->in[i].b = full;
	}
}
