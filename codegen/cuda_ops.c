/*
 * GPUs as a target: statements of the host program that are not those of a
 * CPU's, since no address that occurs may be read or written here.
 */
#include "config.h"

#include <inttypes.h>

#include "codegen/host.h"
#include "codegen/kernel_cuda.h"
#include "codegen/layout.h"
#include "codegen/target.h"

static void
emit_iota(struct emit *e, const struct op *op)
{
	emit_line(e, "lt_gpu_iota(rt, %s, (const struct lt_runs[]){%s});",
	    emit_result_ptr(e, op, 0), emit_runs(e, &op->out[0]->type->d[0]));
}

static void
emit_part(struct emit *e, const struct op *op)
{
	const struct type *t = arg_type(e->m, &op->in[0]);
	struct span_of s = emit_part_of(e, t, op->out[0]->type);
	uint64_t size = dtype_size[t->dtype];

	emit_line(e, "lt_gpu_copy_rows(rt, %s, %" PRIu64 ",",
	    emit_result_ptr(e, op, 0), s.n * size);
	emit_line(e, "    (const char *)%s + %" PRIu64 ", %" PRIu64 ", %"
	    PRIu64 ", %" PRIu64 ");", emit_arg_ptr(e, &op->in[0]),
	    s.from * size, s.all * size, s.n * size, s.outer);
}

static void
emit_part_add(struct emit *e, const struct op *op)
{
	struct span_of s = emit_part_of(e, op->out[0]->type,
	    arg_type(e->m, &op->in[0]));

	if (op->out[0]->type->dtype != DT_F32)
		emit_broken(e, op, "sums are f32");
	emit_copy_if_moved(e, op->out[0], NULL, op->in[1].v, NULL);
	emit_line(e, "lt_gpu_add_rows(rt, %s + %" PRIu64 ", %" PRIu64 ",",
	    emit_result_ptr(e, op, 0), s.from, s.all);
	emit_line(e, "    %s, %" PRIu64 ", %" PRIu64 ", %" PRIu64 ");",
	    emit_arg_ptr(e, &op->in[0]), s.n, s.n, s.outer);
}

static void
emit_pick(struct emit *e, const struct op *op)
{
	struct pick_of p = emit_pick_row(e, op);

	emit_zero_bytes(e, emit_result_ptr(e, op, 0),
	    p.outer * p.bytes);
	emit_line(e, "if (row >= 0)");
	emit_line(e, "\tlt_gpu_copy_rows(rt, %s, %" PRIu64 ", (const char *)%s "
	    "+ row * %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ");",
	    emit_result_ptr(e, op, 0), p.bytes, emit_arg_ptr(e, &op->in[0]),
	    p.bytes, p.n * p.bytes, p.bytes, p.outer);
	e->indent--;
	emit_line(e, "}");
}

static void
emit_count(struct emit *e, const struct op *op)
{
	emit_line(e, "lt_gpu_count(rt, %" PRIu64 ", %s, %" PRId64 ", %s);",
	    type_local_count(e->m, op->in[0].v->type),
	    emit_arg_ptr(e, &op->in[0]), op_int(op, ATTR_IGNORE),
	    emit_result_ptr(e, op, 0));
}

static void
emit_amax(struct emit *e, const struct op *op)
{
	emit_work(e, "lt_gpu_amax_workspace()");
	emit_line(e, "lt_gpu_amax(rt, %" PRIu64 ", %s, %s);",
	    type_local_count(e->m, arg_type(e->m, &op->in[0])),
	    emit_arg_ptr(e, &op->in[0]), emit_result_ptr(e, op, 0));
}

static void
emit_recip(struct emit *e, const struct op *op)
{
	emit_line(e, "lt_gpu_recip(rt, %s, %s);", emit_arg_ptr(e, &op->in[0]),
	    emit_result_ptr(e, op, 0));
}

static void
emit_clip(struct emit *e, const struct op *op)
{
	double max = op_real(op, ATTR_MAX);

	emit_line(e, "lt_gpu_clip(rt, %s, (float)%a, %s);",
	    emit_arg_ptr(e, &op->in[0]), max > 0 ? max : 0,
	    emit_result_ptr(e, op, 0));
}

/* All arrays in one call, so that their sum has one order. */
static void
emit_sumsq(struct emit *e, const struct op *op)
{
	int n = 0;

	for (int i = 0; i < op->nin; i++)
		n += emit_squares_count(e, &op->in[i]);
	emit_work(e, arena_printf(e->m->mem, "lt_gpu_sumsq_workspace(%d)", n));
	emit_line(e, "lt_gpu_sumsq(rt, %d, (const struct lt_gpu_array[]){", n);
	for (int i = 0; i < op->nin; i++)
		emit_squares(e, &op->in[i]);
	emit_line(e, "    }, %s);", emit_result_ptr(e, op, 0));
}

static void
square(struct emit *e, uint64_t n, const char *x)
{
	emit_line(e, "    {%s, %" PRIu64 "},", x, n);
}

/* ---- the ends of steps ---- */

static void
finish_step(struct emit *e, const struct op *ret)
{
	emit_line(e, "lt_gpu_return(rt, %s, %s);",
	    emit_arg_ptr(e, &ret->in[0]), emit_arg_ptr(e, &ret->in[1]));
}

static void
finish_eval(struct emit *e, const struct op *ret)
{
	emit_line(e, "lt_gpu_eval_return(rt, %s, %s);",
	    emit_arg_ptr(e, &ret->in[0]), emit_arg_ptr(e, &ret->in[1]));
}

static void
check_step(struct emit *e, const char *loss, const char *gnorm)
{
	emit_line(e, "lt_gpu_check(rt, %s, %s);", loss,
	    gnorm ? gnorm : "NULL");
}

static const emit_fn ops[OP_COUNT] = {
	[OP_IOTA] = emit_iota,
	[OP_PART] = emit_part,
	[OP_PART_ADD] = emit_part_add,
	[OP_PICK] = emit_pick,
	[OP_LABELS] = emit_count,
	[OP_AMAX] = emit_amax,
	[OP_RECIP] = emit_recip,
	[OP_CLIP] = emit_clip,
	[OP_SUMSQ] = emit_sumsq,
};

const struct target target_cuda = {
	.callee = {
#define CALLEE(id, cpu, gpu) [CALL_##id] = gpu,
#include "codegen/callees.def"
#undef CALLEE
	},
	.work = "",
	.args = "a.",
	.includes = "#include \"runtime/gpu/gpu.h\"\n",
	.gpu = true,
	.op = ops,
	.kernel = emit_cuda_kernel,
	.scalars = emit_cuda_kernel,
	.square = square,
	.finish_step = finish_step,
	.finish_eval = finish_eval,
	.check_step = check_step,
};
