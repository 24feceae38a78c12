/*
 * fp8: linear maps multiply numbers of 8 bits, where the recipe says so.
 *
 *   before                     after
 *   fn layer(l:L, x) {         fn layer(l:L, x) {
 *     w = params @W[l]           w = params @W[l]
 *     h = dot x, w.wo            x_amax = amax x
 *                                x_scale = e4m3.scale x_amax
 *                                x_q, x_t = e4m3 x, x_scale
 *                                wo_amax = amax w.wo
 *                                wo_scale = e4m3.scale wo_amax
 *                                wo_t = e4m3 w.wo, wo_scale
 *                                h = dot x_q, wo_t, x_scale, wo_scale
 *                                save x_t, x_scale, wo_scale
 *   fn layer.bwd(l:L, dh) {    fn layer.bwd(l:L, dh) {
 *     x = load                   x_t, x_scale, wo_scale = load
 *     @GW[l].wo += dot x, dh     @GW[l].wo += dot x_t, dh_tB, x_scale, dh_scaleB
 *     dx = dot dh, w.wo          dx = dot dh_qB, wo_qB, dh_scaleB, wo_scale
 *
 * with dh_qB, dh_tB = e5m2 dh, dh_scaleB: gradients need the range, values the
 * digits.  The scale is that of the tensor as it is now, by its largest
 * magnitude over all ranks: `partition` puts the allreduce in.  Derivatives
 * pass through the rounding, since they were taken before it.
 *
 * Tensor cores take operands of fp8 whose contracted dims are innermost.  _q
 * has the dims as they were, _t has the first of them moved to the end, and
 * a value is rounded once for both.  Backward reads what forward rounded
 * values to; of maps it has the scale and rounds them again to the layout that
 * it needs, since layers are not kept.
 *
 * What is rounded are operands of products with a matrix of a repeated block
 * that are matrices as they lie.  Embeddings, the loss head and attention stay
 * as they are.
 *
 * Micikevicius et al., FP8 formats for deep learning (arXiv 2209.05433).
 *
 * needs: autodiff; blocks of one region.  keeps: everything but those operands.
 */
#include "config.h"

#include <string.h>

#include "passes/pass.h"
#include "passes/recompute.h"
#include "passes/rewrite.h"

/* What was rounded in a function already: in one layout or in two. */
struct rounded {
	struct arg from;
	uint8_t code;
	struct value *scale;
	struct op *op;
	struct rounded *next;
};

struct fp8 {
	struct module *m;
	struct func *f;
	struct rounded *done, *forward; /* the block's, in its twin */
	struct op *load, *save;         /* of twin and block */
	int at; /* new ops go in front of this one */
};

/* ---- names ---- */

static bool
same_source(const struct arg *a, const struct arg *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ARG_FIELD)
		return a->v->bundle == b->v->bundle && a->field == b->field;
	return a->v->name == b->v->name; /* interned; a twin has its block's */
}

