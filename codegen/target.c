/* CPUs as a target, and what statements of all targets are made of. */
#include "config.h"

#include "codegen/target.h"

#include <inttypes.h>

#include "codegen/host.h"

const char *
emit_callee(const struct emit *e, enum callee c)
{
	return e->to->callee[c];
}

const char *
emit_factor(struct emit *e, const struct arg *a)
{
	if (!a)
		return e->to->gpu ? "NULL" : "1";
	return arena_printf(e->m->mem, e->to->gpu ? "%s" : "*%s",
	    emit_arg_ptr(e, a));
}

void
emit_memcpy(struct emit *e, const char *indent, const char *to,
    const char *from, uint64_t bytes)
{
	emit_line(e, "%s%s%s, %s, %" PRIu64 ");", indent,
	    emit_callee(e, CALL_COPY), to, from, bytes);
}

void
emit_zero_bytes(struct emit *e, const char *to, uint64_t bytes)
{
	emit_line(e, e->to->gpu ? "lt_gpu_zero(rt, %s, %" PRIu64 ");" :
	    "memset(%s, 0, %" PRIu64 ");", to, bytes);
}

static void
square(struct emit *e, uint64_t n, const char *x)
{
	emit_line(e, "sum += lt_sumsq(rt, %" PRIu64 ", %s);", n, x);
}

static void
finish_step(struct emit *e, const struct op *ret)
{
	emit_line(e, "rt->loss = *%s;", emit_arg_ptr(e, &ret->in[0]));
	emit_line(e, "rt->gnorm = *%s;", emit_arg_ptr(e, &ret->in[1]));
}

static void
finish_eval(struct emit *e, const struct op *ret)
{
	emit_line(e, "rt->eval_nll += *%s;", emit_arg_ptr(e, &ret->in[0]));
	emit_line(e, "rt->eval_count += *%s;", emit_arg_ptr(e, &ret->in[1]));
}

static void
check_step(struct emit *e, const char *loss, const char *gnorm)
{
	if (gnorm)
		emit_line(e, "if (!lt_step_ok(rt, *%s, *%s))", loss, gnorm);
	else
		emit_line(e, "if (!lt_step_ok(rt, *%s, 0))", loss);
	emit_line(e, "\treturn;");
}

const struct target target_cpu = {
	.callee = {
#define CALLEE(id, cpu, gpu) [CALL_##id] = cpu,
#include "codegen/callees.def"
#undef CALLEE
	},
	.work = ", rt->arena[LT_WORK]",
	.args = "a->",
	.includes = "#include \"runtime/cpu/pool.h\"\n"
	    "#include \"runtime/cpu/gemm.h\"\n"
	    "#include \"runtime/cpu/fp8.h\"\n"
	    "#include \"runtime/cpu/attn.h\"\n"
	    "#include \"runtime/cpu/head.h\"\n"
	    "#include \"runtime/cpu/rows.h\"\n"
	    "#include \"runtime/cpu/act.h\"\n"
	    "#include \"support/rng.h\"\n",
	.kernel = emit_kernel,
	.scalars = emit_scalars,
	.square = square,
	.finish_step = finish_step,
	.finish_eval = finish_eval,
	.check_step = check_step,
};
