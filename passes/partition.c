/*
 * partition: from one device to the ranks of a mesh (2D attention).
 *
 *   before                            after, mesh dp=2 co=2 ci=2 hp=2
 *   fn layer(l:L, x : f32[b,s,e]) {   .. x : f32[b/dp,s/zz(co,ci)/hp,e]
 *     q1 = rope q                       q1A = a2a q1 on hp s>k
 *                                       c1A = a2a c1 on hp s>k
 *                                       vA = a2a v on hp s>k
 *     o, z = attn q1, c1, v             o, z = attn q1A, c1A, vA on co,ci
 *                                       oT = a2a o on hp k>s
 *     o1 = dot o, w.wo                  o1 = dot oT, w.wo
 *   fn step(tok, lab) {
 *     cnt = count lab : f32[]           cnt = count lab : f32[] +all
 *                                       cntR = allreduce cnt on dp,co,ci,hp
 *     rn = recip cnt                    rn = recip cntR
 *     ss = sumsq @GW                    @RW = allreduce @GW on dp,co,ci,hp
 *                                       ss = sumsq @RW
 *
 * Nothing is propagated and nothing is searched for: what a value is to the op
 * that reads it decides its layout.  Dims b and s are cut as T says wherever
 * they occur; attention reads A instead, where the heads axes have gone from s
 * to the heads (hp = hk hr beyond the kv heads: hr to the queries of a group).
 * Types follow op by op; where an operand lies otherwise than its role says,
 * the op that leads there comes right after the operand's definition, once
 * (passes/partition_view.c), or the program is wrong.  Sums over tokens are
 * left pending and are reduced where somebody needs them whole: counts and
 * losses before they are used, gradients once a step.
 *
 * A block saves a value in the layout that its twin reads it in.
 *
 * DeepSpeed-Ulysses (arXiv 2309.14509) for the all-to-alls; LoongTrain (arXiv
 * 2406.18485) for both dims and zigzag; KV heads beyond hp are not copied
 * before the all-to-all but gathered after it.
 *
 * needs: autodiff, and a mesh.  keeps: names, denotations.  leaves: stage b;
 * attn over the context axes; with one rank, everything.
 */
#include "config.h"

#include <string.h>

#include "ir/flops.h"
#include "ir/identity.h"
#include "passes/partition.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

/* ------------------------------------------------------------------ roles */

/* Ops that see heads instead of tokens: a letter for each operand. */
static const struct {
	enum opcode code;
	const char *roles;
} attention[] = {
	{OP_ATTN, "qkkd"}, {OP_ATTN_DELTA, "qq"}, {OP_ATTN_BWD, "qqkk--d"},
};

static enum role
role_of(const struct op *op, int i)
{
	for (size_t j = 0; j < COUNT_OF(attention); j++) {
		if (attention[j].code != op->code)
			continue;
		switch (attention[j].roles[i]) {
		case 'q':
			return ROLE_QUERY;
		case 'k':
			return ROLE_KEY;
		case 'd':
			return ROLE_DOC;
		default:
			return ROLE_AS_IS;
		}
	}
	return op->code == OP_SAVE ? ROLE_AS_IS : ROLE_TOKEN;
}

/* Operand i may be a sum that has not been finished. */
static bool
may_pend(const struct op *op, int i)
{
	switch (op->code) {
	case OP_CAST: case OP_RENAME: case OP_TAKE: case OP_NEG:
	case OP_SPREAD: case OP_SUM: case OP_ACCUM: case OP_DROPOUT:
	case OP_DROPOUT_BWD: case OP_ROPE: case OP_ROPE_BWD: case OP_FOR:
	case OP_CALL: case OP_SAVE: case OP_YIELD: case OP_RETURN:
		return true;
	case OP_DIV: case OP_SILU_BWD: case OP_GELU_BWD:
	case OP_GELU_TANH_BWD: case OP_RELU_BWD: case OP_TANH_BWD:
	case OP_SIGMOID_BWD: case OP_EMBED_BWD:
		return i == 0;
	default:
		return false;
	}
}

