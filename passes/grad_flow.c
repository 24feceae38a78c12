/*
 * grad of structure: a loop runs backwards, a block's twin is called.
 *
 *   xL = for l=0..L (x = x0) {          dx0 = for l=0..L rev (dr = dxL) {
 *     r = call layer(l, x)                dx = call layer.bwd(l, dr)
 *     yield r                             yield dx
 *   }                                   }
 *
 * What the body reads from outside of it collects its cotangent in a carry of
 * its own.
 */
#include "config.h"

#include <string.h>

#include "passes/grad.h"

struct loop {
	struct op *fwd, *op;
	struct region *outer;
	struct cotangent *cot; /* of the values around the loop */
	bool *inside;          /* by id in from: defined in the loop */
	struct value **around; /* values whose cotangents are summed */
	int naround, cap;
};

static void
mark_inside(struct grad *g, const struct op *op, bool *inside)
{
	for (int i = 0; op->carry && i < op->nin; i++)
		inside[op->carry[i]->id] = true;
	for (int i = 0; i < op->body.n; i++) {
		const struct op *x = op->body.op[i];

		for (int j = 0; j < x->nout; j++)
			inside[x->out[j]->id] = true;
		mark_inside(g, x, inside);
	}
}

static const char *
d_name(struct grad *g, const struct value *v)
{
	return grad_name(g, arena_printf(g->m->mem, "d%s", v->name));
}

/* One more carry; the last op of the body will yield its next value. */
static struct value *
add_carry(struct grad *g, struct loop *l, struct value *init,
    const struct value *named)
{
	struct op *op = l->op;
	int n = op->nin++;

	op->in[n] = arg_value(init);
	op->carry[n] = func_value(g->m, g->to, d_name(g, named),
	    init->type, op->at);
	return op->carry[n];
}

static void
enter(struct grad *g, struct loop *l)
{
	size_t n = (size_t)g->n + 1;
	struct op *fwd = g->op, *op;

	l->fwd = fwd;
	l->cap = fwd->nin + g->n;
	l->op = op = op_new(g->m, OP_FOR, l->cap, l->cap, fwd->at);
	op->carry = NEW_N(g->m->mem, struct value *, (size_t)l->cap + 1);
	op->nin = 0;
	op->var = fwd->var;
	op->lo = fwd->lo;
	op->hi = fwd->hi;
	op->rev = !fwd->rev;
	l->outer = g->out;
	l->cot = g->cot;
	l->inside = NEW_N(g->m->mem, bool, n);
	l->around = NEW_N(g->m->mem, struct value *, n);
	mark_inside(g, fwd, l->inside);
}

/* The cotangents of the results are those of the last yielded values. */
static void
open_body(struct grad *g, struct loop *l)
{
	struct op *yield = region_last(&l->fwd->body);
	struct value **init = NEW_N(g->m->mem, struct value *,
	    (size_t)l->fwd->nin + 1);

	for (int i = 0; i < l->fwd->nin; i++)
		if (g->varied[l->fwd->carry[i]->id])
			init[i] = grad_take_or_zeros(g, l->fwd->out[i]);
	g->cot = NEW_N(g->m->mem, struct cotangent, (size_t)g->n + 1);
	g->out = &l->op->body;
	for (int i = 0; i < l->fwd->nin; i++) {
		struct arg *next = &yield->in[i];

		if (init[i])
			init[i] = add_carry(g, l, init[i],
			    next->kind == ARG_VALUE ? next->v
						    : l->fwd->carry[i]);
	}
	g->op = yield;
	for (int i = 0; i < l->fwd->nin; i++)
		if (init[i] && vjp_wants(g, i))
			vjp_give_value(g, i, init[i], false);
	g->op = l->fwd;
}

/* Copies of constants made in the body are out of reach after it. */
static void
forget_copies(struct grad *g, struct value *const *before)
{
	for (int i = 0; i < g->n; i++)
		if (!before[i] && g->copy[i] && g->copy[i]->def)
			g->copy[i] = NULL;
}

/* v is from around the loop; part is its cotangent of one trip. */
static struct arg
carry_sum(struct grad *g, struct loop *l, const struct value *v,
    struct value *part)
{
	struct value *init, *carry;
	struct op *add;

