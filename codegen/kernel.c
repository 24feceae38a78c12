/*
 * Row and map kernels: one C function per fusion group.
 *
 *   a group                              its kernel
 *   y = add x, p : f32[b,s,e]            for each row of [b,s]:
 *   n = rmsnorm y, w : f32[b,s,e]          loop 0: t = x + p; y = t; q += t * t
 *                                          r = 1 / sqrt(q / e + eps)
 *                                          loop 1: n = t * r * w
 *
 * The dims of a group are rows (outer) and columns (inner).  A reduction over
 * the columns ends a loop ("phase"); what a later phase reads again sits in an
 * array of one row, in cache.  Sums over rows (gradients of norm weights) go
 * to one partial per block of rows and are added in block order afterwards:
 * the same bits for any number of threads.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit.h"
#include "ir/group.h"

enum { MAX_INPUTS = 24, MAX_COLSUMS = 8, FLAT_COLS = 4096 };

struct input {
	struct arg arg;
	const struct type *type;
	char name[8];      /* "x3" */
	bool has_cols;
	int declared;      /* phase that declared its element, or -1 */
};

struct member { /* a value the group defines */
	const struct value *v;
	char name[8];      /* "t3" */
	int def_phase, last_phase;
	bool stored;       /* written to memory */
	bool array;        /* kept for a later phase */
	bool per_row;      /* one element a row: attn.delta */
	int declared;
};

struct kernel {
	struct emit *e;
	struct op *const *op;
	int n;
	const struct type *space;
	int ncol;
	uint64_t rows, cols;
	bool flat;
	int phase;
	struct input in[MAX_INPUTS];
	int nin;
	struct member mem[MAX_INPUTS];
	int nmem;
	struct op *colsum_op[MAX_COLSUMS];
	int colsum_out[MAX_COLSUMS];
	uint64_t colsum_cols[MAX_COLSUMS];
	int ncolsum;
	bool needs_index;  /* decode row indices */
	FILE *row;         /* body of one row */
	FILE *loop;        /* body of the current column loop */
	char *loop_text;
	size_t loop_size;
	char reductions[256];
	bool loop_used;
};

/* ---- what an op's iteration space and columns are ---- */

static uint64_t
dim_size(const struct kernel *k, int i)
{
	return dim_local_size(k->e->m, &k->space->d[i]);
}

/* ---- lookup ---- */

static struct member *
find_member(struct kernel *k, const struct value *v)
{
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].v == v)
			return &k->mem[i];
	return NULL;
}

static bool
same_arg(const struct arg *a, const struct arg *b)
{
	return a->kind == b->kind && a->v == b->v && a->b == b->b &&
	    a->field == b->field;
}

static struct input *
find_input(struct kernel *k, const struct arg *a)
{
	for (int i = 0; i < k->nin; i++)
		if (same_arg(&k->in[i].arg, a))
			return &k->in[i];
	return NULL;
}

static bool
is_const(const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->def &&
	    a->v->def->code == OP_CONST;
}

/* Does t end with the last ncol dims of the space (1), or have none (0)? */
static int
covers_cols(const struct kernel *k, const struct type *t, int ncol)
{
	int have = 0;

	for (int i = k->space->rank - ncol; i < k->space->rank; i++)
		have += type_find(t, k->space->d[i].name) >= 0;
	if (have == 0)
		return 0;
	return have == ncol ? 1 : -1;
}

static bool
cols_fit(const struct kernel *k, int ncol)
{
	for (int i = 0; i < k->nin; i++)
		if (covers_cols(k, k->in[i].type, ncol) < 0)
			return false;
	for (int i = 0; i < k->nmem; i++)
		if (!k->mem[i].per_row &&
		    covers_cols(k, k->mem[i].v->type, ncol) < 0)
			return false;
	return true;
}

/* ---- collecting ---- */

static bool
used_outside(const struct kernel *k, const struct value *v)
{
	return group_used_outside(k->e->f, v, k->op, k->n);
}

static void
add_member(struct kernel *k, const struct value *v)
{
	struct member *t = &k->mem[k->nmem];

	*t = (struct member){.v = v, .declared = -1};
	snprintf(t->name, sizeof t->name, "t%d", k->nmem++);
	t->stored = used_outside(k, v);
}

