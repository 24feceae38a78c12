/*
 * grad: the walk backwards, and what the rows of the VJP table call.
 *
 *   h is read twice                     its cotangent
 *   q = dot h, w.wq                     dh1 = dot dq, w.wq
 *   c = dot h, w.wk                     dh = dot dc, w.wk into !dh1
 *
 * The last sum is called after its value, the parts before it are numbered.
 */
#include "config.h"

#include "passes/grad.h"

#include <string.h>

void
grad_init(struct grad *g, struct module *m, struct func *from, struct func *to)
{
	size_t n = (size_t)from->nvalue + 1;

	*g = (struct grad){.m = m, .from = from, .to = to, .out = &to->body,
	    .n = from->nvalue};
	g->copy = NEW_N(m->mem, struct value *, n);
	g->saved = NEW_N(m->mem, bool, n);
	g->varied = NEW_N(m->mem, bool, n);
	g->cot = NEW_N(m->mem, struct cotangent, n);
}

/* ------------------------------------------------- what parameters influence */

static bool
is_real(const struct type *t)
{
	return t && t->dtype != DT_I32;
}

static bool
arg_varied(const struct grad *g, const struct arg *a)
{
	if (a->kind == ARG_FIELD)
		return a->v->bundle->role == ROLE_PARAM;
	return a->kind == ARG_VALUE && !a->v->bundle && g->varied[a->v->id];
}

/* Twice: what a loop yields influences its carries. */
static bool
mark_loop(struct grad *g, struct op *op)
{
	bool any = false;

	for (int i = 0; i < op->nin; i++)
		g->varied[op->carry[i]->id] = arg_varied(g, &op->in[i]);
	for (int k = 0; k <= op->nin; k++) {
		grad_mark(g, &op->body);
		for (int i = 0; i < op->nin; i++)
			g->varied[op->carry[i]->id] |= arg_varied(g,
			    &region_last(&op->body)->in[i]);
	}
	for (int i = 0; i < op->nout; i++)
		any |= g->varied[op->out[i]->id] =
		    g->varied[op->carry[i]->id];
	return any;
}

void
grad_mark(struct grad *g, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];
		bool any = op->code == OP_CALL;

		if (op->code == OP_FOR) {
			mark_loop(g, op);
			continue;
		}
		for (int j = 0; j < op->nin; j++)
			any |= arg_varied(g, &op->in[j]);
		for (int j = 0; j < op->nout; j++)
			g->varied[op->out[j]->id] = any && !op->out[j]->bundle
			    && is_real(op->out[j]->type);
	}
}

/* -------------------------------------------------------------- cotangents */

static void
add_part(struct grad *g, struct cotangent *c, struct value *d)
{
	struct value **old = c->part;

	if (c->npart == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 4;
		c->part = NEW_N(g->m->mem, struct value *, (size_t)c->cap);
		if (c->npart)
			memcpy(c->part, old, sizeof *old * (size_t)c->npart);
	}
	c->part[c->npart++] = d;
}

static void
add_cotangent(struct grad *g, const struct value *v, struct value *d,
    bool owned)
{
	struct cotangent *c = &g->cot[v->id];
	struct op *add;

	if (!d->name)
		add_part(g, c, d);
	if (!c->sum) {
		c->sum = d;
		c->owned = owned;
		return;
	}
	add = op_make(g->m, OP_ADD, (struct arg[]){arg_value(c->sum),
	    arg_value(d)}, 2, 1, g->op ? g->op->at : v->at);
	c->sum = op_result(g->m, g->to, add, 0, NULL, v->type);
	c->owned = true;
	region_append(g->m, g->out, add);
	add_part(g, c, c->sum);
}

void
grad_seed(struct grad *g, const struct value *v, struct value *d)
{
	add_cotangent(g, v, d, false);
}

/* A name that neither function uses: the twin may load the other's values. */
const char *
grad_name(struct grad *g, const char *base)
{
	const char *name = base;

	for (int i = 1; func_uses(g->from, name) || func_uses(g->to, name);
	    i++)
		name = arena_printf(g->m->mem, "%s%d", base, i);
	return module_namez(g->m, name);
}

void
grad_give_name(struct grad *g, struct value *v, const char *base)
{
	func_name(g->m, g->to, v, grad_name(g, base));
}

static const char *
d_name(struct grad *g, const struct value *v)
{
	return arena_printf(g->m->mem, "d%s", v->name ? v->name : "");
}

struct value *
grad_take(struct grad *g, const struct value *v)
{
	struct cotangent *c = &g->cot[v->id];
	const char *base = d_name(g, v);

	if (c->sum && !c->sum->name)
		grad_give_name(g, c->sum, base);
	for (int i = 0; i < c->npart; i++)
		if (!c->part[i]->name)
			grad_give_name(g, c->part[i], arena_printf(g->m->mem,
			    "%s%d", base, i + 1));
	return c->sum;
}

