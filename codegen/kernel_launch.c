/* A CUDA kernel around the loops of its rows, and the host's launch of it. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda.h"
#include "codegen/host.h"
#include "codegen/kernel_cuda.h"
#include "ir/group.h"

/* Two of LT_SCRATCH_HALF (fused.cuh), where warps leave their sums; what blocks
 * of all GPUs may have (sm_80). */
enum { SCRATCH = 2 * 256, SHARED_MAX = 160 * 1024 };

/* ---- shape ---- */

static struct kernel_grid
flat_grid(const struct kernel *k)
{
	struct kernel_grid g = {.lanes = 256, .threads = 256, .rows = 1};

	g.vec = kernel_grid_vec(k->cols);
	g.each = KERNEL_FLAT_COLS / (uint64_t)(g.lanes * g.vec);
	return g;
}

/* Arrays that other threads read than wrote them. */
static void
find_shared(struct kernel *k)
{
	for (int i = 0; i < k->n; i++) {
		const struct op *op = k->op[i];
		bool rope = kernel_is_rope(op);

		for (int j = 0; j < k->nmem; j++) {
			struct member *t = &k->mem[j];

			t->shared |= t->array &&
			    ((rope && t->v == op->out[0]) ||
			    ((rope || op->code == OP_XENT) &&
			    op->in[0].kind == ARG_VALUE &&
			    op->in[0].v == t->v));
		}
	}
}

static uint64_t
partials(const struct kernel *k)
{
	return group_blocks(k->e->m, k->rows, k->cols);
}

static uint64_t
blocks(const struct kernel *k)
{
	uint64_t n = k->nsum ? partials(k) : k->rows, rows =
	    (uint64_t)k->grid.rows;

	return (n + rows - 1) / rows;
}

/* Bytes of shared memory; arrays follow the scratch. */
static uint64_t
shared(const struct kernel *k)
{
	uint64_t n = k->grid.lanes > 32 ? SCRATCH : 0;

	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].array && (k->mem[i].shared || k->grid.wide))
			n += k->cols * (uint64_t)k->grid.rows * sizeof(float);
	return n;
}

static const char *
kernel_name(struct kernel *k)
{
	const char *s = TEXT(k, "k%d", k->id);

	for (int i = 0; i < k->n && i < 3; i++)
		s = TEXT(k, "%s_%s", s, op_info[k->op[i]->code].name);
	return emit_mangle(k->e, "", s);
}

static void
choose_grid(struct kernel *k)
{
	k->grid = k->flat ? flat_grid(k) : kernel_grid_choose(k->cols);
	k->may_be_idle = k->grid.rows > 1 &&
	    (k->nsum || k->rows % (uint64_t)k->grid.rows);
	find_shared(k);
	k->name = kernel_name(k);
	k->args = TEXT(k, "%s_args", k->name);
}

/* ---- text ---- */

static void
print_input(struct kernel *k, const struct input *x)
{
	fprintf(k->row, "\t\tconst %s *p_%s = a.%s + (%s);\n",
	    emit_ctype((enum dtype)x->type->dtype), x->name, x->name,
	    kernel_row_offset(k, x->type));
	if (x->has_cols)
		return;
	fprintf(k->row, x->type->dtype == DT_I32 ?
	    "\t\tconst int32_t %s = *p_%s;\n" :
	    "\t\tconst float %s = lt_get(p_%s);\n", x->name, x->name);
}

static void
print_pointers(struct kernel *k)
{
	for (int i = 0; i < k->nin; i++)
		print_input(k, &k->in[i]);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			fprintf(k->row, "\t\t%s *p_%s = a.%s + (%s);\n",
			    kernel_member_ctype(&k->mem[i]), k->mem[i].name,
			    k->mem[i].name,
			    kernel_row_offset(k, k->mem[i].v->type));
	for (int i = 0; i < k->n; i++)
		if (kernel_is_rope(k->op[i]))
			fprintf(k->row, "\t\tconst float *rope%d = a.rope%d + "
			    "(%s);\n", i, i, kernel_rope_row(k, k->op[i]));
	if (k->flat)
		fprintf(k->row, "\t\tconst int n = r < ROWS - 1 ? COLS : %"
		    PRIu64 ";\n", k->cols - (k->rows - 1) * KERNEL_FLAT_COLS);
}

static void
print_arrays(struct kernel *k, FILE *out)
{
	int n = 0;

	for (int i = 0; i < k->nmem; i++) {
		const struct member *t = &k->mem[i];

		if (!t->array)
			continue;
		if (t->shared || k->grid.wide)
			fprintf(out, "\tconst u32 a_%s = scratch + %d + "
			    "(%d * PER_BLOCK + threadIdx.x / LANES) * COLS * "
			    "4;\n", t->name, k->grid.lanes > 32 ? SCRATCH : 0,
			    n++);
		else
			fprintf(out, "\tfloat a_%s[EACH * V];\n", t->name);
	}
}