static void
collect(struct kernel *k)
{
	for (int i = 0; i < k->n; i++) {
		const struct op *op = k->op[i];

		for (int j = 0; j < op->nin; j++) {
			const struct arg *a = &op->in[j];

			if (is_const(a) || find_input(k, a) ||
			    (a->kind == ARG_VALUE && find_member(k, a->v)))
				continue;
			k->in[k->nin] = (struct input){.arg = *a,
			    .type = arg_type(k->e->m, a), .declared = -1};
			snprintf(k->in[k->nin].name, 8, "x%d", k->nin);
			k->nin++;
		}
		for (int j = 0; j < op->nout; j++) {
			bool sum = (op->code == OP_RMSNORM_BWD ||
			    op->code == OP_LAYERNORM_BWD) ? j > 0 :
			    op->code == OP_XENT;

			if (sum) {
				k->colsum_op[k->ncolsum] = k->op[i];
				k->colsum_out[k->ncolsum++] = j;
				continue;
			}
			add_member(k, op->out[j]);
			if (op->code == OP_ATTN_DELTA)
				k->mem[k->nmem - 1].per_row = true;
		}
	}
}

static void
choose_cols(struct kernel *k)
{
	int need = 0;
	uint64_t rows = 1, cols = 1;

	for (int i = 0; i < k->n; i++) {
		int c = group_cols(k->e->m, k->op[i]);

		need = c > need ? c : need;
	}
	if (!need) {
		need = k->space->rank;
		while (need > 0 && !cols_fit(k, need))
			need--;
	}
	k->ncol = need;
	for (int i = 0; i < k->space->rank; i++)
		if (i < k->space->rank - need)
			rows *= dim_size(k, i);
		else
			cols *= dim_size(k, i);
	k->rows = rows;
	k->cols = cols;
	if (rows == 1 && cols > FLAT_COLS) {
		bool row_op = false;

		for (int i = 0; i < k->n; i++)
			row_op |= group_is_row(k->op[i]);
		if (!row_op) {
			k->flat = true;
			k->rows = (cols + FLAT_COLS - 1) / FLAT_COLS;
		}
	}
	for (int i = 0; i < k->nin; i++)
		k->in[i].has_cols = k->in[i].type->rank &&
		    covers_cols(k, k->in[i].type, need) == 1 && need > 0;
}

/* ---- phases: where values are made and last read ---- */

static int
phases_of(const struct op *op) /* loops before the result exists */
{
	switch (op->code) {
	case OP_RMSNORM:
	case OP_RMSNORM_BWD:
	case OP_SOFTMAX_BWD:
		return 1;
	case OP_LAYERNORM:
		return 2;
	case OP_LAYERNORM_BWD:
		return 3;
	case OP_SOFTMAX:
	case OP_XENT:
	case OP_XENT_BWD:
		return 2;
	case OP_ATTN_DELTA:
		return 1;
	case OP_ROPE:
	case OP_ROPE_BWD:
		return 1;
	default:
		return 0;
	}
}

static void
touch(struct kernel *k, const struct arg *a, int phase)
{
	struct member *t = a->kind == ARG_VALUE ? find_member(k, a->v) : NULL;

	if (t && phase > t->last_phase)
		t->last_phase = phase;
}

static void
plan_phases(struct kernel *k)
{
	int p = 0;

	for (int i = 0; i < k->n; i++) {
		const struct op *op = k->op[i];
		int more = phases_of(op);

		for (int j = 0; j < op->nin; j++)
			touch(k, &op->in[j], p + more);
		p += more;
		for (int j = 0; j < op->nout; j++) {
			struct member *t = find_member(k, op->out[j]);

			if (t)
				t->def_phase = t->last_phase = p;
		}
		/* rope writes its own loop: what follows is a new one */
		if (op->code == OP_ROPE || op->code == OP_ROPE_BWD)
			p++;
	}
	for (int i = 0; i < k->nmem; i++)
		k->mem[i].array = k->mem[i].last_phase > k->mem[i].def_phase;
}

/* ---- emission ---- */

static const char *
load_fmt(enum dtype dt)
{
	return dt == DT_BF16 ? "lt_from_bf16(%s)" : "%s";
}

static void
begin_loop(struct kernel *k)
{
	k->loop = open_memstream(&k->loop_text, &k->loop_size);
	k->reductions[0] = 0;
	k->loop_used = false;
	for (int i = 0; i < k->nin; i++)
		if (k->in[i].has_cols)
			k->in[i].declared = -1;
	for (int i = 0; i < k->nmem; i++)
		k->mem[i].declared = -1;
}

