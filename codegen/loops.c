/*
 * Kernels for what lies across: products whose dims do not line up, sums that
 * keep dims in the middle, softmax and rope over a dim that is not innermost.
 * One loop over results or lines; any dims in any order.
 */
#include "config.h"

#include <inttypes.h>

#include "codegen/host.h"
#include "codegen/kernel_cuda.h"
#include "codegen/target.h"
#include "ir/group.h"

uint64_t
emit_stride(const struct module *m, const struct type *t, int i)
{
	uint64_t n = 1;

	while (++i < t->rank)
		n *= dim_local_size(m, &t->d[i]);
	return n;
}

/* ---- pieces of text ---- */

/* Where the body goes. */
static FILE *
text(const struct emit *e)
{
	return e->to->gpu ? e->device : e->kernels;
}

static const char *
read_at(struct emit *e, const char *p, const struct type *t, const char *at)
{
	return arena_printf(e->m->mem, t->dtype == DT_BF16 ?
	    "lt_from_bf16(%s%s[%s])" : "%s%s[%s]", e->to->args, p, at);
}

/* The type of what result 0 is stored as: targets are f32. */
static const struct type *
stored_type(struct emit *e, const struct op *op)
{
	return op->has_target ? type_with_dtype(e->m, op->out[0]->type,
	    DT_F32) : op->out[0]->type;
}

static void
write_at(struct emit *e, const char *indent, const char *p,
    const struct type *t, const char *at, bool add, const char *value)
{
	const char *y = arena_printf(e->m->mem, "%s%s[%s]", e->to->args, p,
	    at);

	if (t->dtype == DT_BF16 && add)
		fprintf(text(e), "%s%s = lt_to_bf16(lt_from_bf16(%s) + %s);\n",
		    indent, y, y, value);
	else if (t->dtype == DT_BF16)
		fprintf(text(e), "%s%s = lt_to_bf16(%s);\n", indent, y,
		    value);
	else
		fprintf(text(e), "%s%s %s %s;\n", indent, y,
		    add ? "+=" : "=", value);
}

static const char *
offset_of(struct emit *e, const struct type *t)
{
	const char *s = "0";

	for (int i = 0; i < t->rank; i++)
		s = arena_printf(e->m->mem, "%s + d_%s * %" PRIu64, s,
		    emit_mangle(e, "", t->d[i].name),
		    emit_stride(e->m, t, i));
	return s;
}

/* d_NAME: index of result i along each dim of t. */
static void
declare_dims(struct emit *e, const struct type *t)
{
	for (int i = 0; i < t->rank; i++)
		fprintf(text(e), "\t\tconst long d_%s = i / %" PRIu64
		    " %% %" PRIu64 ";\n", emit_mangle(e, "", t->d[i].name),
		    emit_stride(e->m, t, i),
		    dim_local_size(e->m, &t->d[i]));
}

static void
loop_over_rest(struct emit *e, const struct type *x, const struct type *y)
{
	for (int i = 0; i < x->rank; i++) {
		const char *d = emit_mangle(e, "d_", x->d[i].name);

		if (type_find(y, x->d[i].name) < 0)
			fprintf(text(e), "\t\tfor (long %s = 0; %s < %"
			    PRIu64 "; %s++)\n", d, d,
			    dim_local_size(e->m, &x->d[i]), d);
	}
}

static bool
is_rope(const struct op *op)
{
	return op->code == OP_ROPE || op->code == OP_ROPE_BWD;
}

static const char *
kernel_name(struct emit *e, const struct op *op, int id)
{
	return e->to->gpu ? emit_mangle(e, arena_printf(e->m->mem, "k%d_", id),
	    op_info[op->code].name) : arena_printf(e->m->mem, "k%d", id);
}

static void
print_struct(struct emit *e, FILE *o, const struct op *op, const char *name)
{
	fprintf(o, "struct %s {\n", name);
	for (int i = 0; i < op->nin && i < 2; i++)
		fprintf(o, "\tconst %s *x%d;\n", emit_ctype((enum dtype)
		    arg_type(e->m, &op->in[i])->dtype), i);
	fprintf(o, "\t%s *y;\n", emit_ctype((enum dtype)
	    stored_type(e, op)->dtype));
	if (is_rope(op))
		fputs("\tconst float *rope;\n", o);
	fputs("};\n\n", o);
}

static int
begin(struct emit *e, const struct op *op, uint64_t total)
{
	FILE *o = text(e);
	int id = e->nkernel++;
	const char *name = kernel_name(e, op, id);

	emit_comment(e, o, "", &(struct op *){(struct op *)op}, 1);
	if (e->to->gpu) {
		name = arena_printf(e->m->mem, "%s_args", name);
		print_struct(e, e->kernels, op, name);
		print_struct(e, o, op, name);
		emit_cuda_elements(e, kernel_name(e, op, id), total);
		return id;
	}
	print_struct(e, o, op, name);
	fprintf(o, "LT_CLONES static void\n"
	    "k%d(void *arg, int part, int parts)\n{\n"
	    "\tconst struct k%d *a = arg;\n\n\tfor (long i = %" PRIu64
	    " * (long)part / parts; i < %" PRIu64
	    " * (long)(part + 1) / parts; i++) {\n", id, id, total, total);
	return id;
}