static void
print_dims(struct kernel *k, FILE *out, int from, int to)
{
	for (int i = from; i < to; i++)
		fprintf(out, "%s%s", i > from ? " " : "",
		    k->space->d[i].name);
}

static void
print_constants(struct kernel *k, FILE *out)
{
	int nrow = k->space->rank - k->ncol;

	fprintf(out, "\tenum : long {\n\t\tROWS = %" PRIu64 ", /* ", k->rows);
	print_dims(k, out, 0, k->flat ? 0 : nrow);
	fputs(" */\n\t};\n", out);
	fprintf(out, "\tenum {\n\t\tCOLS = %" PRIu64 ", /* ",
	    k->flat ? KERNEL_FLAT_COLS : k->cols);
	print_dims(k, out, nrow, k->space->rank);
	fprintf(out, " */\n\t\tV = %d, LANES = %d, EACH = %" PRIu64
	    ", PER_BLOCK = %d\n\t};\n", k->grid.vec, k->grid.lanes,
	    k->grid.each, k->grid.rows);
	if (shared(k))
		fputs("\tLK_DYN_SMEM(smem);\n"
		    "\t[[maybe_unused]] u32 scratch = lk_saddr(smem);\n",
		    out);
	else
		fputs("\t[[maybe_unused]] u32 scratch = 0;\n", out);
	fputs("\tconst int lane = (int)threadIdx.x % LANES;\n", out);
}

/* Row r of those without sums over rows: one for each LANES threads. */
static void
print_row(struct kernel *k, FILE *out, const char *row)
{
	fprintf(out, "\t[[maybe_unused]] const long %s = (long)blockIdx.x * PER_BLOCK + "
	    "threadIdx.x / LANES;\n", k->may_be_idle ? "at" : "r");
	if (k->may_be_idle)
		fputs("\tconst bool live = at < ROWS;\n"
		    "\t[[maybe_unused]] const long r = live ? at : ROWS - 1;\n", out);
	fprintf(out, "\n\t{\n%s\t}\n", row);
}

static void
begin_sums(struct kernel *k, FILE *out)
{
	for (int i = 0; i < k->nsum; i++) {
		bool all = group_result(k->sum[i].op, k->sum[i].out) ==
		    RESULT_ALL;

		if (all)
			fprintf(out, "\tfloat s_%d = 0;\n", i);
		else if (!k->grid.wide)
			fprintf(out, "\tfloat s_%d[EACH * V] = {};\n", i);
		else
			fprintf(out, "\tfloat *s_%d = a.part + b * WIDTH + %"
			    PRIu64 ";\n\n\tfor (int c = lane * V; c < COLS; "
			    "c += LANES * V)\n\t\tfor (int j = 0; j < V; j++)"
			    "\n\t\t\ts_%d[c + j] = 0;\n", i, k->sum[i].at, i);
	}
}

static void
end_sum(struct kernel *k, FILE *out, int i)
{
	bool all = group_result(k->sum[i].op, k->sum[i].out) == RESULT_ALL;
	const char *to = TEXT(k, "a.part + b * WIDTH + %" PRIu64,
	    k->sum[i].at);

	if (all)
		fprintf(out, "\tif (lane == 0 && b < BLOCKS)\n"
		    "\t\tlt_put(%s, s_%d);\n", to, i);
	else if (!k->grid.wide)
		fprintf(out, "\tLK_UNROLL\n"
		    "\tfor (int e = 0; e < EACH * V; e++) {\n"
		    "\t\tconst int c = (e / V * LANES + lane) * V + e %% V;\n\n"
		    "\t\tif (c < COLS && b < BLOCKS)\n"
		    "\t\t\tlt_put(%s + c, s_%d[e]);\n\t}\n", to, i);
}

/* Block b of rows has its partial sums; all of a warp come to each row. */
static void
print_rows(struct kernel *k, FILE *out, const char *row)
{
	bool shares = false;

	for (int i = 0; i < k->nmem; i++)
		shares |= k->mem[i].shared;
	fprintf(out, "\tenum { BLOCKS = %" PRIu64 ", WIDTH = %" PRIu64
	    ", MOST = (ROWS + BLOCKS - 1) / BLOCKS };\n"
	    "\tconst long b = (long)blockIdx.x * PER_BLOCK + "
	    "threadIdx.x / LANES;\n"
	    "\tconst long lo = ROWS * b / BLOCKS;\n"
	    "\tconst long hi = ROWS * (b + 1) / BLOCKS;\n", partials(k),
	    k->width);
	begin_sums(k, out);
	if (k->may_be_idle)
		fputs("\n\tfor (long at = lo; at < lo + MOST; at++) {\n"
		    "\t\tconst bool live = b < BLOCKS && at < hi;\n"
		    "\t\t[[maybe_unused]] const long r = live ? at : 0;\n\n", out);
	else
		fputs("\n\tfor (long r = lo; r < hi; r++) {\n", out);
	if (shares)
		fputs("\t\tlt_row_sync<LANES>();\n", out);
	fprintf(out, "%s\t}\n", row);
	for (int i = 0; i < k->nsum; i++)
		end_sum(k, out, i);
}