static void
end_loop(struct kernel *k)
{
	fclose(k->loop);
	if (k->loop_used) {
		fprintf(k->row, "\t\t#pragma omp simd%s\n", k->reductions);
		fprintf(k->row, "\t\tfor (long c = 0; c < %s; c++) {\n%s\t\t}\n",
		    k->flat ? "n" : "COLS", k->loop_text);
	}
	free(k->loop_text);
	k->phase++;
	begin_loop(k);
}

static const char *
text(struct kernel *k, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	return arena_printf(k->e->m->mem, "%s", buf);
}

static const char *
const_text(struct kernel *k, double x)
{
	if (x != x || x - x != 0)
		return x > 0 ? "INFINITY" : x < 0 ? "(-INFINITY)" : "NAN";
	return text(k, "(float)%a", x);
}

/* A C name that holds the element of a at column c in the current loop. */
static const char *
element(struct kernel *k, const struct arg *a)
{
	struct member *t = a->kind == ARG_VALUE ? find_member(k, a->v) : NULL;
	struct input *x;

	if (is_const(a))
		return const_text(k, op_real(a->v->def, ATTR_VALUE));
	if (t) {
		if (t->declared != k->phase && t->def_phase != k->phase) {
			fprintf(k->loop, "\t\t\tconst float %s = a_%s[c];\n",
			    t->name, t->name);
			t->declared = k->phase;
		}
		k->loop_used = true;
		return t->name;
	}
	x = find_input(k, a);
	if (x->has_cols && x->declared != k->phase) {
		fprintf(k->loop, "\t\t\tconst float %s = ", x->name);
		fprintf(k->loop, load_fmt(x->type->dtype),
		    text(k, "p_%s[c]", x->name));
		fputs(";\n", k->loop);
		x->declared = k->phase;
	}
	k->loop_used = true;
	return x->name;
}

static void
define(struct kernel *k, const struct value *v, const char *expr)
{
	struct member *t = find_member(k, v);

	k->loop_used = true;
	t->declared = k->phase;
	fprintf(k->loop, "\t\t\tconst float %s = %s;\n", t->name, expr);
	if (t->array)
		fprintf(k->loop, "\t\t\ta_%s[c] = %s;\n", t->name, t->name);
	if (t->stored)
		fprintf(k->loop, v->type->dtype == DT_BF16 ?
		    "\t\t\tp_%s[c] = lt_to_bf16(%s);\n" :
		    "\t\t\tp_%s[c] = %s;\n", t->name, t->name);
}

static void
reduce(struct kernel *k, const char *op, const char *name, const char *first,
    const char *expr)
{
	size_t n = strlen(k->reductions);

	fprintf(k->row, "\t\tfloat %s = %s;\n", name, first);
	snprintf(k->reductions + n, sizeof k->reductions - n,
	    " reduction(%s:%s)", op, name);
	k->loop_used = true;
	if (strcmp(op, "max") == 0)
		fprintf(k->loop, "\t\t\t%s = %s > %s ? %s : %s;\n", name, expr,
		    name, expr, name);
	else
		fprintf(k->loop, "\t\t\t%s += %s;\n", name, expr);
}

struct map_row {
	const char *expr[2]; /* $0 $1 $2 are the operands */
};
static const struct map_row map_rows[OP_COUNT] = {
	[OP_CAST] = {{"$0"}},
	[OP_ADD] = {{"$0 + $1"}},
	[OP_SUB] = {{"$0 - $1"}},
	[OP_MUL] = {{"$0 * $1"}},
	[OP_DIV] = {{"$0 / $1"}},
	[OP_NEG] = {{"-$0"}},
	[OP_SPREAD] = {{"$0"}},
	[OP_SQRT] = {{"sqrtf($0)"}},
	[OP_EXP] = {{"lt_expf($0)"}},
	[OP_LOG] = {{"lt_logf($0)"}},
	[OP_RELU] = {{"$0 > 0 ? $0 : 0"}},
	[OP_TANH] = {{"lt_tanhf($0)"}},
	[OP_SIGMOID] = {{"lt_sigmoidf($0)"}},
	[OP_SILU] = {{"$0 * lt_sigmoidf($0)"}},
	[OP_GELU] = {{"lt_geluf($0)"}},
	[OP_GELU_TANH] = {{"lt_gelu_tanhf($0)"}},
	[OP_RELU_BWD] = {{"$1 > 0 ? $0 : 0"}},
	[OP_TANH_BWD] = {{"$0 * (1 - $1 * $1)"}},
	[OP_SIGMOID_BWD] = {{"$0 * $1 * (1 - $1)"}},
	[OP_SILU_BWD] = {{"$0 * lt_silu_slopef($1)"}},
	[OP_GELU_BWD] = {{"$0 * lt_gelu_slopef($1)"}},
	[OP_GELU_TANH_BWD] = {{"$0 * lt_gelu_tanh_slopef($1)"}},
	[OP_SWIGLU] = {{"$0 * lt_sigmoidf($0) * $1"}},
	[OP_SWIGLU_BWD] = {{"$0 * $2 * lt_silu_slopef($1)",
	    "$0 * $1 * lt_sigmoidf($1)"}},
};

