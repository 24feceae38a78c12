/* Row and map kernels for CPUs: a C function, rows shared by threads. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/kernel.h"

enum { FLAT_COLS = 4096 };

/* ---- in a loop ---- */

static const char *
load(struct kernel *k, const struct input *x, const char *index)
{
	return TEXT(k, x->type->dtype == DT_BF16 ? "lt_from_bf16(p_%s[%s])" :
	    "p_%s[%s]", x->name, index);
}

static const char *
read_input(struct kernel *k, struct input *x)
{
	return load(k, x, "c");
}

static const char *
recall(struct kernel *k, struct member *t)
{
	return TEXT(k, "a_%s[c]", t->name);
}

static const char *
element_at(struct kernel *k, struct member *t, struct input *x,
    const char *index)
{
	return t ? TEXT(k, "a_%s[%s]", t->name, index) : load(k, x, index);
}

/* A target with += adds to what is there. */
static void
store(FILE *out, const struct member *t, const char *index, const char *value)
{
	fprintf(out, "p_%s[%s] %s ", t->name, index,
	    t->op->has_target && t->op->target_add ? "+=" : "=");
	fprintf(out, kernel_stores_half(t) ? "lt_to_bf16(%s);\n" : "%s;\n",
	    value);
}

static void
keep(struct kernel *k, struct member *t)
{
	if (t->array)
		fprintf(k->loop, "\t\t\ta_%s[c] = %s;\n", t->name, t->name);
	if (t->stored) {
		fputs("\t\t\t", k->loop);
		store(k->loop, t, "c", t->name);
	}
}

static void
store_row(struct kernel *k, struct member *t, const char *value)
{
	fputs("\t\t", k->row);
	store(k->row, t, "0", value);
}

static void
finish_loop(struct kernel *k)
{
	fprintf(k->row, "\t\t#pragma omp simd%s\n"
	    "\t\tfor (int c = 0; c < %s; c++) {\n%s\t\t}\n", k->reductions,
	    k->flat ? "n" : "COLS", k->loop_text);
}

static void
reduce(struct kernel *k, const char *op, const char *name, const char *first)
{
	fprintf(k->row, "\t\tfloat %s = %s;\n", name, first);
	k->reductions = TEXT(k, "%s reduction(%s:%s)", k->reductions, op,
	    name);
}

static void
add_sum(struct kernel *k, int i, bool all, const char *expr)
{
	fprintf(all ? k->row : k->loop, "%ss_%d[%s] += %s;\n",
	    all ? "\t\t" : "\t\t\t", i, all ? "0" : "c", expr);
}

/* Pairs (c, c + half) or (2c, 2c + 1), angle from the table's row. */
static void
rope(struct kernel *k, const struct op *op, int id)
{
	struct member *y = kernel_member(k, op, 0);
	bool half = op_int(op, ATTR_STYLE) == 0;
	const char *at[2] = {half ? "c" : "2 * c",
	    half ? "c + COLS / 2" : "2 * c + 1"};

	fprintf(k->row, "\t\t#pragma omp simd\n"
	    "\t\tfor (int c = 0; c < COLS / 2; c++) {\n"
	    "\t\t\tconst float u0 = %s, u1 = %s;\n",
	    kernel_element_at(k, &op->in[0], at[0]),
	    kernel_element_at(k, &op->in[0], at[1]));
	fprintf(k->row, "\t\t\tconst float co = rope%d[c], si = %s"
	    "rope%d[COLS / 2 + c];\n\t\t\tconst float y0 = u0 * co - u1 * si;"
	    "\n\t\t\tconst float y1 = u1 * co + u0 * si;\n", id,
	    op->code == OP_ROPE ? "" : "-", id);
	for (int i = 0; i < 2; i++) {
		if (y->array)
			fprintf(k->row, "\t\t\ta_%s[%s] = y%d;\n", y->name,
			    at[i], i);
		if (!y->stored)
			continue;
		fputs("\t\t\t", k->row);
		store(k->row, y, at[i], i ? "y1" : "y0");
	}
	fputs("\t\t}\n", k->row);
}

const struct dialect kernel_c = {
	.args = "a->",
	.flat_cols = FLAT_COLS,
	.read = read_input,
	.recall = recall,
	.element_at = element_at,
	.keep = keep,
	.store_row = store_row,
	.finish_loop = finish_loop,
	.reduce = reduce,
	.add_sum = add_sum,
	.rope = rope,
	.clock = "struct lt *rt",
	.set_clock = ".rt = rt",
	.step = "a->rt->step",
	.seed = "a->rt->seed",
	.micro = "a->rt->micro",
	.training = "a->rt->training",
};

/* ---- around it ---- */

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
			    kernel_member_ctype(&k->mem[i]), k->mem[i].name,
			    k->mem[i].name,
			    kernel_row_offset(k, k->mem[i].v->type));
	for (int i = 0; i < k->n; i++)
		if (kernel_is_rope(k->op[i]))
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
	    "r++) {\n", group_blocks(k->e->m, k->rows, k->cols), k->width);
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
	kernel_print_struct(k, out);
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

void
emit_kernel(struct emit *e, struct op *const *op, int n)
{
	struct kernel k;
	char *row = NULL;
	size_t size = 0;

	kernel_open(&k, e, op, n, &kernel_c);
	k.args = TEXT(&k, "k%d", k.id);
	k.row = open_memstream(&row, &size);
	if (!k.row)
		abort();
	print_pointers(&k, k.row);
	kernel_body(&k);
	fclose(k.row);
	print_kernel(&k, e->kernels, row);
	free(row);
	emit_line(e, "lt_pool_run(rt->pool, k%d, &(struct k%d){", k.id, k.id);
	kernel_print_fields(&k);
	emit_line(e, "});");
	kernel_print_sums(&k);
}