/* attn.wq is called wq. */
static const char *
name_of(const struct arg *a)
{
	const char *name = a->kind == ARG_FIELD ?
	    a->v->bundle->field[a->field].name : a->v->name;
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool
is_backward(const struct func *f)
{
	const char *dot = strrchr(f->name, '.');

	return f->twin && dot && strcmp(dot, ".bwd") == 0;
}

/* Values of a block and of its twin have one name if they are one value, which
 * is then loaded; what is made twice ends in B. */
static const char *
made(const struct fp8 *p, const struct arg *a, const char *what)
{
	return arena_printf(p->m->mem, "%s_%s%s", name_of(a), what,
	    is_backward(p->f) ? "B" : "");
}

/* ---- layouts ---- */

/* The other operand has this dim too, and the result does not. */
static bool
is_summed(const struct type *other, const char *name, const struct type *r)
{
	return type_find(other, name) >= 0 && type_find(r, name) < 0;
}

/*
 * Where in t = [kept.., summed..] or [summed.., kept..] the second part begins,
 * or -1; *first says whether the summed dims come first.
 */
static int
split(const struct type *t, const struct type *other, const struct type *r,
    bool *first)
{
	int i = 0, at;

	for (int j = 0; j < t->rank; j++)
		if (type_find(other, t->d[j].name) >= 0 &&
		    type_find(r, t->d[j].name) >= 0)
			return -1;
	*first = t->rank && is_summed(other, t->d[0].name, r);
	while (i < t->rank && is_summed(other, t->d[i].name, r) == *first)
		i++;
	for (at = i; i < t->rank; i++)
		if (is_summed(other, t->d[i].name, r) == *first)
			return -1;
	return at > 0 && at < t->rank ? at : -1;
}

/* t in fp8 with its summed dims last. */
static const struct type *
layout(struct module *m, const struct type *t, int at, bool first,
    enum dtype dt)
{
	struct type r = *t;

	r.dtype = (uint8_t)dt;
	for (int i = 0; first && i < t->rank; i++)
		r.d[i] = t->d[(i + at) % t->rank];
	return type_intern(m, &r);
}

/* Contracted dims that lie together, in one order, in both operands. */
static bool
is_matrix(const struct module *m, const struct op *op)
{
	const struct type *t[2] = {arg_type(m, &op->in[0]),
		arg_type(m, &op->in[1])};
	const struct type *r = op->out[0]->type;
	bool first[2];
	int at[2], n[2], from[2];

	for (int i = 0; i < 2; i++) {
		at[i] = split(t[i], t[1 - i], r, &first[i]);
		if (at[i] < 0)
			return false;
		from[i] = first[i] ? 0 : at[i];
		n[i] = first[i] ? at[i] : t[i]->rank - at[i];
	}
	for (int j = 0; j < n[0] && n[0] == n[1]; j++)
		if (t[0]->d[from[0] + j].name != t[1]->d[from[1] + j].name)
			return false;
	return n[0] == n[1];
}

/* ---- rounding ---- */

static struct op *
insert(struct fp8 *p, enum opcode code, const struct arg *in, int nin,
    const char *name, const struct type *t, struct span at)
{
	struct op *op = op_make(p->m, code, in, nin, 1, at);

	op_result(p->m, p->f, op, 0, name, t);
	op_infer(p->m, op);
	region_insert(p->m, &p->f->body, p->at++, op);
	return op;
}

static struct rounded *
find(struct rounded *list, const struct arg *a, enum opcode code)
{
	while (list && !(list->code == code && same_source(&list->from, a)))
		list = list->next;
	return list;
}

/* A value of the block under its own name in the twin. */
static struct value *
load(struct fp8 *p, struct value *v)
{
	struct value *x = func_find(p->f, v->name);

	if (x)
		return x;
	x = func_value(p->m, p->f, v->name, v->type, v->at);
	op_add_in(p->m, p->save, v);
	op_add_out(p->m, p->load, x);
	return x;
}

static struct value *
scale_of(struct fp8 *p, const struct arg *a, enum opcode code, struct span at)
{
	struct rounded *f = find(p->forward, a, code);
	struct op *amax;

	if (f && p->load)
		return load(p, f->scale);
	amax = insert(p, OP_AMAX, a, 1, made(p, a, "amax"), NULL, at);
	return insert(p, code == OP_E4M3 ? OP_E4M3_SCALE : OP_E5M2_SCALE,
	    (struct arg[]){arg_value(amax->out[0])}, 1, made(p, a, "scale"),
	    NULL, at)->out[0];
}

static struct rounded *
rounded_of(struct fp8 *p, const struct arg *a, enum opcode code,
    struct span at)
{
	struct rounded *r = find(p->done, a, code);

	if (r)
		return r;
	r = NEW(p->m->mem, struct rounded);
	*r = (struct rounded){*a, (uint8_t)code, scale_of(p, a, code, at),
	    NULL, p->done};
	return p->done = r;
}

/* The result of r's op with type t, which becomes one if it has none. */
static struct value *
result_of(struct fp8 *p, struct func *f, struct rounded *r,
    const struct type *t, const char *name)
{
	for (int i = 0; i < r->op->nout; i++)
		if (r->op->out[i]->type == t)
			return r->op->out[i];
	op_add_out(p->m, r->op, func_value(p->m, f, func_fresh(p->m, f, name),
	    t, r->op->at));
	return r->op->out[r->op->nout - 1];
}

/* Operand a in fp8 with type t. */
static struct value *
round_to(struct fp8 *p, const struct arg *a, enum opcode code,
    const struct type *t, struct span at)
{
	bool turned = t->d[0].name != arg_type(p->m, a)->d[0].name;
	struct rounded *f = find(p->forward, a, code), *r;

	if (f && f->op && a->kind == ARG_VALUE && p->load)
		return load(p, result_of(p, p->f->twin, f, t,
		    arena_printf(p->m->mem, "%s_%c", name_of(a),
		    turned ? 't' : 'q')));
	r = rounded_of(p, a, code, at);
	if (!r->op)
		r->op = insert(p, code, (struct arg[]){*a,
		    arg_value(r->scale)}, 2, made(p, a, turned ? "t" : "q"),
		    t, at);
	return result_of(p, p->f, r, t, made(p, a, turned ? "t" : "q"));
}

/* Forward had it too: what a twin loads, or was passed again. */
static bool
is_forward(const struct fp8 *p, const struct value *v)
{
	if (v->def)
		return v->def->code == OP_LOAD;
	return func_find(p->f->twin, v->name) != NULL;
}

/* Operands of a product with a parameter, or of the gradient of one. */
static bool
is_linear(const struct fp8 *p, const struct op *op)
{
	bool map = op->has_target && op->target.kind == ARG_BUNDLE_FIELD;

	if (op->code != OP_DOT || op->nin != 2 + (op->into ? 1 : 0))
		return false;
	for (int i = 0; i < 2; i++) {
		const struct type *t = arg_type(p->m, &op->in[i]);

		if (!t || t->dtype != DT_BF16)
			return false;
		map |= op->in[i].kind == ARG_FIELD;
	}
	return map && is_matrix(p->m, op);
}

static void
round_operands(struct fp8 *p, struct op *op)
{
	struct arg *in = NEW_N(p->m->mem, struct arg, 5);

	for (int i = 0; i < 2; i++) {
		const struct arg *a = &op->in[i];
		const struct type *t = arg_type(p->m, a);
		bool d = is_backward(p->f) && a->kind == ARG_VALUE &&
		    !is_forward(p, a->v), first;
		enum opcode code = d ? OP_E5M2 : OP_E4M3;
		int at = split(t, arg_type(p->m, &op->in[1 - i]),
		    op->out[0]->type, &first);

		in[i] = arg_value(round_to(p, a, code, layout(p->m, t, at,
		    first, d ? DT_E5M2 : DT_E4M3), op->at));
		in[2 + i] = arg_value(rounded_of(p, a, code, op->at)->scale);
	}
	if (op->into)
		in[4] = op->in[2];
	op->nin += 2;
	op->in = in;
}

/* ---- functions ---- */

static struct op *
find_op(const struct func *f, enum opcode code)
{
	for (int i = 0; f && i < f->body.n; i++)
		if (f->body.op[i]->code == code)
			return f->body.op[i];
	return NULL;
}

static struct rounded *
round_block(struct module *m, struct func *f, struct rounded *forward)
{
	struct fp8 p = {.m = m, .f = f, .forward = forward};

	p.load = find_op(f, OP_LOAD);
	p.save = find_op(f->twin, OP_SAVE);
	if (!p.load || !p.save)
		p.load = NULL;
	for (; p.at < f->body.n; p.at++)
		if (is_linear(&p, f->body.op[p.at]))
			round_operands(&p, f->body.op[p.at]);
	return p.done;
}

/* Blocks before their twins, which read what these have rounded. */
static int
fp8(struct module *m)
{
	struct rounded **done = NEW_N(m->mem, struct rounded *,
	    (size_t)m->nfunc + 1);

	if (strcmp(module_text(m, "recipe.linear", "compute"), "fp8") != 0)
		return 0;
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i]->index && !is_backward(m->func[i]))
			done[i] = round_block(m, m->func[i], NULL);
	for (int i = 0; i < m->nfunc; i++)
		for (int j = 0; j < m->nfunc; j++)
			if (m->func[i]->index && is_backward(m->func[i]) &&
			    m->func[i]->twin == m->func[j])
				round_block(m, m->func[i], done[j]);
	return m->diag->errors;
}

const struct pass pass_fp8 = {
	.name = "fp8",
	.summary = "linear maps multiply numbers of 8 bits, if the recipe says so",
	.run = fp8,
};