static void
emit_map(struct kernel *k, const struct op *op)
{
	const char *arg[4] = {0};

	for (int i = 0; i < op->nin && i < 4; i++)
		arg[i] = element(k, &op->in[i]);
	for (int j = 0; j < op->nout; j++) {
		const char *s = map_rows[op->code].expr[j];
		char buf[512];
		size_t n = 0;

		for (; *s && n < sizeof buf - 64; s++)
			if (*s == '$')
				n += (size_t)snprintf(buf + n, sizeof buf - n,
				    "%s", arg[*++s - '0']);
			else
				buf[n++] = *s;
		buf[n] = 0;
		define(k, op->out[j], arena_printf(k->e->m->mem, "%s", buf));
	}
}

static void
emit_dropout(struct kernel *k, const struct op *op)
{
	const char *x = element(k, &op->in[0]);

	define(k, op->out[0], text(k, "lt_dropout(a->rt, UINT64_C(%" PRIu64
	    ") + (uint64_t)a->layer, (uint64_t)(%s), %a) * %s",
	    (uint64_t)op_int(op, ATTR_KEY), k->flat ?
	    "r * 4096 + c" : "r * COLS + c", op_real(op, ATTR_RATE), x));
}

static void
emit_rmsnorm(struct kernel *k, const struct op *op, int id)
{
	const char *x = element(k, &op->in[0]), *q = text(k, "q%d", id);
	const char *r = text(k, "r%d", id);

	reduce(k, "+", q, "0", text(k, "%s * %s", x, x));
	end_loop(k);
	fprintf(k->row, "\t\tconst float %s = 1 / sqrtf(%s / COLS + %s);\n", r,
	    q, const_text(k, op_real(op, ATTR_EPS)));
	x = element(k, &op->in[0]);
	define(k, op->out[0],
	    text(k, "%s * %s * %s", x, r, element(k, &op->in[1])));
}

static int
colsum_index(const struct kernel *k, const struct op *op, int out)
{
	for (int i = 0; i < k->ncolsum; i++)
		if (k->colsum_op[i] == op && k->colsum_out[i] == out)
			return i;
	return -1;
}

static void
add_colsum(struct kernel *k, const struct op *op, int out, const char *expr)
{
	k->loop_used = true;
	fprintf(k->loop, "\t\t\ts_%d[c] += %s;\n", colsum_index(k, op, out),
	    expr);
}

static void
emit_rmsnorm_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *d = element(k, &op->in[0]), *x = element(k, &op->in[1]);
	const char *w = element(k, &op->in[2]);
	const char *q = text(k, "q%d", id), *u = text(k, "u%d", id);
	const char *r = text(k, "r%d", id);

	reduce(k, "+", q, "0", text(k, "%s * %s", x, x));
	reduce(k, "+", u, "0", text(k, "%s * %s * %s", d, w, x));
	end_loop(k);
	fprintf(k->row, "\t\tconst float %s = 1 / sqrtf(%s / COLS + %s);\n", r,
	    q, const_text(k, op_real(op, ATTR_EPS)));
	fprintf(k->row, "\t\tconst float k%d = %s * %s * %s * %s / COLS;\n", id,
	    u, r, r, r);
	d = element(k, &op->in[0]);
	x = element(k, &op->in[1]);
	w = element(k, &op->in[2]);
	add_colsum(k, op, 1, text(k, "%s * %s * %s", d, x, r));
	define(k, op->out[0],
	    text(k, "%s * %s * %s - %s * k%d", d, w, r, x, id));
}