	g->cot = l->cot;
	g->out = l->outer;
	init = grad_take_or_zeros(g, v);
	g->out = &l->op->body;
	carry = add_carry(g, l, init, v);
	add = op_make(g->m, OP_ADD, (struct arg[]){arg_value(carry),
	    arg_value(part)}, 2, 1, l->op->at);
	op_result(g->m, g->to, add, 0, d_name(g, v), v->type);
	region_append(g->m, g->out, add);
	return arg_value(add->out[0]);
}

/* Yields the next cotangents; l->around: the values that sums belong to. */
static void
close_body(struct grad *g, struct loop *l)
{
	struct arg *next = NEW_N(g->m->mem, struct arg, (size_t)l->cap + 1);
	struct cotangent *inner = g->cot;
	int n = 0;

	for (int i = 0; i < l->fwd->nin; i++)
		if (g->varied[l->fwd->carry[i]->id])
			next[n++] = arg_value(grad_take_or_zeros(g,
			    l->fwd->carry[i]));
	for (int i = 0; i < g->n; i++) {
		struct value *v = g->from->value[i], *part;

		if (l->inside[i] || !inner[i].sum)
			continue;
		g->cot = inner;
		part = grad_take(g, v);
		l->around[l->naround++] = v;
		next[n++] = carry_sum(g, l, v, part);
	}
	region_append(g->m, &l->op->body, op_make(g->m, OP_YIELD, next, n, 0,
	    l->op->at));
	g->cot = l->cot;
	g->out = l->outer;
}

/* Results: cotangents of what the carries started as, and of the sums. */
static void
leave(struct grad *g, struct loop *l)
{
	struct op *op = l->op;
	int n = 0;

	op->nout = op->nin;
	for (int i = 0; i < l->fwd->nin; i++)
		if (g->varied[l->fwd->carry[i]->id]) {
			vjp_result(g, op, n, i, op->carry[n]->type);
			n++;
		}
	for (int i = 0; i < l->naround; i++, n++)
		op_result(g->m, g->to, op, n, NULL, op->carry[n]->type);
	region_append(g->m, g->out, op);
	n = 0;
	for (int i = 0; i < l->fwd->nin; i++)
		if (g->varied[l->fwd->carry[i]->id]) {
			if (vjp_wants(g, i))
				vjp_give_value(g, i, op->out[n], true);
			n++;
		}
	for (int i = 0; i < l->naround; i++, n++) {
		g->cot[l->around[i]->id].sum = NULL;
		grad_seed(g, l->around[i], op->out[n]);
	}
}

void
vjp_FOR(struct grad *g)
{
	struct loop l = {0};
	struct value **before = NEW_N(g->m->mem, struct value *,
	    (size_t)g->n + 1);

	memcpy(before, g->copy, sizeof *before * (size_t)g->n);
	enter(g, &l);
	open_body(g, &l);
	grad_region(g, &l.fwd->body, l.fwd->body.n - 1);
	close_body(g, &l);
	forget_copies(g, before);
	g->op = l.fwd;
	leave(g, &l);
}

/* ------------------------------------------------------------------- calls */

/* True if the twin takes this parameter of the block again. */
static bool
passed_again(const struct func *twin, const struct value *param)
{
	for (int i = 0; i < twin->nparam; i++)
		if (twin->param[i]->name == param->name)
			return true;
	return false;
}

static bool
is_real(const struct type *t)
{
	return t && t->dtype != DT_I32;
}

/* dx.. = call block.bwd(l, dr.., what is passed again) */
void
vjp_CALL(struct grad *g)
{
	struct op *fwd = g->op, *op;
	struct func *f = fwd->callee;
	int nin = 0, nout = 0;

	op = op_new(g->m, OP_CALL, fwd->nin + fwd->nout, fwd->nin, fwd->at);
	op->callee = f->twin;
	op->index = fwd->index;
	op->indexed = fwd->indexed;
	for (int i = 0; i < fwd->nout; i++)
		if (is_real(fwd->out[i]->type))
			op->in[nin++] = arg_value(grad_take_or_zeros(g,
			    fwd->out[i]));
	for (int i = 0; i < fwd->nin; i++) {
		if (passed_again(f->twin, f->param[i]))
			op->in[nin++] = vjp_x(g, i);
		if (is_real(f->param[i]->type))
			vjp_result(g, op, nout++, i, f->param[i]->type);
	}
	op->nin = nin;
	op->nout = nout;
	region_append(g->m, g->out, op);
	for (int i = 0, j = 0; i < fwd->nin; i++)
		if (is_real(f->param[i]->type)) {
			if (vjp_wants(g, i))
				vjp_give_value(g, i, op->out[j], true);
			j++;
		}
}
