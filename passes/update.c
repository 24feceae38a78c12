/*
 * update: the optimizer takes each layer's gradient as soon as it is complete.
 *
 *   before                              after
 *   dx = for l=0..L rev (dr = d) {      zl = zeros : f32[]
 *     dx1 = call layer.bwd(l, dr)       dx, sl = for l=0..L rev (dr = d, sc = zl) {
 *     yield dx1 }                         dx1 = call layer.bwd(l, dr)
 *   ..                                    sq = sumsq @GW[l]
 *   ss = sumsq @GW, @GE                   adamw @W[l], @GW[l], @MW[l], @VW[l]
 *   gn = sqrt ss                          sn = add sc, sq
 *   cl = clip gn                          yield dx1, sn }
 *   adamw @W, @GW, @MW, @VW, cl         ..
 *   adamw @E, @GE, @ME, @VE, cl         se = sumsq @GE
 *                                       ss = add se, sl
 *                                       ..
 *
 * A layer's gradient then lives for one trip of the loop, and memory gives all
 * layers one place (memory.c).  The update is bit for bit the same; the norm
 * is summed layer by layer.  No factor of the whole norm can be known yet:
 * plan.update = layer asks for recipe.clip = 0, one microbatch, one rank, and
 * recipe.nan = stop, since a gradient that is not finite is noticed too late
 * to skip the step.
 *
 * needs: firstwrite (a gradient that is added to zeros lives longer).
 * keeps: values.  leaves: no gradient of a stacked bundle that outlives its
 * layer.
 */
#include "config.h"

#include <string.h>

#include "passes/effects.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

struct site { /* where the gradients of one stacked bundle are made */
	struct bundle *g;
	struct op *loop, *adamw;
};

/* ---- what stands in the way ---- */

static int
refuse(struct module *m, const char *why, const char *way_out)
{
	const struct setting *s = module_setting(m, "plan.update");

	diag_report(m->diag, DIAG_UPDATE, s->at, "update = layer %s: %s", why,
	    way_out);
	return 1;
}

static int
check_settings(struct module *m)
{
	if (module_number(m, "recipe.clip", 0) > 0)
		return refuse(m, "knows no norm of all gradients to clip by",
		    "set clip = 0 in the recipe, or update = step");
	if (strcmp(module_text(m, "recipe.nan", "stop"), "stop") != 0)
		return refuse(m, "cannot skip a step that it has begun",
		    "set nan = stop in the recipe, or update = step");
	if (module_dim(m, "mb"))
		return refuse(m, "needs the gradient of the whole batch at "
		    "once", "leave micro out of the plan, or set "
		    "update = step");
	if (m->naxis)
		return refuse(m, "is for one rank", "several share gradients "
		    "by zero { stage = 2; }");
	return 0;
}

static bool
touches(struct module *m, const struct op *op, const void *what)
{
	struct effects e = {.n = 0};
	bool any = false;

	effects_add(m, &e, op);
	for (int i = 0; i < e.n; i++)
		any |= e.e[i].what == what;
	return any;
}

/* The gradient has one maker, a loop over the layers, and both readers follow
 * it; the parameters are read by nobody behind the loop. */
static bool
find_site(struct module *m, const struct region *r, struct site *s)
{
	const struct op *ends[2] = {NULL, NULL};
	bool past = false;

	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op->code == OP_ADAMW && op->in[1].b == s->g) {
			s->adamw = op;
		} else if (touches(m, op, s->g)) {
			bool sum = op->code == OP_SUMSQ;

			if (ends[sum] || (!sum && op->code != OP_FOR))
				return false;
			ends[sum] = op;
			if (!sum)
				s->loop = op;
			past |= !sum;
		} else if (past && touches(m, op, s->g->of)) {
			return false;
		}
	}
	return s->loop && s->adamw && ends[1] && s->loop->rev &&
	    s->loop->hi.dim == s->g->stack && s->loop->hi.k == 0 &&
	    !s->loop->lo.dim && s->loop->lo.k == 0;
}

/* ---- the change ---- */

static int
position(const struct region *r, const struct op *op)
{
	int i = 0;

	while (r->op[i] != op)
		i++;
	return i;
}

static void
take_out(struct region *r, const struct op *op)
{
	int at = position(r, op);

	for (int i = at; i + 1 < r->n; i++)
		r->op[i] = r->op[i + 1];
	r->n--;
}

static struct value *
insert(struct module *m, struct func *f, struct region *r, int at,
    enum opcode code, const struct arg *in, int nin, const char *name)
{
	struct op *op = op_make(m, code, in, nin, 1, r->op[at]->at);

	region_insert(m, r, at, op);
	return op_result(m, f, op, 0, name, type_scalar(m, DT_F32));
}

