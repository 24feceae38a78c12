/* Element-by-element ops in a kernel: one formula each. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/kernel.h"
#include "support/buf.h"
#include "support/rng.h"

static const char *const formulas[OP_COUNT][2] = {
	[OP_CAST] = {"$0"},
	[OP_ADD] = {"$0 + $1"},
	[OP_SUB] = {"$0 - $1"},
	[OP_MUL] = {"$0 * $1"},
	[OP_DIV] = {"$0 / $1"},
	[OP_NEG] = {"-$0"},
	[OP_SPREAD] = {"$0"},
	[OP_SQRT] = {"sqrtf($0)"},
	[OP_EXP] = {"lt_expf($0)"},
	[OP_LOG] = {"lt_logf($0)"},
	[OP_E4M3_SCALE] = {"lt_e4m3_scale($0)"},
	[OP_E5M2_SCALE] = {"lt_e5m2_scale($0)"},
	[OP_RELU] = {"$0 > 0 ? $0 : 0"},
	[OP_TANH] = {"lt_tanhf($0)"},
	[OP_SIGMOID] = {"lt_sigmoidf($0)"},
	[OP_SILU] = {"$0 * lt_sigmoidf($0)"},
	[OP_GELU] = {"lt_geluf($0)"},
	[OP_GELU_TANH] = {"lt_gelu_tanhf($0)"},
	[OP_RELU_BWD] = {"$1 > 0 ? $0 : 0"},
	[OP_TANH_BWD] = {"$0 * (1 - $1 * $1)"},
	[OP_SIGMOID_BWD] = {"$0 * $1 * (1 - $1)"},
	[OP_SILU_BWD] = {"$0 * lt_silu_slopef($1)"},
	[OP_GELU_BWD] = {"$0 * lt_gelu_slopef($1)"},
	[OP_GELU_TANH_BWD] = {"$0 * lt_gelu_tanh_slopef($1)"},
	[OP_SWIGLU] = {"$0 * lt_sigmoidf($0) * $1"},
	[OP_SWIGLU_BWD] = {"$0 * $2 * lt_silu_slopef($1)",
	    "$0 * $1 * lt_sigmoidf($1)"},
};

bool
kernel_op_is_map(const struct op *op)
{
	return formulas[op->code][0] || op->code == OP_DROPOUT ||
	    op->code == OP_DROPOUT_BWD;
}

const char *
kernel_formula(const struct op *op, int out)
{
	return formulas[op->code][out];
}

const char *
kernel_expand(struct arena *mem, const char *formula, const char *const *arg)
{
	struct buf b = {0};
	const char *s;

	for (; *formula; formula++)
		if (*formula == '$')
			buf_puts(&b, arg[*++formula - '0']);
		else
			buf_putc(&b, *formula);
	s = arena_strndup(mem, buf_text(&b), b.len);
	buf_free(&b);
	return s;
}

bool
kernel_has_dropout(const struct kernel *k)
{
	for (int i = 0; i < k->n; i++)
		if (k->op[i]->code == OP_DROPOUT ||
		    k->op[i]->code == OP_DROPOUT_BWD)
			return true;
	return false;
}

/* The element's number counts microbatches, as in the interpreter. */
static const char *
dropout_index(struct kernel *k, const struct op *op)
{
	return TEXT(k, "(uint64_t)%s * %" PRIu64 " + %s", k->d->micro,
	    type_real_count(k->e->m, op->out[0]->type),
	    kernel_is_cut(k) ? kernel_global_index(k)
			     : "(uint64_t)r * COLS + (uint64_t)c");
}

static void
dropout(struct kernel *k, const struct op *op, int id)
{
	const char *x = kernel_element(k, &op->in[0]);
	double rate = op_real(op, ATTR_RATE);

	if (rate == 0) {
		kernel_define(k, op, 0, x);
		return;
	}
	fprintf(k->row, "\t\tconst uint64_t drop%d = lt_dropout_stream("
	    "%s, %" PRId64 " + %slayer);\n", id, k->d->step,
	    op_int(op, ATTR_KEY), k->d->args);
	kernel_define(k, op, 0, TEXT(k, "!%s ? %s : "
	    "lt_dropout_keeps(%s, drop%d, %s, UINT64_C(%" PRIu64
	    ")) ? %s * %s : 0", k->d->training, x, k->d->seed, id, dropout_index(k, op),
	    lt_dropout_threshold(rate), x, kernel_constant(k, 1 / (1 - rate))));
}

void
kernel_map_op(struct kernel *k, const struct op *op, int id)
{
	const char *arg[4] = {0};

	if (!kernel_formula(op, 0)) {
		dropout(k, op, id);
		return;
	}
	for (int i = 0; i < op->nin && i < 4; i++)
		arg[i] = kernel_element(k, &op->in[i]);
	for (int j = 0; j < op->nout; j++)
		kernel_define(k, op, j, kernel_expand(k->e->m->mem,
		    kernel_formula(op, j), arg));
}
