/* Ops with a reduction over each row: norms, softmax, losses, sums, rope. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/kernel.h"

static void
reduce_eps(struct kernel *k, const struct op *op, int id)
{
	fprintf(k->row, "\t\tconst float r%d = 1 / sqrtf(q%d / COLS + %s);\n",
	    id, id, kernel_constant(k, op_real(op, ATTR_EPS)));
}

static void
emit_rmsnorm(struct kernel *k, const struct op *op, int id)
{
	const char *x = kernel_element(k, &op->in[0]), *w;

	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0",
	    TEXT(k, "%s * %s", x, x));
	kernel_end_loop(k);
	reduce_eps(k, op, id);
	x = kernel_element(k, &op->in[0]);
	w = kernel_element(k, &op->in[1]);
	kernel_define(k, op, 0, TEXT(k, "%s * r%d * %s", x, id, w));
}

/* dx = r (d w - x r^2 mean(d w x)),  dw = sum of d x r over rows */
static void
emit_rmsnorm_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *d = kernel_element(k, &op->in[0]);
	const char *x = kernel_element(k, &op->in[1]);
	const char *w = kernel_element(k, &op->in[2]);

	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0",
	    TEXT(k, "%s * %s", x, x));
	kernel_reduce(k, "+", TEXT(k, "u%d", id), "0",
	    TEXT(k, "%s * %s * %s", d, w, x));
	kernel_end_loop(k);
	reduce_eps(k, op, id);
	fprintf(k->row, "\t\tconst float k%d = u%d * r%d * r%d * r%d / COLS;\n",
	    id, id, id, id, id);
	d = kernel_element(k, &op->in[0]);
	x = kernel_element(k, &op->in[1]);
	w = kernel_element(k, &op->in[2]);
	kernel_add_sum(k, op, 1, TEXT(k, "%s * %s * r%d", d, x, id));
	kernel_define(k, op, 0, TEXT(k, "%s * %s * r%d - %s * k%d", d, w, id,
	    x, id));
}

/* Mean and 1/deviation of the row of x, in loops of their own. */
static void
emit_moments(struct kernel *k, const struct op *op, const struct arg *in,
    int id)
{
	const char *x = kernel_element(k, in);

	kernel_reduce(k, "+", TEXT(k, "m%d", id), "0", x);
	kernel_end_loop(k);
	fprintf(k->row, "\t\tconst float e%d = m%d / COLS;\n", id, id);
	x = kernel_element(k, in);
	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0",
	    TEXT(k, "(%s - e%d) * (%s - e%d)", x, id, x, id));
	kernel_end_loop(k);
	reduce_eps(k, op, id);
}

static void
emit_layernorm(struct kernel *k, const struct op *op, int id)
{
	const char *x, *w, *z;

	emit_moments(k, op, &op->in[0], id);
	x = kernel_element(k, &op->in[0]);
	w = kernel_element(k, &op->in[1]);
	z = kernel_element(k, &op->in[2]);
	kernel_define(k, op, 0,
	    TEXT(k, "(%s - e%d) * r%d * %s + %s", x, id, id, w, z));
}

/* With h = (x - e) r:  dx = r (d w - mean(d w) - h mean(d w h)) */
static void
emit_layernorm_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *d, *x, *w;

	emit_moments(k, op, &op->in[1], id);
	d = kernel_element(k, &op->in[0]);
	x = kernel_element(k, &op->in[1]);
	w = kernel_element(k, &op->in[2]);
	kernel_reduce(k, "+", TEXT(k, "u%d", id), "0",
	    TEXT(k, "%s * %s", d, w));
	kernel_reduce(k, "+", TEXT(k, "v%d", id), "0",
	    TEXT(k, "%s * %s * (%s - e%d) * r%d", d, w, x, id, id));
	kernel_end_loop(k);
	d = kernel_element(k, &op->in[0]);
	x = kernel_element(k, &op->in[1]);
	w = kernel_element(k, &op->in[2]);
	kernel_add_sum(k, op, 1,
	    TEXT(k, "%s * (%s - e%d) * r%d", d, x, id, id));
	kernel_add_sum(k, op, 2, d);
	kernel_define(k, op, 0, TEXT(k, "r%d * (%s * %s - u%d / COLS - "
	    "(%s - e%d) * r%d * v%d / COLS)", id, d, w, id, x, id, id, id));
}

/* Maximum m and sum of exponentials q of a row. */
static void
emit_exponentials(struct kernel *k, const struct arg *in, int id)
{
	const char *x = kernel_element(k, in);

	kernel_reduce(k, "max", TEXT(k, "m%d", id), "-INFINITY", x);
	kernel_end_loop(k);
	x = kernel_element(k, in);
	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0",
	    TEXT(k, "lt_expf(%s - m%d)", x, id));
	kernel_end_loop(k);
}