/* mean and 1/deviation of the row of x, in loops of their own */
static void
emit_moments(struct kernel *k, const struct op *op, const struct arg *in,
    int id)
{
	const char *x = element(k, in);

	reduce(k, "+", text(k, "m%d", id), "0", x);
	end_loop(k);
	fprintf(k->row, "\t\tconst float e%d = m%d / COLS;\n", id, id);
	x = element(k, in);
	reduce(k, "+", text(k, "q%d", id), "0",
	    text(k, "(%s - e%d) * (%s - e%d)", x, id, x, id));
	end_loop(k);
	fprintf(k->row, "\t\tconst float r%d = 1 / sqrtf(q%d / COLS + %s);\n",
	    id, id, const_text(k, op_real(op, ATTR_EPS)));
}

static void
emit_layernorm(struct kernel *k, const struct op *op, int id)
{
	const char *x, *w, *z;

	emit_moments(k, op, &op->in[0], id);
	x = element(k, &op->in[0]);
	w = element(k, &op->in[1]);
	z = element(k, &op->in[2]);
	define(k, op->out[0],
	    text(k, "(%s - e%d) * r%d * %s + %s", x, id, id, w, z));
}

static void
emit_layernorm_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *d, *x, *w;

	emit_moments(k, op, &op->in[1], id);
	d = element(k, &op->in[0]);
	x = element(k, &op->in[1]);
	w = element(k, &op->in[2]);
	reduce(k, "+", text(k, "u%d", id), "0", text(k, "%s * %s", d, w));
	reduce(k, "+", text(k, "v%d", id), "0", text(k,
	    "%s * %s * (%s - e%d) * r%d", d, w, x, id, id));
	end_loop(k);
	d = element(k, &op->in[0]);
	x = element(k, &op->in[1]);
	w = element(k, &op->in[2]);
	add_colsum(k, op, 1, text(k, "%s * (%s - e%d) * r%d", d, x, id, id));
	add_colsum(k, op, 2, d);
	define(k, op->out[0], text(k, "r%d * (%s * %s - u%d / COLS - "
	    "(%s - e%d) * r%d * v%d / COLS)", id, d, w, id, x, id, id, id));
}

static void
emit_softmax(struct kernel *k, const struct op *op, int id)
{
	const char *x = element(k, &op->in[0]);

	reduce(k, "max", text(k, "m%d", id), "-INFINITY", x);
	end_loop(k);
	x = element(k, &op->in[0]);
	reduce(k, "+", text(k, "q%d", id), "0",
	    text(k, "lt_expf(%s - m%d)", x, id));
	end_loop(k);
	fprintf(k->row, "\t\tconst float r%d = 1 / q%d;\n", id, id);
	x = element(k, &op->in[0]);
	define(k, op->out[0],
	    text(k, "lt_expf(%s - m%d) * r%d", x, id, id));
}

static void
emit_softmax_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *d = element(k, &op->in[0]), *y = element(k, &op->in[1]);

	reduce(k, "+", text(k, "q%d", id), "0", text(k, "%s * %s", d, y));
	end_loop(k);
	d = element(k, &op->in[0]);
	y = element(k, &op->in[1]);
	define(k, op->out[0], text(k, "(%s - q%d) * %s", d, id, y));
}

static void
emit_attn_delta(struct kernel *k, const struct op *op, int id)
{
	const char *d = element(k, &op->in[0]), *o = element(k, &op->in[1]);
	struct member *t = find_member(k, op->out[0]);

	reduce(k, "+", text(k, "q%d", id), "0", text(k, "%s * %s", d, o));
	end_loop(k);
	fprintf(k->row, "\t\tp_%s[0] = q%d;\n", t->name, id);
}

/* Labels are rows of i32; a label equal to ignore contributes nothing. */
static const char *
label_of(struct kernel *k, const struct op *op, int in)
{
	return text(k, "%s", find_input(k, &op->in[in])->name);
}

static void
emit_lse(struct kernel *k, const struct arg *logits, int id)
{
	const char *x = element(k, logits);

	reduce(k, "max", text(k, "m%d", id), "-INFINITY", x);
	end_loop(k);
	x = element(k, logits);
	reduce(k, "+", text(k, "q%d", id), "0",
	    text(k, "lt_expf(%s - m%d)", x, id));
	end_loop(k);
}

static const char *
element_at(struct kernel *k, const struct arg *a, const char *index)
{
	struct member *t = a->kind == ARG_VALUE ? find_member(k, a->v) : NULL;
	struct input *x;

	if (t)
		return text(k, "a_%s[%s]", t->name, index);
	x = find_input(k, a);
	return text(k, x->type->dtype == DT_BF16 ? "lt_from_bf16(p_%s[%s])" :
	    "p_%s[%s]", x->name, index);
}