static axis_set
pend_of(const struct part *p, const struct op *op, int i)
{
	const struct type *t = i < op->nin ? arg_type(p->m, &op->in[i]) : NULL;

	return t ? t->pend : 0;
}

/* One row of a sequence: less to add than what is made of it. */
static bool
is_picked(const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->def &&
	    a->v->def->code == OP_PICK;
}

/* Ops of two operands: pending alike, or one of them alone. */
static bool
pair_pends(const struct part *p, const struct op *op, int i)
{
	axis_set a = pend_of(p, op, 0), b = pend_of(p, op, 1);

	if (op->code == OP_ADD || op->code == OP_SUB)
		return a == b;
	if (op->code == OP_MUL || op->code == OP_DOT)
		return i == 2 || (!(i ? a : b) && !is_picked(&op->in[i]));
	return false;
}

/* --------------------------------------------------------------- operands */

static bool
view_arg(struct part *p, struct part_func *x, struct op *op, int i,
    enum role role)
{
	struct arg *a = &op->in[i];
	struct value *v;

	if (a->kind != ARG_VALUE || !a->v->type)
		return true;
	if (!(v = part_view(p, x, a->v, role, op->at)))
		return false;
	a->consume &= v == a->v;
	a->v = v;
	return true;
}

static bool
view_args(struct part *p, struct part_func *x, struct op *op)
{
	for (int i = 0; i < op->nin; i++)
		if (!view_arg(p, x, op, i, role_of(op, i)))
			return false;
	for (int i = 0; i < op->nin; i++)
		if (!may_pend(op, i) && !pair_pends(p, op, i) &&
		    pend_of(p, op, i) && !view_arg(p, x, op, i, ROLE_FULL))
			return false;
	return true;
}

/* ---------------------------------------------------------------- results */

/* Ops whose result type the text states; its pending sums follow. */
static bool
is_stated(enum opcode code)
{
	switch (code) {
	case OP_DOT: case OP_SUM: case OP_SPREAD: case OP_CAST: case OP_RENAME:
	case OP_EMBED_BWD: case OP_ZEROS: case OP_IOTA: case OP_ACCUM:
	case OP_E4M3: case OP_E5M2:
		return true;
	default:
		return false;
	}
}

/* What is cut in an operand and whole in the result was summed over. */
static const struct type *
stated_type(struct part *p, const struct op *op, const struct type *t)
{
	struct type r = *part_layout(p, t, ROLE_TOKEN);
	axis_set have = type_axes(&r);

	for (int i = 0; i < op->nin; i++) {
		const struct type *x = arg_type(p->m, &op->in[i]);

		if (x)
			r.pend |= (axis_set)(x->pend | (type_axes(x) &
			    ~have));
	}
	return type_intern(p->m, &r);
}

/* Chunks of the loss head are of the tokens a rank has. */
static void
fit_chunk(struct part *p, struct op *op)
{
	const struct arg *lab = &op->in[op->nin - 1];
	uint64_t n = type_local_count(p->m, arg_type(p->m, lab)), chunks;
	uint64_t chunk = (uint64_t)op_int(op, ATTR_CHUNK);

	if (!op_attr(op, ATTR_CHUNK) || chunk == 0)
		return;
	chunks = (n + chunk - 1) / chunk;
	op_set_int(p->m, op, ATTR_CHUNK, (int64_t)((n + chunks - 1) / chunks));
}

static bool
retype(struct part *p, struct op *op)
{
	axis_set ctx = 0;

	for (int i = 0; i < p->nctx; i++)
		ctx |= (axis_set)(1u << p->ctx[i]);
	if ((op->code == OP_ATTN || op->code == OP_ATTN_BWD) && ctx)
		part_on(p, op, ctx);
	if (op->code == OP_XENT_DOT || op->code == OP_XENT_DOT_BWD)
		fit_chunk(p, op);
	for (int i = 0; i < op->nout; i++) {
		struct value *v = op->out[i];

		if (v->bundle)
			continue;
		v->type = is_stated((enum opcode)op->code) && v->type ?
		    stated_type(p, op, v->type) : NULL;
	}
	if (op_infer(p->m, op))
		return true;
	p->errors++;
	return false;
}