static void
emit_softmax(struct kernel *k, const struct op *op, int id)
{
	emit_exponentials(k, &op->in[0], id);
	fprintf(k->row, "\t\tconst float r%d = 1 / q%d;\n", id, id);
	kernel_define(k, op, 0, TEXT(k, "lt_expf(%s - m%d) * r%d",
	    kernel_element(k, &op->in[0]), id, id));
}

static void
emit_softmax_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *d = kernel_element(k, &op->in[0]);
	const char *y = kernel_element(k, &op->in[1]);

	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0",
	    TEXT(k, "%s * %s", d, y));
	kernel_end_loop(k);
	d = kernel_element(k, &op->in[0]);
	y = kernel_element(k, &op->in[1]);
	kernel_define(k, op, 0, TEXT(k, "(%s - q%d) * %s", d, id, y));
}

/* One element a row goes straight to memory. */
static void
store_row(struct kernel *k, const struct op *op, const char *value)
{
	k->d->store_row(k, kernel_member(k, op, 0), value);
}

static void
emit_attn_delta(struct kernel *k, const struct op *op, int id)
{
	const char *d = kernel_element(k, &op->in[0]);
	const char *o = kernel_element(k, &op->in[1]);

	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0",
	    TEXT(k, "%s * %s", d, o));
	kernel_end_loop(k);
	store_row(k, op, TEXT(k, "q%d", id));
}

static void
emit_sum(struct kernel *k, const struct op *op, int id)
{
	const char *x = kernel_element(k, &op->in[0]);

	if (group_result(op, 0) == RESULT_COLS) {
		kernel_add_sum(k, op, 0, x);
		return;
	}
	kernel_reduce(k, "+", TEXT(k, "q%d", id), "0", x);
	kernel_end_loop(k);
	if (group_result(op, 0) == RESULT_ROW)
		store_row(k, op, TEXT(k, "q%d", id));
	else
		kernel_add_sum(k, op, 0, TEXT(k, "q%d", id));
}

/* A label equal to ignore contributes nothing. */
static void
emit_xent(struct kernel *k, const struct op *op, int id)
{
	const char *l = kernel_input(k, &op->in[1])->name;

	emit_exponentials(k, &op->in[0], id);
	fprintf(k->row, "\t\tif (%s != %" PRId64 ")\n\t", l,
	    op_int(op, ATTR_IGNORE));
	kernel_add_sum(k, op, 0, TEXT(k, "m%d + lt_logf(q%d) - %s", id, id,
	    kernel_element_at(k, &op->in[0], l)));
	k->loop_used = false;
}

static void
emit_xent_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *l = kernel_input(k, &op->in[2])->name;

	emit_exponentials(k, &op->in[1], id);
	fprintf(k->row, "\t\tconst float g%d = %s != %" PRId64 " ? %s : 0;\n"
	    "\t\tconst float r%d = g%d / q%d;\n", id, l,
	    op_int(op, ATTR_IGNORE), kernel_element(k, &op->in[0]), id, id,
	    id);
	kernel_define(k, op, 0, TEXT(k,
	    "lt_expf(%s - m%d) * r%d - (c == %s ? g%d : 0)",
	    kernel_element(k, &op->in[1]), id, id, l, id));
}

/* Reads and writes two columns at once: the dialect's own loop. */
static void
emit_rope(struct kernel *k, const struct op *op, int id)
{
	kernel_end_loop(k);
	k->d->rope(k, op, id);
	kernel_end_loop(k);
}

static void (*const emitters[OP_COUNT])(struct kernel *k, const struct op *op,
    int id) = {
	[OP_RMSNORM] = emit_rmsnorm,
	[OP_RMSNORM_BWD] = emit_rmsnorm_bwd,
	[OP_LAYERNORM] = emit_layernorm,
	[OP_LAYERNORM_BWD] = emit_layernorm_bwd,
	[OP_SOFTMAX] = emit_softmax,
	[OP_SOFTMAX_BWD] = emit_softmax_bwd,
	[OP_ATTN_DELTA] = emit_attn_delta,
	[OP_SUM] = emit_sum,
	[OP_XENT] = emit_xent,
	[OP_XENT_BWD] = emit_xent_bwd,
	[OP_ROPE] = emit_rope,
	[OP_ROPE_BWD] = emit_rope,
};

void
kernel_row_op(struct kernel *k, const struct op *op, int id)
{
	emitters[op->code](k, op, id);
}