static void
emit_xent(struct kernel *k, const struct op *op, int id)
{
	const char *l = label_of(k, op, 1);

	emit_lse(k, &op->in[0], id);
	fprintf(k->row, "\t\tif (%s != %" PRId64 ")\n"
	    "\t\t\ts_%d[0] += m%d + lt_logf(q%d) - %s;\n", l,
	    op_int(op, ATTR_IGNORE), colsum_index(k, op, 0), id, id,
	    element_at(k, &op->in[0], l));
}

static void
emit_xent_bwd(struct kernel *k, const struct op *op, int id)
{
	const char *l, *x, *dn;

	emit_lse(k, &op->in[1], id);
	l = label_of(k, op, 2);
	dn = element(k, &op->in[0]);
	fprintf(k->row, "\t\tconst float g%d = %s != %" PRId64
	    " ? %s : 0, r%d = g%d / q%d;\n", id, l, op_int(op, ATTR_IGNORE),
	    dn, id, id, id);
	x = element(k, &op->in[1]);
	define(k, op->out[0], text(k,
	    "lt_expf(%s - m%d) * r%d - (c == %s ? g%d : 0)", x, id, id, l,
	    id));
}

/* rope: pairs (c, c + half) or (2c, 2c + 1), angle from the table's row s */
static void
emit_rope(struct kernel *k, const struct op *op)
{
	const struct arg *a = &op->in[0];
	struct member *y = find_member(k, op->out[0]);
	bool half = op_int(op, ATTR_STYLE) == 0;
	const char *i0 = half ? "c" : "2 * c";
	const char *i1 = half ? "c + COLS / 2" : "2 * c + 1";
	const char *sign = op->code == OP_ROPE ? "" : "-";
	const char *dst[2] = {text(k, "y0"), text(k, "y1")};

	end_loop(k);
	fprintf(k->row, "\t\t#pragma omp simd\n"
	    "\t\tfor (long c = 0; c < COLS / 2; c++) {\n"
	    "\t\t\tconst float u0 = %s, u1 = %s;\n",
	    element_at(k, a, i0), element_at(k, a, i1));
	fprintf(k->row, "\t\t\tconst float co = rope[c], si = %s"
	    "rope[COLS / 2 + c];\n"
	    "\t\t\tconst float y0 = u0 * co - u1 * si, "
	    "y1 = u1 * co + u0 * si;\n", sign);
	for (int i = 0; i < 2; i++) {
		const char *at = i ? i1 : i0;

		if (y->array)
			fprintf(k->row, "\t\t\ta_%s[%s] = %s;\n", y->name, at,
			    dst[i]);
		if (y->stored)
			fprintf(k->row, y->v->type->dtype == DT_BF16 ?
			    "\t\t\tp_%s[%s] = lt_to_bf16(%s);\n" :
			    "\t\t\tp_%s[%s] = %s;\n", y->name, at, dst[i]);
	}
	fputs("\t\t}\n", k->row);
	end_loop(k);
}

static void
emit_op(struct kernel *k, const struct op *op, int id)
{
	switch (op->code) {
	case OP_RMSNORM: emit_rmsnorm(k, op, id); break;
	case OP_RMSNORM_BWD: emit_rmsnorm_bwd(k, op, id); break;
	case OP_LAYERNORM: emit_layernorm(k, op, id); break;
	case OP_LAYERNORM_BWD: emit_layernorm_bwd(k, op, id); break;
	case OP_SOFTMAX: emit_softmax(k, op, id); break;
	case OP_SOFTMAX_BWD: emit_softmax_bwd(k, op, id); break;
	case OP_ATTN_DELTA: emit_attn_delta(k, op, id); break;
	case OP_XENT: emit_xent(k, op, id); break;
	case OP_XENT_BWD: emit_xent_bwd(k, op, id); break;
	case OP_ROPE:
	case OP_ROPE_BWD: emit_rope(k, op); break;
	case OP_DROPOUT:
	case OP_DROPOUT_BWD: emit_dropout(k, op); break;
	default: emit_map(k, op); break;
	}
}

/* ---- addresses of rows ---- */