static struct value *
zeros(struct grad *g, const char *base, const struct type *t, struct span at)
{
	struct op *op = op_make(g->m, OP_ZEROS, NULL, 0, 1, at);
	struct value *v = op_result(g->m, g->to, op, 0, NULL, t);

	grad_give_name(g, v, base);
	region_append(g->m, g->out, op);
	return v;
}

struct value *
grad_take_or_zeros(struct grad *g, const struct value *v)
{
	struct value *d = grad_take(g, v);

	return d ? d : zeros(g, d_name(g, v), v->type, v->at);
}

struct bundle *
grad_bundle(const struct module *m, const struct bundle *b)
{
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->of == b && m->bundle[i]->role == ROLE_GRAD)
			return m->bundle[i];
	return NULL;
}

/* --------------------------------------------------------- forward values */

/* Cheaper to make again than to keep. */
static bool
is_cheap(const struct op *op)
{
	return op && (op->code == OP_CONST || op->code == OP_IOTA ||
	    op->code == OP_ZEROS || op->code == OP_PARAMS);
}

static struct value *
make_again(struct grad *g, struct value *v)
{
	struct copier c = {g->m, g->from, g->to, g->copy};

	region_append(g->m, g->out, copier_op(&c, v->def));
	return g->copy[v->id];
}

struct value *
grad_forward(struct grad *g, struct value *v)
{
	struct value *copy = g->copy[v->id];

	if (copy)
		return copy;
	if (is_cheap(v->def))
		return make_again(g, v);
	if (g->from == g->to) {
		diag_error(g->m->diag, g->op->at, "the derivative needs %s, "
		    "which is made inside a loop: only what repeated blocks "
		    "make is kept", v->name);
		return v;
	}
	copy = func_value(g->m, g->to, v->name, v->type, v->at);
	g->saved[v->id] = true;
	return g->copy[v->id] = copy;
}

/* ------------------------------------------------- the rows' vocabulary */

bool
vjp_has(struct grad *g, int i)
{
	return g->cot[g->op->out[i]->id].sum != NULL;
}

struct arg
vjp_d(struct grad *g, int i)
{
	return arg_value(g->cot[g->op->out[i]->id].sum);
}

bool
vjp_wants(const struct grad *g, int i)
{
	return arg_varied(g, &g->op->in[i]);
}

struct arg
vjp_x(struct grad *g, int i)
{
	struct arg a = g->op->in[i];

	a.consume = false;
	if (a.v)
		a.v = grad_forward(g, a.v);
	return a;
}

struct arg
vjp_y(struct grad *g, int i)
{
	return arg_value(grad_forward(g, g->op->out[i]));
}

const struct type *
vjp_type(const struct grad *g, int i)
{
	return arg_type(g->m, &g->op->in[i]);
}

struct arg
vjp_temp(struct grad *g, enum opcode code, const struct arg *in, int nin,
    const struct type *t)
{
	struct op *op = op_make(g->m, code, in, nin, 1, g->op->at);
	struct value *v = op_result(g->m, g->to, op, 0, NULL, t);

	grad_give_name(g, v, arena_printf(g->m->mem, "%s_t",
	    d_name(g, g->op->out[0])));
	region_append(g->m, g->out, op);
	return arg_value(v);
}

struct arg
vjp_named(struct grad *g, const char *base, struct arg temp)
{
	grad_give_name(g, temp.v, base);
	return temp;
}

struct op *
vjp_op(struct grad *g, enum opcode code, const struct arg *in, int nin)
{
	return op_make(g->m, code, in, nin, 1, g->op->at);
}

static struct arg
gradient_field(const struct grad *g, const struct arg *a)
{
	const struct arg *from = &a->v->def->in[0];

	return arg_bundle_field(grad_bundle(g->m, a->v->bundle),
	    from->indexed ? &from->index : NULL, a->field);
}

/* Ops whose kernels add to a field themselves; others go through accum. */
static bool
writes_fields(const struct op *op)
{
	return op->code == OP_DOT || op->code == OP_EMBED_BWD ||
	    op->code == OP_SUM || op->code == OP_ACCUM;
}

/* @G.field += op */
static void
append_target(struct grad *g, const struct arg *a, struct op *op)
{
	op->has_target = op->target_add = true;
	op->target = gradient_field(g, a);
	op_result(g->m, g->to, op, 0, NULL,
	    op->target.b->field[a->field].type);
	region_append(g->m, g->out, op);
}