static char *
body_text(struct kernel *k, const char *row)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	print_constants(k, out);
	print_arrays(k, out);
	(k->nsum ? print_rows : print_row)(k, out, row);
	fclose(out);
	return text;
}

static void
print_kernel(struct kernel *k, const char *args, const char *body)
{
	FILE *out = k->e->device;

	emit_comment(k->e, out, "", k->op, k->n);
	fputs(args, out);
	fprintf(out, "LK_KERNEL(%s, %d, 1, struct %s)\n{\n%s}\n\n", k->name,
	    k->grid.threads, k->args, body);
}

static char *
struct_text(struct kernel *k)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	kernel_print_struct(k, f);
	fclose(f);
	return text;
}

static char *
row_text(struct kernel *k)
{
	char *text = NULL;
	size_t size = 0;

	k->row = open_memstream(&text, &size);
	if (!k->row)
		abort();
	print_pointers(k);
	kernel_body(k);
	fclose(k->row);
	return text;
}

/* ---- kernels that are the same ---- */

/* All of a kernel but its names: two groups with one shape have one kernel, as
 * forward has and what backward computes again. */
struct cuda_shape {
	struct cuda_shape *next;
	const char *text;
	int entry;
};

static const char *
shape_text(struct kernel *k, const char *args, const char *body)
{
	size_t n = strcspn(args, "\n"), fields = strlen(args) - n;
	size_t rest = strlen(body);
	char *s = NEW_N(k->e->m->mem, char, 32 + fields + rest + 1);
	int head = snprintf(s, 32, "%d %u", k->grid.threads,
	    (unsigned)shared(k));

	memcpy(s + head, args + n, fields);
	memcpy(s + head + fields, body, rest + 1);
	return s;
}

static int
find_entry(const struct emit *e, const char *shape)
{
	const struct cuda_shape *x = e->shapes;

	while (x && strcmp(x->text, shape) != 0)
		x = x->next;
	return x ? x->entry : -1;
}

/* Of operands and results, once each.  Sums over rows and what is added to are
 * not counted twice. */
static uint64_t
moved(const struct kernel *k)
{
	const struct module *m = k->e->m;
	uint64_t n = k->nsum ? partials(k) * k->width * sizeof(float) : 0;

	for (int i = 0; i < k->nin; i++)
		n += type_local_bytes(m, k->in[i].type);
	for (int i = 0; i < k->nmem; i++) {
		const struct member *t = &k->mem[i];

		if (t->stored)
			n += type_local_bytes(m, t->v->type) /
			    dtype_size[t->v->type->dtype] *
			    (kernel_stores_half(t) ? 2 : 4);
	}
	return n;
}

static int
add_entry(struct kernel *k, const char *shape)
{
	struct emit *e = k->e;
	struct cuda_shape *x = NEW_N(e->m->mem, struct cuda_shape, 1);

	*x = (struct cuda_shape){e->shapes, shape, emit_cuda_entry(e, k->name,
	    (unsigned)k->grid.threads, (unsigned)shared(k),
	    TEXT(k, "struct %s", k->args), k->op[0])};
	e->shapes = x;
	e->entry[x->entry].bytes = moved(k);
	return x->entry;
}

static void
launch(struct kernel *k, int id)
{
	struct emit *e = k->e;

	emit_cuda_launch(e, id, blocks(k));
	kernel_print_fields(k);
	emit_line(e, "});");
	kernel_print_sums(k);
}

void
emit_cuda_kernel(struct emit *e, struct op *const *op, int n)
{
	struct kernel k;
	char *row, *args, *body;
	const char *shape;
	int id;

	kernel_open(&k, e, op, n, &kernel_cuda);
	choose_grid(&k);
	if (shared(&k) > SHARED_MAX || blocks(&k) > INT32_MAX)
		emit_broken(e, op[0], "%" PRIu64 " rows of %" PRIu64
		    " elements are too many for a kernel", k.rows, k.cols);
	row = row_text(&k);
	args = struct_text(&k);
	body = body_text(&k, row);
	shape = shape_text(&k, args, body);
	id = find_entry(e, shape);
	if (id < 0) {
		id = add_entry(&k, shape);
		fputs(args, e->kernels);
		print_kernel(&k, args, body);
	}
	launch(&k, id);
	free(args);
	free(body);
	free(row);
}
