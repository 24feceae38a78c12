/*
 * Row and map kernels for GPUs: CUDA C++ over codegen/kernels/fused.cuh.
 *
 *	for each piece i of this thread        c0 = (i * LANES + lane) * V
 *		lt_load(x_v, i * V, p_x + c0)
 *		for each column j of it        c = c0 + j, e = i * V + j
 *			const float t = ..
 *			t_o[j] = t
 *		lt_store(p_t + c0, t_o)
 *	lt_row_sum<LANES>(scratch, q)
 *
 * Rows too wide for registers keep arrays in shared memory, sums over rows in
 * the partial sums themselves, and read their operands again in each loop.
 */
#include "config.h"

#include "codegen/kernel_cuda.h"

#include <inttypes.h>
#include <string.h>

static const struct kernel_grid *
grid(const struct kernel *k)
{
	return &k->grid;
}

static const char *
ctype(const struct input *x)
{
	return emit_ctype((enum dtype)x->type->dtype);
}

/* Is an array read by other threads than wrote it? */
static bool
in_memory(const struct kernel *k, const struct member *t)
{
	return t->shared || grid(k)->wide;
}

/* ---- in a loop ---- */

static const char *
read_input(struct kernel *k, struct input *x)
{
	if (grid(k)->wide) {
		k->loads = TEXT(k, "%s\t\t\tlt_regs<%s, V, V> %s_v;\n\n"
		    "\t\t\tlt_load(%s_v, 0, p_%s + c0);\n", k->loads, ctype(x),
		    x->name, x->name, x->name);
		return TEXT(k, "lt_at(%s_v, j)", x->name);
	}
	if (!x->loaded) {
		x->loaded = true;
		fprintf(k->row, "\t\tlt_regs<%s, V, EACH * V> %s_v;\n",
		    ctype(x), x->name);
		k->loads = TEXT(k, "%s\t\t\tlt_load(%s_v, i * V, p_%s + c0);\n",
		    k->loads, x->name, x->name);
	}
	return TEXT(k, "lt_at(%s_v, e)", x->name);
}

static const char *
recall(struct kernel *k, struct member *t)
{
	return TEXT(k, in_memory(k, t) ? "lk_lds<float>(a_%s + 4 * c)" :
	    "a_%s[e]", t->name);
}

static const char *
element_at(struct kernel *k, struct member *t, struct input *x,
    const char *index)
{
	return t ? TEXT(k, "lk_lds<float>(a_%s + 4 * (%s))", t->name, index) :
	    TEXT(k, "lt_get(p_%s + (%s))", x->name, index);
}

static bool
adds(const struct member *t)
{
	return t->op->has_target && t->op->out[0] == t->v &&
	    t->op->target_add;
}

static void
keep(struct kernel *k, struct member *t)
{
	if (t->array)
		fprintf(k->loop, in_memory(k, t) ?
		    "\t\t\tlk_sts(a_%s + 4 * c, %s);\n" :
		    "\t\t\ta_%s[e] = %s;\n", t->name, t->name);
	if (!t->stored)
		return;
	fprintf(k->loop, "\t\t\t%s_o[j] = %s;\n", t->name, t->name);
	k->loads = TEXT(k, "%s\t\t\tfloat %s_o[V];\n", k->loads, t->name);
	k->stores = TEXT(k, "%s\t\t\tlt_%s(p_%s + c0, %s_o);\n", k->stores,
	    adds(t) ? "add" : "store", t->name, t->name);
}

static void
store_row(struct kernel *k, struct member *t, const char *value)
{
	fprintf(k->row, "\t\tif (lane == 0%s)\n\t\t\tlt_put(p_%s, ",
	    k->may_be_idle ? " && live" : "", t->name);
	if (adds(t))
		fprintf(k->row, "lt_get(p_%s) + ", t->name);
	fprintf(k->row, "%s);\n", value);
}