/* Element offset of row r in an operand of type t, as C text. */
static const char *
row_offset(struct kernel *k, const struct type *t)
{
	int nrow = k->space->rank - k->ncol, have = 0;
	uint64_t inner = 1, stride;
	char buf[512];
	size_t n = 0;

	if (k->flat)
		return t->rank ? "r * 4096" : "0";
	for (int i = 0; i < k->ncol; i++)
		if (type_find(t, k->space->d[nrow + i].name) >= 0)
			inner *= dim_size(k, nrow + i);
	for (int i = 0; i < nrow; i++)
		have += type_find(t, k->space->d[i].name) >= 0;
	if (have == 0)
		return "0";
	if (have == nrow)
		return text(k, "r * %" PRIu64, inner);
	stride = inner;
	buf[0] = 0;
	for (int i = nrow - 1; i >= 0; i--) {
		uint64_t after = 1;

		if (type_find(t, k->space->d[i].name) < 0)
			continue;
		for (int j = i + 1; j < nrow; j++)
			after *= dim_size(k, j);
		n += (size_t)snprintf(buf + n, sizeof buf - n,
		    "%sr / %" PRIu64 " %% %" PRIu64 " * %" PRIu64,
		    n ? " + " : "", after, dim_size(k, i), stride);
		stride *= dim_size(k, i);
	}
	return text(k, "%s", buf);
}

static const char *
rope_row(struct kernel *k)
{
	const struct module *m = k->e->m;
	const char *s = module_namez(k->e->m, "s");
	int i = type_find(k->space, s);
	uint64_t after = 1;

	for (int j = i + 1; j < k->space->rank - k->ncol; j++)
		after *= dim_local_size(m, &k->space->d[j]);
	return text(k, "r / %" PRIu64 " %% %" PRIu64 " * COLS", after,
	    dim_local_size(m, &k->space->d[i]));
}

static const struct op *
rope_op(const struct kernel *k)
{
	for (int i = 0; i < k->n; i++)
		if (k->op[i]->code == OP_ROPE || k->op[i]->code == OP_ROPE_BWD)
			return k->op[i];
	return NULL;
}

static bool
has_dropout(const struct kernel *k)
{
	for (int i = 0; i < k->n; i++)
		if (k->op[i]->code == OP_DROPOUT ||
		    k->op[i]->code == OP_DROPOUT_BWD)
			return true;
	return false;
}

static void
print_struct(struct kernel *k, FILE *out, int id)
{
	fprintf(out, "struct k%d {\n", id);
	for (int i = 0; i < k->nin; i++)
		fprintf(out, "\tconst %s *%s;\n",
		    emit_ctype(k->in[i].type->dtype), k->in[i].name);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			fprintf(out, "\t%s *%s;\n",
			    emit_ctype(k->mem[i].v->type->dtype),
			    k->mem[i].name);
	if (k->ncolsum)
		fputs("\tfloat *part; /* partial sums over rows */\n", out);
	if (rope_op(k))
		fputs("\tconst float *rope; /* cos, sin by position */\n", out);
	if (has_dropout(k))
		fputs("\tstruct lt *rt;\n\tint64_t layer;\n", out);
	fputs("};\n\n", out);
}

static void
print_pointers(struct kernel *k, FILE *out)
{
	for (int i = 0; i < k->nin; i++) {
		const struct input *x = &k->in[i];
		const char *ct = emit_ctype(x->type->dtype);

		fprintf(out, "\t\tconst %s *p_%s = a->%s + (%s);\n", ct,
		    x->name, x->name, row_offset(k, x->type));
		if (!x->has_cols && x->type->dtype == DT_I32)
			fprintf(out, "\t\tconst int32_t %s = p_%s[0];\n",
			    x->name, x->name);
		else if (!x->has_cols) {
			fprintf(out, "\t\tconst float %s = ", x->name);
			fprintf(out, load_fmt(x->type->dtype),
			    text(k, "p_%s[0]", x->name));
			fputs(";\n", out);
		}
	}
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			fprintf(out, "\t\t%s *p_%s = a->%s + (%s);\n",
			    emit_ctype(k->mem[i].v->type->dtype),
			    k->mem[i].name, k->mem[i].name,
			    row_offset(k, k->mem[i].v->type));
	if (rope_op(k))
		fprintf(out, "\t\tconst float *rope = a->rope + (%s);\n",
		    rope_row(k));
	if (k->flat)
		fprintf(out, "\t\tconst long n = r < ROWS - 1 ? 4096 : %" PRIu64
		    ";\n", k->cols - (k->rows - 1) * FLAT_COLS);
}

/* Partial sums of all column sums of one block of rows, one after another. */
static uint64_t
colsum_width(struct kernel *k)
{
	uint64_t w = 0;

	for (int i = 0; i < k->ncolsum; i++) {
		const struct value *v =
		    k->colsum_op[i]->out[k->colsum_out[i]];

		k->colsum_cols[i] = type_local_count(k->e->m, v->type);
		w += k->colsum_cols[i];
	}
	return w;
}

