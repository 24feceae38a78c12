/* One C function for each fusion group: its struct, its rows, its call. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/kernel.h"
#include "codegen/layout.h"
#include "codegen/target.h"

/* ---- what a group reads and makes ---- */

static bool
is_const(const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->def &&
	    a->v->def->code == OP_CONST;
}

static bool
made_by_group(const struct kernel *k, const struct arg *a)
{
	for (int i = 0; a->kind == ARG_VALUE && i < k->nmem; i++)
		if (k->mem[i].v == a->v)
			return true;
	return false;
}

/* Two names can be one after mangling: the number decides. */
static const char *
name_input(struct kernel *k, const struct arg *a)
{
	const char *s = emit_mangle(k->e, "x_", a->kind == ARG_FIELD ?
	    TEXT(k, "%s_%s", a->v->name, a->v->bundle->field[a->field].name) :
	    a->v->name);

	for (int i = 0; i < k->nin; i++)
		if (strcmp(k->in[i].name, s) == 0)
			return TEXT(k, "%s_%d", s, k->nin);
	return s;
}

static void
add_input(struct kernel *k, const struct arg *a)
{
	struct input *x = &k->in[k->nin];

	if (is_const(a) || kernel_input(k, a) || made_by_group(k, a))
		return;
	*x = (struct input){.arg = *a, .type = arg_type(k->e->m, a),
	    .name = name_input(k, a), .declared = -1};
	k->nin++;
}

static const char *
name_member(struct kernel *k, const struct op *op, const struct value *v)
{
	const char *s = emit_mangle(k->e, "t_", v->name ? v->name :
	    (op->target.b ? op->target.b : op->target.v->bundle)
	    ->field[op->target.field].name);

	for (int i = 0; i < k->nmem; i++)
		if (strcmp(k->mem[i].name, s) == 0)
			return TEXT(k, "%s_%d", s, k->nmem);
	return s;
}

static void
add_result(struct kernel *k, const struct op *op, int out)
{
	enum group_result r = group_result(op, out);
	const struct value *v = op->out[out];

	if (r == RESULT_COLS || r == RESULT_ALL) {
		struct row_sum *s = &k->sum[k->nsum++];

		*s = (struct row_sum){op, out,
		    type_local_count(k->e->m, v->type), k->width};
		k->width += s->cols;
		return;
	}
	k->mem[k->nmem] = (struct member){.op = op, .v = v, .declared = -1,
	    .name = name_member(k, op, v), .per_row = r == RESULT_ROW,
	    .stored = (op->has_target && out == 0) ||
	    group_used_outside(k->e->f, v, k->op, k->n)};
	k->nmem++;
}

static void
collect(struct kernel *k)
{
	for (int i = 0; i < k->n; i++) {
		for (int j = 0; j < k->op[i]->nin; j++)
			add_input(k, &k->op[i]->in[j]);
		for (int j = 0; j < k->op[i]->nout; j++)
			add_result(k, k->op[i], j);
	}
}

static bool
is_rope(const struct op *op)
{
	return op->code == OP_ROPE || op->code == OP_ROPE_BWD;
}

static const char *
member_ctype(const struct member *t)
{
	bool target = t->op->has_target && t->op->out[0] == t->v;

	return emit_ctype(target ? DT_F32 : (enum dtype)t->v->type->dtype);
}

/* ---- its text ---- */

static void
print_struct(struct kernel *k, FILE *out)
{
	fprintf(out, "struct k%d {\n", k->id);
	for (int i = 0; i < k->nin; i++)
		fprintf(out, "\tconst %s *%s;\n",
		    emit_ctype((enum dtype)k->in[i].type->dtype),
		    k->in[i].name);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			fprintf(out, "\t%s *%s;\n", member_ctype(&k->mem[i]),
			    k->mem[i].name);
	if (k->nsum)
		fputs("\tfloat *part; /* partial sums over rows */\n", out);
	for (int i = 0; i < k->n; i++)
		if (is_rope(k->op[i]))
			fprintf(out, "\tconst float *rope%d; "
			    "/* cos, sin by position */\n", i);
	if (kernel_has_dropout(k))
		fputs("\tstruct lt *rt;\n\tint64_t layer;\n", out);
	for (int i = 0; kernel_has_dropout(k) && i < k->space->rank; i++)
		if (k->space->d[i].n)
			fprintf(out, "\tstruct lt_runs %s;\n",
			    kernel_runs_name(k, i));
	fputs("};\n\n", out);
}