static void
reduce(struct kernel *k, const char *op, const char *name, const char *first)
{
	bool max = strcmp(op, "max") == 0;

	fprintf(k->row, "\t\tfloat %s = %s;\n", name, first);
	if (*k->reductions && max != k->reduces_max)
		emit_broken(k->e, k->op[0], "sums and maxima in one loop");
	k->reduces_max = max;
	k->reductions = TEXT(k, "%s, %s", k->reductions, name);
}

/* One call for all of a loop, whose values share a barrier. */
static void
print_reductions(struct kernel *k)
{
	if (*k->reductions)
		fprintf(k->row, "\t\tlt_row_%s<LANES>(scratch%s);\n",
		    k->reduces_max ? "max" : "sum", k->reductions);
}

static void
add_sum(struct kernel *k, int i, bool all, const char *expr)
{
	if (all)
		fprintf(k->row, "\t\t%ss_%d += %s;\n",
		    k->may_be_idle ? "if (live) " : "", i, expr);
	else
		fprintf(k->loop, "\t\t\ts_%d[%s] += %s;\n", i,
		    grid(k)->wide ? "c" : "e", expr);
}

/* One tab more for each line. */
static void
print_deeper(FILE *out, const char *text)
{
	for (const char *end; *text; text = end) {
		end = strchr(text, '\n');
		end = end ? end + 1 : text + strlen(text);
		fprintf(out, "\t%.*s", (int)(end - text), text);
	}
}

/* Pieces of this thread in columns 0..most-1, V (or W) in each. */
static void
begin_pieces(struct kernel *k, const char *each, const char *vec,
    const char *most, bool exact)
{
	const char *idle = k->may_be_idle ? "!live" : "";
	const char *beyond = exact ? "" : TEXT(k, "c0 >= %s", most);

	fprintf(k->row, "%s\t\tfor (int i = 0; i < %s; i++) {\n"
	    "\t\t\tconst int c0 = (i * LANES + lane) * %s;\n\n",
	    grid(k)->wide ? "" : "\t\tLK_UNROLL\n", each, vec);
	if (*idle || *beyond)
		fprintf(k->row, "\t\t\tif (%s%s%s)\n\t\t\t\tcontinue;\n", idle,
		    *idle && *beyond ? " || " : "", beyond);
}

/* Did this loop write what other threads read? */
static bool
wrote_shared(const struct kernel *k)
{
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].shared && k->mem[i].def_phase == k->phase)
			return true;
	return false;
}

static void
finish_loop(struct kernel *k)
{
	begin_pieces(k, "EACH", "V", k->flat ? "n" : "COLS",
	    grid(k)->exact && !k->flat);
	fprintf(k->row, "%s\t\t\tLK_UNROLL\n"
	    "\t\t\tfor (int j = 0; j < V; j++) {\n"
	    "\t\t\t\t[[maybe_unused]] const int c = c0 + j, e = i * V + j;\n\n",
	    k->loads);
	print_deeper(k->row, k->loop_text);
	fprintf(k->row, "\t\t\t}\n%s\t\t}\n", k->stores);
	print_reductions(k);
	if (wrote_shared(k))
		fputs("\t\tlt_row_sync<LANES>();\n", k->row);
	k->loads = k->stores = "";
}

/* ---- rope: pairs (c, c + half) or (2c, 2c + 1) ---- */

struct pairs {
	const char *lo, *hi;   /* columns of the W elements of each half */
	const char *first, *second; /* of pair j among the 2 W elements */
	const char *at[2];     /* columns of pair j */
};

static const struct pairs halves = {"c0", "COLS / 2 + c0", "j", "W + j",
	{"c0 + j", "COLS / 2 + c0 + j"}};
static const struct pairs neighbours = {"2 * c0", "2 * c0 + W", "2 * j",
	"2 * j + 1", {"2 * (c0 + j)", "2 * (c0 + j) + 1"}};

static void
rope_operand(struct kernel *k, const struct op *op, const struct pairs *p)
{
	const struct input *x = kernel_input(k, &op->in[0]);

	if (!x)
		return;
	fprintf(k->row, "\t\t\tlt_regs<%s, W, 2 * W> u;\n\n"
	    "\t\t\tlt_load(u, 0, p_%s + %s);\n"
	    "\t\t\tlt_load(u, W, p_%s + %s);\n", ctype(x), x->name, p->lo,
	    x->name, p->hi);
}