static void
finish(struct emit *e, const struct op *op, int id)
{
	fputs("\t}\n}\n\n", text(e));
	if (e->to->gpu)
		emit_cuda_launch_elements(e, kernel_name(e, op, id), op);
	else
		emit_line(e, "lt_pool_run(rt->pool, k%d, &(struct k%d){", id,
		    id);
	for (int i = 0; i < op->nin && i < 2; i++)
		emit_line(e, "    .x%d = %s,", i,
		    emit_arg_ptr(e, &op->in[i]));
	emit_line(e, "    .y = %s,", emit_result_ptr(e, op, 0));
	if (is_rope(op))
		emit_line(e, "    .rope = %s,", emit_slot_ptr(e,
		    module_slot(e->m, group_rope_slot(e->m, op)), NULL,
		    DT_F32));
	emit_line(e, "});");
}

/* ---- products and sums ---- */

void
emit_dot_loops(struct emit *e, const struct op *op)
{
	const struct type *a = arg_type(e->m, &op->in[0]);
	const struct type *b = arg_type(e->m, &op->in[1]);
	const struct type *c = op->out[0]->type;
	int id = begin(e, op, type_local_count(e->m, c));

	declare_dims(e, c);
	fputs("\t\tfloat sum = 0;\n\n", text(e));
	loop_over_rest(e, a, c);
	fprintf(text(e), "\t\t\tsum += %s * %s;\n",
	    read_at(e, "x0", a, offset_of(e, a)),
	    read_at(e, "x1", b, offset_of(e, b)));
	write_at(e, "\t\t", "y", stored_type(e, op), "i",
	    op->into || (op->has_target && op->target_add), "sum");
	finish(e, op, id);
}

void
emit_sum(struct emit *e, const struct op *op)
{
	const struct type *x = arg_type(e->m, &op->in[0]);
	const struct type *y = op->out[0]->type;
	int id = begin(e, op, type_local_count(e->m, y));

	declare_dims(e, y);
	fputs("\t\tdouble sum = 0;\n\n", text(e));
	loop_over_rest(e, x, y);
	fprintf(text(e), "\t\t\tsum += %s;\n",
	    read_at(e, "x0", x, offset_of(e, x)));
	write_at(e, "\t\t", "y", stored_type(e, op), "i",
	    op->has_target && op->target_add, "(float)sum");
	finish(e, op, id);
}

/* ---- lines ---- */

/* Line i starts at `base`; its elements are STEP apart. */
static int
begin_lines(struct emit *e, const struct op *op)
{
	const struct type *t = group_space(op);
	int over = type_find(t, op_dim(op, ATTR_OVER));
	uint64_t len = dim_local_size(e->m, &t->d[over]);
	uint64_t step = emit_stride(e->m, t, over);
	int id = begin(e, op, type_local_count(e->m, t) / len);

	fprintf(text(e), "\t\tenum { LEN = %" PRIu64 ", STEP = %" PRIu64
	    " };\n\t\tconst long base = i / STEP * STEP * LEN + i %% STEP;\n",
	    len, step);
	return id;
}

static const char each[] = "\t\tfor (long c = base; c < base + LEN * STEP; "
    "c += STEP)\n";

void
emit_softmax_lines(struct emit *e, const struct op *op)
{
	const char *x = read_at(e, "x0", arg_type(e->m, &op->in[0]), "c");
	int id = begin_lines(e, op);

	fprintf(text(e), "\t\tfloat most = -INFINITY, sum = 0;\n\n%s"
	    "\t\t\tmost = %s > most ? %s : most;\n%s"
	    "\t\t\tsum += lt_expf(%s - most);\n%s", each, x, x, each, x,
	    each);
	write_at(e, "\t\t\t", "y", stored_type(e, op), "c",
	    op->has_target && op->target_add,
	    arena_printf(e->m->mem, "lt_expf(%s - most) / sum", x));
	finish(e, op, id);
}

void
emit_softmax_bwd_lines(struct emit *e, const struct op *op)
{
	const char *d = read_at(e, "x0", arg_type(e->m, &op->in[0]), "c");
	const char *y = read_at(e, "x1", arg_type(e->m, &op->in[1]), "c");
	int id = begin_lines(e, op);

	fprintf(text(e), "\t\tfloat sum = 0;\n\n%s\t\t\tsum += %s * %s;\n%s",
	    each, d, y, each);
	write_at(e, "\t\t\t", "y", stored_type(e, op), "c",
	    op->has_target && op->target_add,
	    arena_printf(e->m->mem, "(%s - sum) * %s", d, y));
	finish(e, op, id);
}

void
emit_rope_lines(struct emit *e, const struct op *op)
{
	const struct type *t = group_space(op);
	int at = group_position(op), id = begin_lines(e, op);
	bool half = op_int(op, ATTR_STYLE) == 0;
	bool add = op->has_target && op->target_add;

	fprintf(text(e), "\t\tconst float *rope = %srope + base / %" PRIu64
	    " %% %" PRIu64 " * LEN;\n\n"
	    "\t\tfor (long c = 0; c < LEN / 2; c++) {\n"
	    "\t\t\tconst long c0 = base + %s * STEP;\n"
	    "\t\t\tconst long c1 = c0 + %s * STEP;\n"
	    "\t\t\tconst float u0 = %s, u1 = %s;\n"
	    "\t\t\tconst float co = rope[c], si = %srope[LEN / 2 + c];\n\n",
	    e->to->args, emit_stride(e->m, t, at), dim_local_size(e->m, &t->d[at]),
	    half ? "c" : "2 * c", half ? "LEN / 2" : "1",
	    read_at(e, "x0", t, "c0"), read_at(e, "x0", t, "c1"),
	    op->code == OP_ROPE ? "" : "-");
	write_at(e, "\t\t\t", "y", stored_type(e, op), "c0", add,
	    "u0 * co - u1 * si");
	write_at(e, "\t\t\t", "y", stored_type(e, op), "c1", add,
	    "u1 * co + u0 * si");
	fputs("\t\t}\n", text(e));
	finish(e, op, id);
}