static void
print_input(struct kernel *k, FILE *out, const struct input *x)
{
	bool half = x->type->dtype == DT_BF16;

	fprintf(out, "\t\tconst %s *p_%s = a->%s + (%s);\n",
	    emit_ctype((enum dtype)x->type->dtype), x->name, x->name,
	    kernel_row_offset(k, x->type));
	if (x->has_cols)
		return;
	fprintf(out, "\t\tconst %s %s = ", x->type->dtype == DT_I32 ?
	    "int32_t" : "float", x->name);
	fprintf(out, half ? "lt_from_bf16(p_%s[0]);\n" : "p_%s[0];\n",
	    x->name);
}

static void
print_pointers(struct kernel *k, FILE *out)
{
	for (int i = 0; i < k->nin; i++)
		print_input(k, out, &k->in[i]);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			fprintf(out, "\t\t%s *p_%s = a->%s + (%s);\n",
			    member_ctype(&k->mem[i]), k->mem[i].name,
			    k->mem[i].name,
			    kernel_row_offset(k, k->mem[i].v->type));
	for (int i = 0; i < k->n; i++)
		if (is_rope(k->op[i]))
			fprintf(out, "\t\tconst float *rope%d = a->rope%d + "
			    "(%s);\n", i, i, kernel_rope_row(k, k->op[i]));
	if (k->flat)
		fprintf(out, "\t\tconst int n = r < ROWS - 1 ? %d : %" PRIu64
		    ";\n", FLAT_COLS, k->cols - (k->rows - 1) * FLAT_COLS);
}

/* Blocks of rows: each has its own partial sums. */
static void
print_blocks(struct kernel *k, FILE *out, const char *row)
{
	fprintf(out, "\tenum { BLOCKS = %" PRIu64 ", WIDTH = %" PRIu64 " };\n\n"
	    "\tfor (long b = part; b < BLOCKS; b += parts) {\n"
	    "\t\tfloat *sums = a->part + b * WIDTH;\n\n"
	    "\t\tmemset(sums, 0, WIDTH * sizeof(float));\n"
	    "\tfor (long r = ROWS * b / BLOCKS; r < ROWS * (b + 1) / BLOCKS; "
	    "r++) {\n", group_blocks(k->rows), k->width);
	for (int i = 0; i < k->nsum; i++)
		fprintf(out, "\t\tfloat *s_%d = sums + %" PRIu64 ";\n", i,
		    k->sum[i].at);
	fputs(row, out);
	fputs("\t}\n\t}\n", out);
}

static void
print_dims(struct kernel *k, FILE *out, int from, int to)
{
	for (int i = from; i < to; i++)
		fprintf(out, "%s%s", i > from ? " " : "",
		    k->space->d[i].name);
}

static void
print_kernel(struct kernel *k, FILE *out, const char *row)
{
	int nrow = k->space->rank - k->ncol;

	emit_comment(k->e, out, "", k->op, k->n);
	print_struct(k, out);
	fprintf(out, "LT_CLONES static void\n"
	    "k%d(void *arg, int part, int parts)\n"
	    "{\n\tconst struct k%d *a = arg;\n\tenum {\n"
	    "\t\tROWS = %" PRIu64 ", /* ", k->id, k->id, k->rows);
	print_dims(k, out, 0, k->flat ? 0 : nrow);
	fprintf(out, " */\n\t\tCOLS = %" PRIu64 " /* ",
	    k->flat ? FLAT_COLS : k->cols);
	print_dims(k, out, nrow, k->space->rank);
	fputs(" */\n\t};\n", out);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].array)
			fprintf(out, "\tfloat a_%s[COLS];\n", k->mem[i].name);
	if (k->nsum)
		print_blocks(k, out, row);
	else
		fprintf(out, "\n\tfor (long r = ROWS * (long)part / parts; "
		    "r < ROWS * (long)(part + 1) / parts; r++) {\n%s\t}\n",
		    row);
	fputs("}\n\n", out);
}