static const char *
rope_element(struct kernel *k, const struct op *op, const struct pairs *p,
    int i)
{
	return kernel_input(k, &op->in[0]) ?
	    TEXT(k, "lt_at(u, %s)", i ? p->second : p->first) :
	    kernel_element_at(k, &op->in[0], p->at[i]);
}

static void
rope_pair(struct kernel *k, const struct op *op, int id,
    const struct pairs *p, const struct member *y)
{
	fprintf(k->row, "\t\t\tLK_UNROLL\n"
	    "\t\t\tfor (int j = 0; j < W; j++) {\n"
	    "\t\t\t\tconst float u0 = %s, u1 = %s;\n"
	    "\t\t\t\tconst float co = lt_at(angle%d, j);\n"
	    "\t\t\t\tconst float si = %slt_at(angle%d, W + j);\n\n"
	    "\t\t\t\ty[%s] = u0 * co - u1 * si;\n"
	    "\t\t\t\ty[%s] = u1 * co + u0 * si;\n",
	    rope_element(k, op, p, 0), rope_element(k, op, p, 1), id,
	    op->code == OP_ROPE ? "" : "-", id, p->first, p->second);
	for (int i = 0; y->array && i < 2; i++)
		fprintf(k->row, "\t\t\t\tlk_sts(a_%s + 4 * (%s), y[%s]);\n",
		    y->name, p->at[i], i ? p->second : p->first);
	fputs("\t\t\t}\n", k->row);
}

static void
rope(struct kernel *k, const struct op *op, int id)
{
	struct member *y = kernel_member(k, op, 0);
	const struct pairs *p = op_int(op, ATTR_STYLE) == 0 ? &halves :
	    &neighbours;
	int w = kernel_grid_vec(k->cols / 2);
	uint64_t pieces = k->cols / 2 / (uint64_t)w;
	uint64_t each = (pieces + (uint64_t)grid(k)->lanes - 1) /
	    (uint64_t)grid(k)->lanes;

	fputs("\t\t{\n", k->row);
	fprintf(k->row, "\t\tenum { W = %d };\n", w);
	begin_pieces(k, TEXT(k, "%" PRIu64, each), "W", "COLS / 2", false);
	fprintf(k->row, "\t\t\tlt_regs<float, W, 2 * W> angle%d;\n"
	    "\t\t\tfloat y[2 * W];\n", id);
	rope_operand(k, op, p);
	fprintf(k->row, "\t\t\tlt_load(angle%d, 0, rope%d + c0);\n"
	    "\t\t\tlt_load(angle%d, W, rope%d + COLS / 2 + c0);\n", id, id,
	    id, id);
	rope_pair(k, op, id, p, y);
	if (y->stored)
		fprintf(k->row, "\t\t\tlt_%s2<W>(p_%s + %s, p_%s + %s, y);\n",
		    adds(y) ? "add" : "store", y->name, p->lo, y->name, p->hi);
	fputs("\t\t}\n\t\t}\n", k->row);
	if (y->array)
		fputs("\t\tlt_row_sync<LANES>();\n", k->row);
}

const struct dialect kernel_cuda = {
	.args = "a.",
	.flat_cols = KERNEL_FLAT_COLS,
	.read = read_input,
	.recall = recall,
	.element_at = element_at,
	.keep = keep,
	.store_row = store_row,
	.finish_loop = finish_loop,
	.reduce = reduce,
	.add_sum = add_sum,
	.rope = rope,
	.clock = "const struct lk_step *now;\n\tint64_t micro;\n"
	    "\tint32_t training",
	.set_clock = ".now = lt_gpu_step(rt), .micro = rt->micro, "
	    ".training = rt->training",
	.step = "a.now->step",
	.seed = "a.now->seed",
	.micro = "a.micro",
	.training = "a.training",
};