/* -------------------------------------------------------------- functions */

static void build_region(struct part *p, struct part_func *x,
    const struct region *r);
static struct part_func *build_func(struct part *p, struct func *f,
    const struct op *call);

static struct part_func *
find_func(const struct part *p, const struct func *f)
{
	for (struct part_func *x = p->func; x; x = x->next)
		if (x->f == f)
			return x;
	return NULL;
}

/* A sum that starts with zeros is one over tokens, and stays pending. */
static void
pend_zeros(struct part *p, struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		struct value *v = op->in[i].kind == ARG_VALUE ? op->in[i].v :
		    NULL;
		struct type t;

		if (!v || !v->type || !v->def || v->def->code != OP_ZEROS ||
		    part_has_tokens(v->type))
			continue;
		t = *v->type;
		t.pend = p->all;
		v->type = type_intern(p->m, &t);
	}
}

static void
check_yield(struct part *p, const struct op *loop)
{
	const struct op *y = region_last(&loop->body);

	for (int i = 0; i < loop->nin && y->nin == loop->nin; i++) {
		const struct type *t = arg_type(p->m, &y->in[i]);

		if (t == loop->carry[i]->type || p->errors)
			continue;
		part_error(p, y->at, "%s is %s at the start of a trip and %s "
		    "at its end", loop->carry[i]->name, part_type_text(p,
		    loop->carry[i]->type), t ? part_type_text(p, t) :
		    "a bundle");
	}
}

static void
build_for(struct part *p, struct part_func *x, struct op *op)
{
	struct region old = op->body, body = {0};

	pend_zeros(p, op);
	if (!view_args(p, x, op))
		return;
	if (x->depth + 1 == (int)COUNT_OF(x->out)) {
		part_error(p, op->at, "loops are nested too deeply");
		return;
	}
	x->depth++;
	for (int i = 0; i < op->nin; i++) {
		op->carry[i]->type = arg_type(p->m, &op->in[i]);
		part_home(p, x, op->carry[i], x->depth);
	}
	x->out[x->depth] = &body;
	build_region(p, x, &old);
	x->depth--;
	op->body = body;
	if (p->errors)
		return;
	check_yield(p, op);
	for (int i = 0; i < op->nout; i++)
		op->out[i]->type = op->carry[i]->type;
	part_append(p, x, op, x->depth);
}

static void
build_call(struct part *p, struct part_func *x, struct op *op)
{
	const struct op *ret;

	if (!view_args(p, x, op) || !build_func(p, op->callee, op))
		return;
	ret = region_last(&op->callee->body);
	for (int i = 0; i < op->nout && i < ret->nin; i++)
		op->out[i]->type = arg_type(p->m, &ret->in[i]);
	if (!op_infer(p->m, op))
		p->errors++;
	part_append(p, x, op, x->depth);
}

/* Every rank gives the whole of what a function for the trainer returns. */
static void
gather_results(struct part *p, struct part_func *x, struct op *op)
{
	for (int i = 0; i < op->nin && !p->errors; i++) {
		struct arg *a = &op->in[i];
		struct op *g;
		axis_set axes;

		if (a->kind != ARG_VALUE || !a->v->type ||
		    !view_arg(p, x, op, i, ROLE_FULL) ||
		    !(axes = type_axes(a->v->type)))
			continue;
		g = op_make(p->m, OP_GATHER, (struct arg[]){*a}, 1, 1, op->at);
		part_on(p, g, axes);
		op_result(p->m, x->f, g, 0, a->v->name, NULL);
		if (!op_infer(p->m, g))
			p->errors++;
		part_append(p, x, g, x->depth);
		a->v = g->out[0];
	}
}

/* Gradients are sums over tokens; what is whole would count once a rank. */
static void
check_gradient(struct part *p, const struct op *op)
{
	const struct arg *to = &op->target;

	if (!op->has_target || to->kind != ARG_BUNDLE_FIELD || p->errors ||
	    op->out[0]->type->pend == to->b->pend)
		return;
	part_error(p, op->at, "@%s.%s adds up what ranks find for their "
	    "tokens, but this part of the gradient does not come from tokens: "
	    "%s; on a mesh the loss is a sum of token losses", to->b->name,
	    to->b->field[to->field].name, part_type_text(p,
	    op->out[0]->type));
}