static struct arg
layer_of(struct arg a, const struct op *loop)
{
	a.indexed = true;
	a.index = affine_var(loop->var);
	return a;
}

/* One more value goes round: its start is the last operand already. */
static struct value *
add_carry(struct module *m, struct func *f, struct op *loop)
{
	struct value **carry = NEW_N(m->mem, struct value *,
	    (size_t)loop->nin);

	for (int i = 0; i < loop->nin - 1; i++)
		carry[i] = loop->carry[i];
	loop->carry = carry;
	return carry[loop->nin - 1] = func_value(m, f, func_fresh(m, f, "sc"),
	    type_scalar(m, DT_F32), loop->at);
}

static void
update_layer(struct module *m, const struct site *s, int at)
{
	struct region *body = &s->loop->body;
	struct arg in[4];
	struct op *op;

	for (int i = 0; i < 4; i++)
		in[i] = layer_of(s->adamw->in[i], s->loop);
	op = op_make(m, OP_ADAMW, in, 4, 0, s->adamw->at);
	region_insert(m, body, at, op);
}

/* The sum of squares of all layers, added up in the loop. */
static struct value *
sum_layers(struct module *m, struct func *f, const struct site *s)
{
	struct region *body = &s->loop->body;
	struct arg g = layer_of(arg_bundle(s->g), s->loop);
	int at = position(&f->body, s->loop);
	struct value *zero, *carry, *sq, *sum;

	zero = insert(m, f, &f->body, at, OP_ZEROS, NULL, 0, "zl");
	op_add_in(m, s->loop, zero);
	carry = add_carry(m, f, s->loop);
	sq = insert(m, f, body, body->n - 1, OP_SUMSQ, &g, 1, "sq");
	update_layer(m, s, body->n - 1);
	sum = insert(m, f, body, body->n - 1, OP_ADD, (struct arg[]){
	    arg_value(carry), arg_value(sq)}, 2, "sn");
	op_add_in(m, region_last(body), sum);
	op_add_out(m, s->loop, func_value(m, f, func_fresh(m, f, "sl"),
	    type_scalar(m, DT_F32), s->loop->at));
	return s->loop->out[s->loop->nout - 1];
}

static struct op *
find_sumsq(const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->op[i]->code == OP_SUMSQ)
			return r->op[i];
	return NULL;
}

/* ss = sumsq @GW, rest  becomes  se = sumsq rest; ss = add se, sl. */
static void
sum_of_rest(struct module *m, struct func *f, const struct bundle *g,
    struct value *layers)
{
	struct op *old = find_sumsq(&f->body), *sum;
	struct value *ss = old->out[0], *se;
	int at = position(&f->body, old), n = 0;
	struct arg *rest = NEW_N(m->mem, struct arg, (size_t)old->nin);

	for (int i = 0; i < old->nin; i++)
		if (old->in[i].b != g)
			rest[n++] = old->in[i];
	se = insert(m, f, &f->body, at, n ? OP_SUMSQ : OP_ZEROS, rest, n,
	    "se");
	sum = op_make(m, OP_ADD, (struct arg[]){arg_value(se),
	    arg_value(layers)}, 2, 1, old->at);
	f->body.op[at + 1] = sum;
	sum->out[0] = ss;
	ss->def = sum;
}

/* What the step returns first is known before the first update. */
static void
loss_first(struct module *m, struct func *f, const struct op *loop)
{
	struct op *op = region_last(&f->body)->in[0].v->def;
	int at = position(&f->body, loop);

	if (!op || op->carry || position(&f->body, op) < at)
		return;
	take_out(&f->body, op);
	region_insert(m, &f->body, at, op);
}

static int
move(struct module *m, struct func *f, struct bundle *g)
{
	struct site s = {.g = g};

	if (!find_site(m, &f->body, &s))
		return refuse(m, arena_printf(m->mem, "finds no loop after "
		    "which a layer of @%s is complete", g->name),
		    "set update = step");
	loss_first(m, f, s.loop);
	sum_of_rest(m, f, g, sum_layers(m, f, &s));
	take_out(&f->body, s.adamw);
	return 0;
}

static int
update(struct module *m)
{
	struct func *step = module_func(m, module_namez(m, "step"));
	int errors;

	if (!step || !find_sumsq(&step->body) || strcmp(module_text(m,
	    "plan.update", "step"), "layer") != 0)
		return 0;
	errors = check_settings(m);
	for (int i = 0; i < m->nbundle && !errors; i++)
		if (m->bundle[i]->role == ROLE_GRAD && m->bundle[i]->stack)
			errors += move(m, step, m->bundle[i]);
	return errors;
}

const struct pass pass_update = {
	.name = "update",
	.summary = "parameters change as soon as their gradient is known",
	.run = update,
};
