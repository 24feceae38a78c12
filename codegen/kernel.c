/* What kernels of all dialects have: operands, results, their struct, sums. */
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

bool
kernel_is_rope(const struct op *op)
{
	return op->code == OP_ROPE || op->code == OP_ROPE_BWD;
}

const char *
kernel_member_ctype(const struct member *t)
{
	bool target = t->op->has_target && t->op->out[0] == t->v;

	return emit_ctype(target ? DT_F32 : (enum dtype)t->v->type->dtype);
}

/* ---- its struct ---- */

void
kernel_print_struct(struct kernel *k, FILE *out)
{
	fprintf(out, "struct %s {\n", k->args);
	for (int i = 0; i < k->nin; i++)
		fprintf(out, "\tconst %s *%s;\n",
		    emit_ctype((enum dtype)k->in[i].type->dtype),
		    k->in[i].name);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			fprintf(out, "\t%s *%s;\n", kernel_member_ctype(&k->mem[i]),
			    k->mem[i].name);
	if (k->nsum)
		fputs("\tfloat *part; /* partial sums over rows */\n", out);
	for (int i = 0; i < k->n; i++)
		if (kernel_is_rope(k->op[i]))
			fprintf(out, "\tconst float *rope%d; "
			    "/* cos, sin by position */\n", i);
	if (kernel_has_dropout(k))
		fprintf(out, "\t%s;\n\tint64_t layer;\n", k->d->clock);
	for (int i = 0; kernel_has_dropout(k) && i < k->space->rank; i++)
		if (k->space->d[i].n)
			fprintf(out, "\tstruct lt_runs %s;\n",
			    kernel_runs_name(k, i));
	fputs("};\n\n", out);
}

const char *
kernel_scratch(struct kernel *k)
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

void
kernel_print_fields(struct kernel *k)
{
	struct emit *e = k->e;

	for (int i = 0; i < k->nin; i++)
		emit_line(e, "    .%s = %s,", k->in[i].name,
		    emit_arg_ptr(e, &k->in[i].arg));
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			emit_line(e, "    .%s = %s,", k->mem[i].name,
			    emit_result_ptr(e, k->mem[i].op, k->mem[i].v ==
			    k->mem[i].op->out[0] ? 0 : 1));
	if (k->nsum)
		emit_line(e, "    .part = %s,", kernel_scratch(k));
	for (int i = 0; i < k->n; i++)
		if (kernel_is_rope(k->op[i]))
			emit_line(e, "    .rope%d = %s,", i,
			    rope_ptr(k, k->op[i]));
	for (int i = 0; kernel_has_dropout(k) && i < k->space->rank; i++)
		if (k->space->d[i].n)
			emit_line(e, "    .%s = %s,", kernel_runs_name(k, i),
			    emit_runs(e, &k->space->d[i]));
	if (kernel_has_dropout(k))
		emit_line(e, "    %s, .layer = %s,", k->d->set_clock,
		    e->f->index ? emit_mangle(e, "i_", e->f->index) : "0");
}

void
kernel_print_sums(struct kernel *k)
{
	for (int i = 0; i < k->nsum; i++) {
		const struct op *op = k->sum[i].op;

		emit_line(k->e, "%s%s + %" PRIu64 ", %" PRIu64 ", %" PRIu64
		    ", %" PRIu64 ", %s, %s);", emit_callee(k->e, CALL_COLSUM),
		    kernel_scratch(k),
		    k->sum[i].at, group_blocks(k->e->m, k->rows, k->cols),
		    k->width, k->sum[i].cols, emit_result_ptr(k->e, op, k->sum[i].out),
		    op->has_target && op->target_add ? "true" : "false");
	}
}

/* ---- its rows ---- */

void
kernel_open(struct kernel *k, struct emit *e, struct op *const *op, int n,
    const struct dialect *d)
{
	*k = (struct kernel){.e = e, .d = d, .op = op, .n = n,
	    .id = e->nkernel++, .loads = "", .stores = "", .space = group_space(op[0])};
	collect(k);
	kernel_shape(k);
	kernel_plan_phases(k);
}

void
kernel_body(struct kernel *k)
{
	kernel_begin_loop(k);
	for (int i = 0; i < k->n; i++)
		if (kernel_op_is_map(k->op[i]))
			kernel_map_op(k, k->op[i], i);
		else
			kernel_row_op(k, k->op[i], i);
	kernel_end_loop(k);
	fclose(k->loop);
	free(k->loop_text);
}