static void
accumulate(struct grad *g, const struct arg *a, struct value *v)
{
	append_target(g, a, vjp_op(g, OP_ACCUM, (struct arg[]){arg_value(v)},
	    1));
}

void
vjp_give_value(struct grad *g, int i, struct value *v, bool owned)
{
	const struct arg *a = &g->op->in[i];

	if (a->kind == ARG_FIELD)
		accumulate(g, a, v);
	else
		add_cotangent(g, a->v, v, owned);
}

/* dot a, b into !sum */
static void
add_into(struct grad *g, struct cotangent *c, struct op *op)
{
	struct arg sum = arg_value(c->sum);
	struct arg *in = NEW_N(g->m->mem, struct arg, 3);

	sum.consume = true;
	memcpy(in, op->in, sizeof *in * 2);
	in[2] = sum;
	op->in = in;
	op->nin = 3;
	op->into = 1;
}

void
vjp_give(struct grad *g, int i, struct op *op)
{
	const struct arg *a = &g->op->in[i];
	struct cotangent *c;

	if (a->kind == ARG_FIELD) {
		if (writes_fields(op)) {
			append_target(g, a, op);
			return;
		}
		vjp_result(g, op, 0, i, vjp_type(g, i));
		region_append(g->m, g->out, op);
		accumulate(g, a, op->out[0]);
		return;
	}
	c = &g->cot[a->v->id];
	op_result(g->m, g->to, op, 0, NULL, a->v->type);
	if (op->code == OP_DOT && c->sum && c->owned) {
		add_into(g, c, op);
		region_append(g->m, g->out, op);
		c->sum = op->out[0];
		add_part(g, c, c->sum);
		return;
	}
	region_append(g->m, g->out, op);
	add_cotangent(g, a->v, op->out[0], true);
}

/* The gradient of w.attn.wq on its way to the bundle: d_wq. */
static const char *
field_name(struct grad *g, const struct arg *a)
{
	const char *path = a->v->bundle->field[a->field].name;
	const char *dot = strrchr(path, '.');

	return arena_printf(g->m->mem, "d_%s", dot ? dot + 1 : path);
}

struct value *
vjp_result(struct grad *g, struct op *op, int j, int i, const struct type *t)
{
	const struct arg *a = &g->op->in[i];
	struct value *v = op_result(g->m, g->to, op, j, NULL, t);

	if (a->kind == ARG_FIELD)
		grad_give_name(g, v, field_name(g, a));
	else if (!vjp_wants(g, i))
		grad_give_name(g, v, d_name(g, a->v));
	return v;
}

static bool
same_dims(const struct type *a, const struct type *b)
{
	if (a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (!dim_equal(&a->d[i], &b->d[i]))
			return false;
	return true;
}

/* Sums are f32; a bf16 operand's cotangent is rounded once, at the end. */
void
vjp_reduce(struct grad *g, int i, struct arg x)
{
	const struct type *t = vjp_type(g, i), *xt = x.v->type;
	bool whole = same_dims(t, xt);

	if (whole && t->dtype == xt->dtype) {
		vjp_give_value(g, i, x.v, false);
		return;
	}
	if (!whole && (g->op->in[i].kind == ARG_FIELD || t->dtype == DT_F32)) {
		vjp_give(g, i, vjp_op(g, OP_SUM, &x, 1));
		return;
	}
	if (!whole)
		x = vjp_temp(g, OP_SUM, &x, 1, type_with_dtype(g->m, t,
		    DT_F32));
	if (g->op->in[i].kind == ARG_FIELD)
		accumulate(g, &g->op->in[i], x.v);
	else
		vjp_give(g, i, vjp_op(g, OP_CAST, &x, 1));
}

void
vjp_attrs(struct grad *g, struct op *op)
{
	op->nattr = g->op->nattr;
	op->attr = NEW_N(g->m->mem, struct attr, (size_t)op->nattr + 1);
	if (op->nattr)
		memcpy(op->attr, g->op->attr,
		    sizeof *op->attr * (size_t)op->nattr);
}

void
vjp_refuse(struct grad *g, const char *why)
{
	diag_error(g->m->diag, g->op->at, "%s cannot be differentiated: %s",
	    op_info[g->op->code].name, why);
}

/* ------------------------------------------------------------ the walk */

static void
visit(struct grad *g, struct op *op)
{
	bool any = false;

	for (int i = 0; i < op->nout; i++)
		if (op->out[i]->id < g->n && grad_take(g, op->out[i]))
			any = true;
	if (!any)
		return;
	g->op = op;
	vjp_of[op->code](g);
}

void
grad_region(struct grad *g, const struct region *r, int n)
{
	for (int i = n - 1; i >= 0; i--)
		visit(g, r->op[i]);
}
