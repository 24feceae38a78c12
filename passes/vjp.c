/*
 * vjp: from the cotangents of an op's results to those of its operands, one
 * row per op of ops.def.  With y = op(x..) and d the cotangent of y:
 *
 *   y = mul a, b          da = mul d, b      db = mul d, a
 *   y = dot x, w          dx = dot d, w      @G.w += dot x, d
 *   y = rmsnorm x, w      dx, dw = rmsnorm.bwd d, x, w
 *
 * An operand with fewer dims than the result gets the sum over the others.
 * A row without a derivative says why; a missing row does not compile.
 */
#include "config.h"

#include "passes/grad.h"

/* ------------------------------------------------------- element by element */

static void
pass_through(struct grad *g, int i)
{
	if (vjp_wants(g, i))
		vjp_reduce(g, i, vjp_d(g, 0));
}

static struct arg
negated(struct grad *g, struct arg x)
{
	return vjp_temp(g, OP_NEG, &x, 1, x.v->type);
}

static void
vjp_ADD(struct grad *g)
{
	pass_through(g, 0);
	pass_through(g, 1);
}

static void
vjp_SUB(struct grad *g)
{
	pass_through(g, 0);
	if (vjp_wants(g, 1))
		vjp_reduce(g, 1, negated(g, vjp_d(g, 0)));
}

static bool
same_type(const struct grad *g, int i)
{
	return g->op->in[i].kind == ARG_VALUE &&
	    vjp_type(g, i) == g->op->out[0]->type;
}

/* code(d, other) reduced to operand i; no temporary where nothing is summed. */
static void
scale_d(struct grad *g, int i, enum opcode code, struct arg other)
{
	struct arg in[2] = {vjp_d(g, 0), other};

	if (same_type(g, i))
		vjp_give(g, i, vjp_op(g, code, in, 2));
	else
		vjp_reduce(g, i, vjp_temp(g, code, in, 2, in[0].v->type));
}

static void
vjp_MUL(struct grad *g)
{
	if (vjp_wants(g, 0))
		scale_d(g, 0, OP_MUL, vjp_x(g, 1));
	if (vjp_wants(g, 1))
		scale_d(g, 1, OP_MUL, vjp_x(g, 0));
}

/* y = x / z: dx = d / z, dz = -d (y / z) */
static void
vjp_DIV(struct grad *g)
{
	if (vjp_wants(g, 0))
		scale_d(g, 0, OP_DIV, vjp_x(g, 1));
	if (vjp_wants(g, 1)) {
		struct arg y = vjp_y(g, 0);
		struct arg t = vjp_temp(g, OP_DIV, (struct arg[]){y,
		    vjp_x(g, 1)}, 2, y.v->type);

		scale_d(g, 1, OP_MUL, negated(g, t));
	}
}

static void
vjp_NEG(struct grad *g)
{
	struct arg d = vjp_d(g, 0);

	vjp_give(g, 0, vjp_op(g, OP_NEG, &d, 1));
}

/* dx = code(d, x) or code(d, y), with the op's own attributes */
static void
unary(struct grad *g, enum opcode code, struct arg from)
{
	struct op *op = vjp_op(g, code, (struct arg[]){vjp_d(g, 0), from}, 2);

	vjp_attrs(g, op);
	vjp_give(g, 0, op);
}

