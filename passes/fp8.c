/*
 * fp8: linear maps multiply numbers of 8 bits, where the recipe says so.
 *
 *   before                            after
 *   fn layer(l:L, x) {                fn layer(l:L, x) {
 *     w = params @W[l]                  w = params @W[l]
 *     h = dot x, w.wo                   x_amax = amax x
 *                                       x_q = e4m3 x, x_amax
 *                                       wo_amax = amax w.wo
 *                                       wo_q = e4m3 w.wo, wo_amax
 *                                       h = dot x_q, wo_q
 *   fn layer.bwd(l:L, dh) {           fn layer.bwd(l:L, dh) {
 *     x = load                          x = load
 *     @GW[l].wo += dot x, dh            @GW[l].wo += dot x_qB, dh_qB
 *     dx = dot dh, w.wo                 dx = dot dh_qB, wo_qB
 *
 * with dh_qB = e5m2 dh, dh_amaxB: gradients need the range, values the digits.
 * The scale is that of the tensor as it is now, its largest magnitude over all
 * ranks: `partition` puts the allreduce in.  Backward rounds x and w again
 * instead of keeping what forward rounded, and derivatives pass through the
 * rounding, since they were taken before it.
 *
 * What is rounded are operands of products with a matrix of a repeated block.
 * Embeddings, the loss head and attention stay as they are.
 *
 * Micikevicius et al., FP8 formats for deep learning (arXiv 2209.05433).
 *
 * needs: autodiff; blocks of one region.  keeps: everything but those operands.
 */
#include "config.h"

#include <string.h>

#include "passes/pass.h"
#include "passes/rewrite.h"

/* What was rounded in a function already. */
struct rounded {
	struct arg from;
	uint8_t code;
	struct value *to;
	struct rounded *next;
};

struct fp8 {
	struct module *m;
	struct func *f;
	struct rounded *done;
	int at; /* new ops go in front of this one */
};

static bool
same_source(const struct arg *a, const struct arg *b)
{
	return a->kind == b->kind && a->v == b->v &&
	    (a->kind != ARG_FIELD || a->field == b->field);
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

static struct value *
insert(struct fp8 *p, enum opcode code, const struct arg *in, int nin,
    const char *name, struct span at)
{
	struct op *op = op_make(p->m, code, in, nin, 1, at);

	op_result(p->m, p->f, op, 0, name, NULL);
	op_infer(p->m, op);
	region_insert(p->m, &p->f->body, p->at++, op);
	return op->out[0];
}

static bool
is_backward(const struct func *f)
{
	const char *dot = strrchr(f->name, '.');

	return f->twin && dot && strcmp(dot, ".bwd") == 0;
}

/* Values of a block and of its twin have one name if they are one value, which
 * is then loaded; these are made twice. */
static struct value *
round_to(struct fp8 *p, const struct arg *a, enum opcode code, struct span at)
{
	struct rounded *r = p->done;
	const char *name = name_of(a);
	const char *own = is_backward(p->f) ? "B" : "";
	struct value *amax;

	for (; r; r = r->next)
		if (r->code == code && same_source(&r->from, a))
			return r->to;
	amax = insert(p, OP_AMAX, a, 1, arena_printf(p->m->mem, "%s_amax%s",
	    name, own), at);
	r = NEW(p->m->mem, struct rounded);
	*r = (struct rounded){*a, (uint8_t)code, NULL, p->done};
	r->to = insert(p, code, (struct arg[]){*a, arg_value(amax)}, 2,
	    arena_printf(p->m->mem, "%s_q%s", name, own), at);
	return (p->done = r)->to;
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

	if (op->code != OP_DOT || op->nin != 2)
		return false;
	for (int i = 0; i < 2; i++) {
		const struct type *t = arg_type(p->m, &op->in[i]);

		if (!t || t->dtype != DT_BF16)
			return false;
		map |= op->in[i].kind == ARG_FIELD;
	}
	return map;
}

static void
round_operands(struct fp8 *p, struct op *op)
{
	for (int i = 0; i < 2; i++) {
		struct arg *a = &op->in[i];
		bool d = is_backward(p->f) && a->kind == ARG_VALUE &&
		    !is_forward(p, a->v);

		*a = arg_value(round_to(p, a, d ? OP_E5M2 : OP_E4M3, op->at));
	}
}

static void
round_block(struct module *m, struct func *f)
{
	struct fp8 p = {.m = m, .f = f};

	for (; p.at < f->body.n; p.at++)
		if (is_linear(&p, f->body.op[p.at]))
			round_operands(&p, f->body.op[p.at]);
}

static int
fp8(struct module *m)
{
	if (strcmp(module_text(m, "recipe.linear", "compute"), "fp8") != 0)
		return 0;
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i]->index)
			round_block(m, m->func[i]);
	return m->diag->errors;
}

const struct pass pass_fp8 = {
	.name = "fp8",
	.summary = "linear maps multiply numbers of 8 bits, if the recipe says so",
	.run = fp8,
};