/* ---- its call ---- */

static const char *
scratch_ptr(struct kernel *k)
{
	const struct slot *s = k->op[0]->scratch ?
	    module_slot(k->e->m, k->op[0]->scratch) : NULL;

	if (s)
		return emit_slot_ptr(k->e, s, NULL, DT_F32);
	emit_broken(k->e, k->op[0], "no scratch for sums over rows");
	return "NULL";
}

static const char *
rope_ptr(struct kernel *k, const struct op *op)
{
	const struct slot *s = module_slot(k->e->m,
	    group_rope_slot(k->e->m, op));

	if (s)
		return emit_slot_ptr(k->e, s, NULL, DT_F32);
	emit_broken(k->e, op, "no table of angles");
	return "NULL";
}

static void
print_sums(struct kernel *k)
{
	for (int i = 0; i < k->nsum; i++) {
		const struct op *op = k->sum[i].op;

		emit_line(k->e, "%s%s + %" PRIu64 ", %" PRIu64 ", %" PRIu64
		    ", %" PRIu64 ", %s, %s);", emit_callee(k->e, CALL_COLSUM),
		    scratch_ptr(k),
		    k->sum[i].at, group_blocks(k->rows), k->width,
		    k->sum[i].cols, emit_result_ptr(k->e, op, k->sum[i].out),
		    op->has_target && op->target_add ? "true" : "false");
	}
}

static void
print_call(struct kernel *k)
{
	struct emit *e = k->e;

	emit_line(e, "lt_pool_run(rt->pool, k%d, &(struct k%d){", k->id,
	    k->id);
	for (int i = 0; i < k->nin; i++)
		emit_line(e, "    .%s = %s,", k->in[i].name,
		    emit_arg_ptr(e, &k->in[i].arg));
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			emit_line(e, "    .%s = %s,", k->mem[i].name,
			    emit_result_ptr(e, k->mem[i].op, k->mem[i].v ==
			    k->mem[i].op->out[0] ? 0 : 1));
	if (k->nsum)
		emit_line(e, "    .part = %s,", scratch_ptr(k));
	for (int i = 0; i < k->n; i++)
		if (is_rope(k->op[i]))
			emit_line(e, "    .rope%d = %s,", i,
			    rope_ptr(k, k->op[i]));
	for (int i = 0; kernel_has_dropout(k) && i < k->space->rank; i++)
		if (k->space->d[i].n)
			emit_line(e, "    .%s = %s,", kernel_runs_name(k, i),
			    emit_runs(e, &k->space->d[i]));
	if (kernel_has_dropout(k))
		emit_line(e, "    .rt = rt, .layer = %s,", e->f->index ?
		    emit_mangle(e, "i_", e->f->index) : "0");
	emit_line(e, "});");
	print_sums(k);
}

void
emit_kernel(struct emit *e, struct op *const *op, int n)
{
	struct kernel k = {.e = e, .op = op, .n = n, .id = e->nkernel++,
	    .space = group_space(op[0])};
	char *row = NULL;
	size_t size = 0;

	collect(&k);
	kernel_shape(&k);
	kernel_plan_phases(&k);
	k.row = open_memstream(&row, &size);
	if (!k.row)
		abort();
	print_pointers(&k, k.row);
	kernel_begin_loop(&k);
	for (int i = 0; i < n; i++)
		if (kernel_op_is_map(op[i]))
			kernel_map_op(&k, op[i], i);
		else
			kernel_row_op(&k, op[i], i);
	kernel_end_loop(&k);
	fclose(k.loop);
	free(k.loop_text);
	fclose(k.row);
	print_kernel(&k, e->kernels, row);
	print_call(&k);
	free(row);
}