static void
print_blocks(struct kernel *k, FILE *out, const char *row)
{
	uint64_t at = 0, width = colsum_width(k), nb = group_blocks(k->rows);

	fprintf(out, "\tenum { BLOCKS = %" PRIu64 ", WIDTH = %" PRIu64 " };\n\n"
	    "\tfor (long b = part; b < BLOCKS; b += parts) {\n"
	    "\t\tmemset(a->part + b * WIDTH, 0, WIDTH * sizeof(float));\n"
	    "\tfor (long r = ROWS * b / BLOCKS; r < ROWS * (b + 1) / BLOCKS; "
	    "r++) {\n", nb, width);
	for (int i = 0; i < k->ncolsum; i++) {
		fprintf(out, "\t\tfloat *s_%d = a->part + b * WIDTH + %" PRIu64
		    ";\n", i, at);
		at += k->colsum_cols[i];
	}
	fputs(row, out);
	fputs("\t}\n\t}\n", out);
}

static void
print_kernel(struct kernel *k, FILE *out, int id, const char *row)
{
	print_struct(k, out, id);
	fprintf(out, "LT_CLONES static void\nk%d(void *arg, int part, int parts)\n"
	    "{\n\tconst struct k%d *a = arg;\n"
	    "\tenum { ROWS = %" PRIu64 ", COLS = %" PRIu64 " };\n", id, id,
	    k->rows, k->flat ? FLAT_COLS : k->cols);
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].array)
			fprintf(out, "\tfloat a_%s[COLS];\n", k->mem[i].name);
	if (k->ncolsum)
		print_blocks(k, out, row);
	else
		fprintf(out, "\n\tfor (long r = ROWS * (long)part / parts; "
		    "r < ROWS * (long)(part + 1) / parts; r++) {\n%s\t}\n",
		    row);
	fputs("}\n\n", out);
}

static void
print_call(struct kernel *k, int id)
{
	struct emit *e = k->e;
	uint64_t at = 0;

	emit_line(e, "lt_pool_run(rt->pool, k%d, &(struct k%d){", id, id);
	for (int i = 0; i < k->nin; i++)
		emit_line(e, "    .%s = %s,", k->in[i].name,
		    emit_arg_ptr(e, &k->in[i].arg));
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].stored)
			emit_line(e, "    .%s = %s,", k->mem[i].name,
			    emit_value_ptr(e, k->mem[i].v));
	if (k->ncolsum)
		emit_line(e, "    .part = %s,", emit_slot_ptr(e,
		    module_slot(e->m, k->op[0]->scratch), NULL, DT_F32));
	if (rope_op(k))
		emit_line(e, "    .rope = %s,", emit_slot_ptr(e,
		    module_slot(e->m, rope_op(k)->scratch), NULL, DT_F32));
	if (has_dropout(k))
		emit_line(e, "    .rt = rt, .layer = %s,",
		    e->f->index ? "layer" : "0");
	emit_line(e, "});");
	for (int i = 0; i < k->ncolsum; i++) {
		const struct value *v =
		    k->colsum_op[i]->out[k->colsum_out[i]];

		emit_line(e, "lt_colsum(rt->pool, %s + %" PRIu64 ", %" PRIu64
		    ", %" PRIu64 ", %" PRIu64 ", %s);",
		    emit_slot_ptr(e, module_slot(e->m, k->op[0]->scratch),
		    NULL, DT_F32), at, group_blocks(k->rows), colsum_width(k),
		    k->colsum_cols[i], emit_value_ptr(e, v));
		at += k->colsum_cols[i];
	}
}

void
emit_kernel(struct emit *e, struct op *const *op, int n)
{
	struct kernel k = {.e = e, .op = op, .n = n,
	    .space = group_space(op[0])};
	char *row = NULL;
	size_t size = 0;

	collect(&k);
	choose_cols(&k);
	plan_phases(&k);
	k.row = open_memstream(&row, &size);
	print_pointers(&k, k.row);
	begin_loop(&k);
	for (int i = 0; i < n; i++)
		emit_op(&k, op[i], i);
	end_loop(&k);
	fclose(k.loop);
	free(k.loop_text);
	fclose(k.row);
	print_kernel(&k, e->kernels, e->nkernel, row);
	print_call(&k, e->nkernel++);
	free(row);
}