#define OF_X(CODE, BWD)                                                        \
	static void vjp_##CODE(struct grad *g)                                 \
	{                                                                      \
		unary(g, OP_##BWD, vjp_x(g, 0));                               \
	}
#define OF_Y(CODE, BWD)                                                        \
	static void vjp_##CODE(struct grad *g)                                 \
	{                                                                      \
		unary(g, OP_##BWD, vjp_y(g, 0));                               \
	}
OF_X(SILU, SILU_BWD)
OF_X(GELU, GELU_BWD)
OF_X(GELU_TANH, GELU_TANH_BWD)
OF_X(RELU, RELU_BWD)
OF_Y(TANH, TANH_BWD)
OF_Y(SIGMOID, SIGMOID_BWD)
OF_Y(EXP, MUL)
OF_X(LOG, DIV)
OF_Y(SOFTMAX, SOFTMAX_BWD)

/* y = sqrt x: dx = d / (2 y) */
static void
vjp_SQRT(struct grad *g)
{
	struct arg y = vjp_y(g, 0);

	unary(g, OP_DIV, vjp_temp(g, OP_ADD, (struct arg[]){y, y}, 2,
	    y.v->type));
}

/* y = 1 / x, 0 for x = 0: dx = -d y y, 0 there */
static void
vjp_RECIP(struct grad *g)
{
	struct arg y = vjp_y(g, 0);
	struct arg t = vjp_temp(g, OP_MUL, (struct arg[]){y, y}, 2, y.v->type);

	unary(g, OP_MUL, negated(g, t));
}

static void
vjp_SWIGLU(struct grad *g)
{
	struct op *op = op_make(g->m, OP_SWIGLU_BWD, (struct arg[]){
	    vjp_d(g, 0), vjp_x(g, 0), vjp_x(g, 1)}, 3, 2, g->op->at);

	for (int i = 0; i < 2; i++)
		vjp_result(g, op, i, i, vjp_type(g, i));
	region_append(g->m, g->out, op);
	for (int i = 0; i < 2; i++)
		if (vjp_wants(g, i))
			vjp_give_value(g, i, op->out[i], true);
}

/* dx = code d, with the op's own attributes */
static void
linear(struct grad *g, enum opcode code)
{
	struct arg d = vjp_d(g, 0);
	struct op *op = vjp_op(g, code, &d, 1);

	if (code != OP_CAST && code != OP_SPREAD && code != OP_RENAME)
		vjp_attrs(g, op);
	vjp_give(g, 0, op);
}

static void
vjp_DROPOUT(struct grad *g)
{
	linear(g, OP_DROPOUT_BWD);
}

static void
vjp_ROPE(struct grad *g)
{
	linear(g, OP_ROPE_BWD);
}

static void
vjp_CAST(struct grad *g)
{
	linear(g, OP_CAST);
}

static void
vjp_RENAME(struct grad *g)
{
	linear(g, OP_RENAME);
}

/* y = sum x: the sum is f32 where x may not be */
static void
vjp_SUM(struct grad *g)
{
	struct arg d = vjp_d(g, 0);
	const struct type *t = vjp_type(g, 0);

	if (d.v->type->dtype != t->dtype)
		d = vjp_temp(g, OP_CAST, &d, 1, type_with_dtype(g->m,
		    d.v->type, (enum dtype)t->dtype));
	vjp_give(g, 0, vjp_op(g, OP_SPREAD, &d, 1));
}

static void
vjp_SPREAD(struct grad *g)
{
	vjp_reduce(g, 0, vjp_d(g, 0));
}

/* ------------------------------------------------------------ products, rows */

/* d as the operands are: results may be f32 where they are bf16. */
static struct arg
d_like(struct grad *g, int i)
{
	struct arg d = vjp_d(g, 0);
	enum dtype dt = (enum dtype)vjp_type(g, i)->dtype;

	if (d.v->type->dtype == dt)
		return d;
	return vjp_temp(g, OP_CAST, &d, 1, type_with_dtype(g->m, d.v->type,
	    dt));
}

/* Weights first: what their gradient reads may be free after it. */
static void
vjp_DOT(struct grad *g)
{
	struct arg d = d_like(g, 0);
	int first = g->op->in[1].kind == ARG_FIELD;

	if (dtype_is_fp8(arg_type(g->m, &g->op->in[0])->dtype)) {
		vjp_refuse(g, "operands of fp8 are rounded");
		return;
	}
	for (int k = 0; k < 2; k++) {
		int i = k ? !first : first;
		struct arg x;

		if (!vjp_wants(g, i))
			continue;
		x = vjp_x(g, !i);
		vjp_give(g, i, vjp_op(g, OP_DOT, i ? (struct arg[]){x, d}
		    : (struct arg[]){d, x}, 2));
	}
	if (g->op->into && vjp_wants(g, 2))
		vjp_reduce(g, 2, vjp_d(g, 0));
}

static void
vjp_EMBED(struct grad *g)
{
	vjp_give(g, 0, vjp_op(g, OP_EMBED_BWD, (struct arg[]){vjp_d(g, 0),
	    vjp_x(g, 1)}, 2));
}

static const struct type *
as_f32(const struct grad *g, int i)
{
	return type_with_dtype(g->m, vjp_type(g, i), DT_F32);
}

/* A gradient of a weight is f32; the cotangent of a bf16 value is bf16. */
static void
give_weight(struct grad *g, int i, struct value *d)
{
	struct arg a = arg_value(d);

	if (!vjp_wants(g, i))
		return;
	if (g->op->in[i].kind == ARG_FIELD || d->type == vjp_type(g, i))
		vjp_give_value(g, i, d, true);
	else
		vjp_give(g, i, vjp_op(g, OP_CAST, &a, 1));
}

/* The result that is the gradient of weight i. */
static void
weight_result(struct grad *g, struct op *op, int j, int i)
{
	struct value *v = vjp_result(g, op, j, i, as_f32(g, i));

	if (!v->name && v->type != vjp_type(g, i))
		grad_give_name(g, v, arena_printf(g->m->mem,
		    "d%s_t", g->op->in[i].v->name));
}

/* dx, dw.. = code d, x, w */
static void
norm(struct grad *g, enum opcode code)
{
	int nin = g->op->nin;
	struct op *op = op_make(g->m, code, (struct arg[]){vjp_d(g, 0),
	    vjp_x(g, 0), vjp_x(g, 1)}, 3, nin, g->op->at);

	vjp_attrs(g, op);
	vjp_result(g, op, 0, 0, vjp_type(g, 0));
	for (int i = 1; i < nin; i++)
		weight_result(g, op, i, i);
	region_append(g->m, g->out, op);
	if (vjp_wants(g, 0))
		vjp_give_value(g, 0, op->out[0], true);
	for (int i = 1; i < nin; i++)
		give_weight(g, i, op->out[i]);
}

static void
vjp_RMSNORM(struct grad *g)
{
	norm(g, OP_RMSNORM_BWD);
}

static void
vjp_LAYERNORM(struct grad *g)
{
	norm(g, OP_LAYERNORM_BWD);
}

/* D = sum do o; dq, dk, dv = attn.bwd do, q, k, v, z, D [, doc] */
static void
vjp_ATTN(struct grad *g)
{
	struct arg in[7], d;
	const struct type *zt = g->op->out[1]->type;
	struct op *op;

	if (vjp_has(g, 1) || !vjp_has(g, 0)) {
		vjp_refuse(g, "the loss depends on the log-sum-exp it gives");
		return;
	}
	d = vjp_d(g, 0);
	in[0] = d;
	for (int i = 0; i < 3; i++)
		in[1 + i] = vjp_x(g, i);
	in[5] = vjp_named(g, "D", vjp_temp(g, OP_ATTN_DELTA,
	    (struct arg[]){d, vjp_y(g, 0)}, 2, zt));
	in[4] = vjp_y(g, 1);
	if (g->op->nin > 3)
		in[6] = vjp_x(g, 3);
	op = op_make(g->m, OP_ATTN_BWD, in, g->op->nin + 3, 3, g->op->at);
	vjp_attrs(g, op);
	for (int i = 0; i < 3; i++)
		vjp_result(g, op, i, i, vjp_type(g, i));
	region_append(g->m, g->out, op);
	for (int i = 0; i < 3; i++)
		if (vjp_wants(g, i))
			vjp_give_value(g, i, op->out[i], true);
}

static void
vjp_XENT(struct grad *g)
{
	struct op *op = vjp_op(g, OP_XENT_BWD, (struct arg[]){vjp_d(g, 0),
	    vjp_x(g, 0), vjp_x(g, 1)}, 3);

	vjp_attrs(g, op);
	vjp_give(g, 0, op);
}

/* nll, dh, dW = xent.dot.bwd d, h, W, labels */
static void
vjp_XENT_DOT(struct grad *g)
{
	struct op *op = op_make(g->m, OP_XENT_DOT_BWD, (struct arg[]){
	    vjp_d(g, 0), vjp_x(g, 0), vjp_x(g, 1), vjp_x(g, 2)}, 4, 3,
	    g->op->at);

	vjp_attrs(g, op);
	op_result(g->m, g->to, op, 0, g->op->out[0]->name,
	    g->op->out[0]->type);
	vjp_result(g, op, 1, 0, vjp_type(g, 0));
	weight_result(g, op, 2, 1);
	region_append(g->m, g->out, op);
	if (vjp_wants(g, 0))
		vjp_give_value(g, 0, op->out[1], true);
	give_weight(g, 1, op->out[2]);
}

/* --------------------------------------------------------- no derivative */

/* Nothing real goes in, so no cotangent is passed on. */
static void
nothing(struct grad *g)
{
	(void)g;
}

/* What autodiff itself writes is not differentiated again. */
static void
twice(struct grad *g)
{
	vjp_refuse(g, "it is part of a derivative already");
}

static void
element(struct grad *g)
{
	vjp_refuse(g, "only integers are taken apart");
}

static void
placed(struct grad *g)
{
	vjp_refuse(g, "derivatives are taken before ranks share the work");
}

static void
training(struct grad *g)
{
	vjp_refuse(g, "it belongs to the training step, not to a model");
}

#define vjp_CONST nothing
#define vjp_ZEROS nothing
#define vjp_NEGINF nothing
#define vjp_IOTA nothing
#define vjp_LABELS nothing
#define vjp_PARAMS nothing
#define vjp_AMAX twice
#define vjp_E4M3_SCALE twice
#define vjp_E5M2_SCALE twice
#define vjp_E4M3 twice
#define vjp_E5M2 twice
#define vjp_TAKE element
#define vjp_PICK element
#define vjp_EMBED_BWD twice
#define vjp_SILU_BWD twice
#define vjp_GELU_BWD twice
#define vjp_GELU_TANH_BWD twice
#define vjp_RELU_BWD twice
#define vjp_TANH_BWD twice
#define vjp_SIGMOID_BWD twice
#define vjp_SWIGLU_BWD twice
#define vjp_DROPOUT_BWD twice
#define vjp_ROPE_BWD twice
#define vjp_RMSNORM_BWD twice
#define vjp_LAYERNORM_BWD twice
#define vjp_SOFTMAX_BWD twice
#define vjp_ATTN_DELTA twice
#define vjp_ATTN_BWD twice
#define vjp_XENT_BWD twice
#define vjp_XENT_DOT_BWD twice
#define vjp_OFFLOAD placed
#define vjp_FETCH placed
#define vjp_LOAD twice
#define vjp_ATTN_STEP placed
#define vjp_ATTN_STEP_BWD placed
#define vjp_PART placed
#define vjp_PART_ADD placed
#define vjp_LOCAL training
#define vjp_ALLREDUCE placed
#define vjp_GATHER placed
#define vjp_RSCATTER placed
#define vjp_A2A placed
#define vjp_SHIFT placed
#define vjp_WAIT placed
#define vjp_ACCUM training
#define vjp_ZERO training
#define vjp_SUMSQ training
#define vjp_CLIP training
#define vjp_ADAMW training
#define vjp_SAVE nothing
#define vjp_YIELD nothing
#define vjp_RETURN nothing

vjp_fn *const vjp_of[OP_COUNT] = {
#define OP(code, text, nin, nout, group, rule, summary)                        \
	[OP_##code] = vjp_##code,
#include "ir/ops.def"
};