/* Values of the block as the block has them; part_view adds others. */
static void
build_load(struct part *p, struct part_func *x, struct op *op)
{
	x->load = op;
	for (int i = 0; i < op->nout; i++) {
		const struct value *v = func_find(x->f->twin, op->out[i]->name);

		if (v)
			op->out[i]->type = v->type;
	}
	part_append(p, x, op, x->depth);
}

static void
build_op(struct part *p, struct part_func *x, struct op *op, bool called)
{
	switch (op->code) {
	case OP_FOR:
		build_for(p, x, op);
		return;
	case OP_CALL:
		build_call(p, x, op);
		return;
	case OP_LOAD:
		build_load(p, x, op);
		return;
	case OP_RETURN:
		if (view_args(p, x, op) && !called)
			gather_results(p, x, op);
		break;
	case OP_SUMSQ: case OP_ADAMW:
		part_optimizer(p, x, op);
		if (view_args(p, x, op))
			retype(p, op);
		break;
	default:
		if (view_args(p, x, op) && retype(p, op))
			check_gradient(p, op);
		break;
	}
	part_append(p, x, op, x->depth);
}

static void
build_region(struct part *p, struct part_func *x, const struct region *r)
{
	for (int i = 0; i < r->n && !p->errors; i++)
		build_op(p, x, r->op[i], x->f->index != NULL);
}

/* The block saves what its twin still loads, and nothing else. */
static void
settle_saves(struct part *p, struct part_func *x)
{
	struct op *save = NULL;
	int n = 0;

	for (int i = 0; i < x->load->nout; i++)
		if (count_uses(x->f, x->load->out[i]))
			x->load->out[n++] = x->load->out[i];
	x->load->nout = n;
	for (int i = 0; i < x->twin->f->body.n; i++)
		if (x->twin->f->body.op[i]->code == OP_SAVE)
			save = x->twin->f->body.op[i];
	if (!save)
		return;
	save->nin = n;
	save->in = NEW_N(p->m->mem, struct arg, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		save->in[i] = arg_value(func_find(x->twin->f,
		    x->load->out[i]->name));
}

/* f once, with the types of the first call (NULL: f is the trainer's). */
static struct part_func *
build_func(struct part *p, struct func *f, const struct op *call)
{
	struct part_func *x = find_func(p, f);
	struct region old = f->body, body = {0};

	if (x)
		return x;
	x = NEW(p->m->mem, struct part_func);
	*x = (struct part_func){.f = f, .next = p->func};
	p->func = x;
	x->twin = f->twin ? find_func(p, f->twin) : NULL;
	for (int i = 0; i < f->nparam; i++) {
		struct value *v = f->param[i];

		if (v->type)
			v->type = call ? arg_type(p->m, &call->in[i]) :
			    part_layout(p, v->type, ROLE_TOKEN);
		part_home(p, x, v, 0);
	}
	x->out[0] = &body;
	build_region(p, x, &old);
	f->body = body;
	if (x->load && x->twin && !p->errors)
		settle_saves(p, x);
	return p->errors ? NULL : x;
}

/* Blocks are built when they are called, with the types they are called with. */
static int
partition(struct module *m)
{
	struct part p = {.m = m};

	if (m->naxis == 0)
		return 0;
	identity_keep(m); /* of the model, not of a rank's part of it */
	flops_keep(m);
	if (!part_axes(&p))
		return p.errors;
	part_bundles(&p);
	for (int i = 0; i < m->nfunc && !p.errors; i++)
		if (!m->func[i]->index)
			build_func(&p, m->func[i], NULL);
	for (int i = 0; i < m->nfunc && !p.errors; i++)
		build_func(&p, m->func[i], NULL);
	if (!p.errors)
		m->stage = 'b';
	return p.errors;
}

const struct pass pass_partition = {
	.name = "partition",
	.summary = "tokens are cut over the mesh, and heads in attention",
	.run = partition,
};
