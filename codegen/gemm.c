/* dot: matrix products where the dims line up, loops where they do not. */
#include "config.h"

#include <inttypes.h>

#include "codegen/host.h"
#include "codegen/target.h"
#include "ir/matrix.h"

/* Before an accumulation the old value must be where the result goes. */
static void
emit_accumulator(struct emit *e, const struct op *op)
{
	if (op->into)
		emit_copy_if_moved(e, op->out[0], NULL,
		    op->in[op->nin - 1].v, NULL);
}

static bool
of_fp8(const struct emit *e, const struct op *op)
{
	return dtype_is_fp8(arg_type(e->m, &op->in[0])->dtype);
}

/* In bf16 the old sum is the residual of the product's epilogue. */
static const char *
epilogue(struct emit *e, const struct op *op, uint64_t ldr, int a,
    const char *c)
{
	struct arena *mem = e->m->mem;
	bool resid = op->into && op->out[0]->type->dtype == DT_BF16;
	const char *old = resid ? arena_printf(mem, ".resid = %s, "
	    ".resid_type = LT_BF16, .ldr = %" PRIu64, c, ldr) : "";

	if (!resid && !of_fp8(e, op))
		return "NULL";
	if (!of_fp8(e, op))
		return arena_printf(mem, "&(struct lt_gemm_epilogue){%s}", old);
	return arena_printf(mem, "&(struct lt_gemm_epilogue){%s%s\n\t"
	    "    .scale_a = %s, .scale_b = %s}", old, resid ? "," : "",
	    emit_arg_ptr(e, &op->in[2 + a]), emit_arg_ptr(e, &op->in[3 - a]));
}

/* Operand a times the other one, as x says they lie. */
static void
emit_gemm(struct emit *e, const struct op *op, const struct matrices *x,
    int a)
{
	const struct arg *left = &op->in[a], *right = &op->in[1 - a];
	const char *c = emit_result_ptr(e, op, 0);
	bool add = (op->has_target && op->target_add) ||
	    (op->into && x->c->dtype == DT_F32);
	const char *lit = arena_printf(e->m->mem, "{.m = %" PRIu64 ", .n = %"
	    PRIu64 ", .k = %" PRIu64 ",\n\t    .lda = %" PRIu64
	    ", .ldb = %" PRIu64 ", .ldc = %" PRIu64 ", .ta = %d, .tb = %d, "
	    ".acc = %d,\n\t    .a = %s, .b = %s, .c = %s}", x->m, x->n, x->k,
	    x->ta ? x->m : x->k, x->tb ? x->k : x->n, x->n, x->ta, x->tb, add,
	    emit_ltype(emit_arg_dtype(e, left)),
	    emit_ltype(emit_arg_dtype(e, right)),
	    emit_ltype((enum dtype)x->c->dtype));

	emit_work(e, arena_printf(e->m->mem,
	    "%s&(struct lt_gemm)%s, threads)", emit_callee(e, CALL_GEMM_WORK),
	    lit));
	emit_line(e, "%s&(struct lt_gemm)%s,", emit_callee(e, CALL_GEMM), lit);
	emit_line(e, "    %s, %s, %s, %s%s);", emit_arg_ptr(e, left),
	    emit_arg_ptr(e, right), c, epilogue(e, op, x->n, a, c),
	    e->to->work);
}

void
emit_dot(struct emit *e, const struct op *op)
{
	struct matrices x, y;

	emit_accumulator(e, op);
	if (!matrices_of(e->m, op, &x)) {
		if (of_fp8(e, op))
			emit_broken(e, op, "fp8 that is no matrix");
		else
			emit_dot_loops(e, op);
		return;
	}
	y = x;
	if (x.swap) { /* c' = b' a' */
		y.m = x.n;
		y.n = x.m;
		y.ta = !x.tb;
		y.tb = !x.ta;
	}
	emit_gemm(e, op, &y, x.swap);
}
