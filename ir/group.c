/*
 * Fusion groups: which ops one row or map kernel can contain, over which rows
 * and columns it runs, and how much scratch its sums over rows need.
 */
#include "config.h"

#include <stdlib.h>

#include "ir/group.h"

#include <inttypes.h>
#include <string.h>

#include "ir/rules.h"

enum { WIDE_ROW = 32768, BLOCKS = 64 };
/* Two blocks for each of a GPU's 132 multiprocessors; for short rows as many
 * as have a million columns together. */
enum { GPU_BLOCKS_MIN = 256, GPU_BLOCKS_MAX = 8192, GPU_ELEMENTS = 1 << 20 };

/* ---- one op ---- */

/* Are the dims of y those of x from dim `at` on, cut alike? */
static bool
is_part(const struct type *x, const struct type *y, int at)
{
	for (int i = 0; i < y->rank; i++)
		if (!dim_equal(&x->d[at + i], &y->d[i]))
			return false;
	return true;
}

static enum group_result
sum_result(const struct op *op)
{
	const struct type *x = op->in[0].v->type, *y = op->out[0]->type;

	if (op->in[0].kind == ARG_FIELD)
		x = op->in[0].v->bundle->field[op->in[0].field].type;
	if (y->rank == 0)
		return RESULT_ALL;
	return is_part(x, y, 0) ? RESULT_ROW : RESULT_COLS;
}

/* Rows so wide that their elements would not wait in the cache. */
static bool
too_wide(const struct module *m, const struct type *space, int ncol)
{
	uint64_t n = 1;

	for (int i = space->rank - ncol; i < space->rank; i++)
		n *= dim_local_size(m, &space->d[i]);
	return n > WIDE_ROW;
}

/* Sums that leave the outermost or, unless those are too many for partial sums
 * of them, the innermost dims; others need a loop that jumps about. */
static bool
sum_fuses(const struct module *m, const struct op *op)
{
	const struct type *x = group_space(op), *y = op->out[0]->type;

	return y->dtype == DT_F32 && x->rank > y->rank &&
	    (is_part(x, y, 0) || (is_part(x, y, x->rank - y->rank) &&
	    !too_wide(m, x, y->rank)));
}

enum group_result
group_result(const struct op *op, int out)
{
	switch (op->code) {
	case OP_RMSNORM_BWD:
	case OP_LAYERNORM_BWD:
		return out > 0 ? RESULT_COLS : RESULT_SPACE;
	case OP_ATTN_DELTA:
		return RESULT_ROW;
	case OP_XENT:
		return RESULT_ALL;
	case OP_SUM:
		return sum_result(op);
	default:
		return RESULT_SPACE;
	}
}

bool
group_is_row(const struct op *op)
{
	return op_info[op->code].group == GROUP_ROW || op->code == OP_ROPE ||
	    op->code == OP_ROPE_BWD;
}

static const struct type *
operand_type(const struct arg *a)
{
	return a->kind == ARG_FIELD ?
	    a->v->bundle->field[a->field].type : a->v->type;
}

const struct type *
group_space(const struct op *op)
{
	int x = op->code == OP_XENT_BWD; /* its first input is a scalar */

	return group_is_row(op) ? operand_type(&op->in[x]) : op->out[0]->type;
}

int
group_cols(const struct module *m, const struct op *op)
{
	switch (op->code) {
	case OP_RMSNORM:
	case OP_LAYERNORM:
		return arg_type(m, &op->in[1])->rank;
	case OP_RMSNORM_BWD:
	case OP_LAYERNORM_BWD:
		return arg_type(m, &op->in[2])->rank;
	case OP_SUM:
		return sum_result(op) == RESULT_ALL ? 1 :
		    sum_result(op) == RESULT_COLS ? op->out[0]->type->rank :
		    group_space(op)->rank - op->out[0]->type->rank;
	default:
		return group_is_row(op) ? 1 : 0;
	}
}

/* Softmax and rope along the innermost dim. */
static bool
over_innermost(const struct op *op)
{
	const struct type *t = group_space(op);
	const char *over = op_dim(op, ATTR_OVER);

	return !over || type_find(t, over) == t->rank - 1;
}

bool
group_fusable(const struct module *m, const struct op *op)
{
	uint8_t g = op_info[op->code].group;

	if ((g != GROUP_ROW && g != GROUP_MAP) || op->code == OP_CONST ||
	    op->into || op->when.set)
		return false;
	if (op->code == OP_SUM)
		return sum_fuses(m, op);
	return !group_is_row(op) || over_innermost(op);
}

/* ---- groups ---- */

struct reads {
	const struct value *v;
	struct op *const *op;
	int n;
	bool outside;
};

static void
see_read(struct op *op, void *arg)
{
	struct reads *r = arg;

	for (int i = 0; i < r->n; i++)
		if (r->op[i] == op)
			return;
	for (int i = 0; i < op->nin; i++)
		if ((op->in[i].kind == ARG_VALUE ||
		    op->in[i].kind == ARG_FIELD) && op->in[i].v == r->v)
			r->outside = true;
}

bool
group_used_outside(struct func *f, const struct value *v,
    struct op *const *op, int n)
{
	struct reads r = {.v = v, .op = op, .n = n};

	region_walk(&f->body, see_read, &r);
	return r.outside;
}

uint64_t
group_blocks(const struct module *m, uint64_t rows, uint64_t cols)
{
	uint64_t n = BLOCKS;

	if (module_number(m, "target.gpu", 0) != 0) {
		n = GPU_ELEMENTS / (cols ? cols : 1);
		n = n < GPU_BLOCKS_MIN ? GPU_BLOCKS_MIN :
		    n > GPU_BLOCKS_MAX ? GPU_BLOCKS_MAX : n;
	}
	return rows < n ? rows : n;
}

static int
most_cols(const struct module *m, struct op *const *op, int n)
{
	int ncol = 0;

	for (int i = 0; i < n; i++) {
		int c = group_cols(m, op[i]);

		ncol = c > ncol ? c : ncol;
	}
	return ncol;
}

uint64_t
group_scratch(const struct module *m, struct op *const *op, int n)
{
	const struct type *space = group_space(op[0]);
	uint64_t width = 0, rows = 1, cols = 1;
	int ncol = most_cols(m, op, n);

	for (int i = 0; i < n; i++)
		for (int j = 0; j < op[i]->nout; j++)
			if (group_result(op[i], j) == RESULT_COLS ||
			    group_result(op[i], j) == RESULT_ALL)
				width += type_local_count(m,
				    op[i]->out[j]->type);
	for (int i = 0; i < space->rank; i++)
		if (i < space->rank - ncol)
			rows *= dim_local_size(m, &space->d[i]);
		else
			cols *= dim_local_size(m, &space->d[i]);
	return width * group_blocks(m, rows, cols) * sizeof(float);
}

int
group_covers(const struct type *space, int ncol, const struct type *t)
{
	int have = 0;

	for (int i = space->rank - ncol; i < space->rank; i++)
		have += type_find(t, space->d[i].name) >= 0;
	return have == 0 ? 0 : have == ncol ? 1 : -1;
}

static bool
op_covers(const struct module *m, const struct type *space, int ncol,
    const struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		const struct type *t = arg_type(m, &op->in[i]);

		if (t && group_covers(space, ncol, t) < 0)
			return false;
	}
	for (int i = 0; i < op->nout; i++)
		if (group_result(op, i) == RESULT_SPACE &&
		    group_covers(space, ncol, op->out[i]->type) < 0)
			return false;
	return true;
}

/* Does op end its group, since what it gives is not of the space? */
static bool
ends_group(const struct op *op)
{
	enum group_result r = group_result(op, 0);

	return r == RESULT_ROW || r == RESULT_ALL;
}

/* Sums over rows are ready only when the kernel is done. */
static bool
reads_sum_of(const struct op *next, const struct op *op)
{
	for (int i = 0; i < op->nout; i++)
		for (int j = 0; j < next->nin; j++)
			if (group_result(op, i) != RESULT_SPACE &&
			    next->in[j].v == op->out[i])
				return true;
	return false;
}

bool
group_fits(const struct module *m, struct op *const *op, int n,
    const struct op *next)
{
	const struct type *a = group_space(op[0]), *b = group_space(next);
	int ca = most_cols(m, op, n), cb = group_cols(m, next);
	int ncol = ca > cb ? ca : cb;

	if (n >= GROUP_MAX || a->rank != b->rank || !is_part(a, b, 0) ||
	    (ca && cb && ca != cb) || (ncol && too_wide(m, a, ncol)))
		return false;
	for (int i = 0; i < n; i++)
		if (ends_group(op[i]) || reads_sum_of(next, op[i]) ||
		    (ncol > 1 && !op_covers(m, a, ncol, op[i])))
			return false;
	return ncol < 2 || op_covers(m, a, ncol, next);
}

static void
add_op(struct op_list *l, struct op *op)
{
	l->op[l->n++] = op;
}

/* Those of the same group as op `at` among ops from..to. */
static int
collect(const struct region *r, int at, int from, int to, struct op_list *out)
{
	out->n = 0;
	for (int i = from; i <= to && out->n < GROUP_MAX; i++)
		if (r->op[i]->group == r->op[at]->group)
			add_op(out, r->op[i]);
	return out->n;
}

int
group_collect(const struct region *r, int at, struct op_list *out)
{
	return collect(r, at, 0, r->n - 1, out);
}

struct member {
	int group, at;
};

static int
by_group(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

struct groups
groups_of(struct arena *mem, const struct region *r)
{
	size_t n = (size_t)r->n + 1;
	struct groups g = {r, NEW_N(mem, int, n), NEW_N(mem, int, n)};
	struct member *m = NEW_N(mem, struct member, n);

	for (int i = 0; i < r->n; i++)
		m[i] = (struct member){r->op[i]->group, i};
	qsort(m, (size_t)r->n, sizeof *m, by_group);
	for (int i = 0, end; i < r->n; i = end) {
		for (end = i; end < r->n && m[end].group == m[i].group; end++)
			;
		for (int j = i; j < end; j++) {
			g.first[m[j].at] = m[i].at;
			g.last[m[j].at] = m[end - 1].at;
		}
	}
	return g;
}

int
groups_collect(const struct groups *g, int at, struct op_list *out)
{
	return collect(g->r, at, g->first[at], g->last[at], out);
}

/* ---- loss head ---- */

const struct op *
group_head_store(struct func *f, const struct region *r, int at)
{
	const struct op *head = r->op[at];
	struct op *next;

	if (head->code != OP_XENT_DOT_BWD || at + 1 >= r->n)
		return NULL;
	next = r->op[at + 1];
	if (next->code != OP_ACCUM || next->in[0].kind != ARG_VALUE ||
	    next->in[0].v != head->out[2] ||
	    next->out[0]->type->dtype != DT_F32 ||
	    group_used_outside(f, head->out[2], &next, 1))
		return NULL;
	return next;
}

/* ---- rope ---- */

int
group_position(const struct op *op)
{
	return type_position(NULL, group_space(op));
}

/* s_zz_co_ci_hp: each cut has positions of its own. */
static const char *
cut_name(struct module *m, const struct dim *d)
{
	const char *s = d->name;

	for (int i = 0; i < d->n; i++) {
		if (d->s[i].kind == SHARD_ZIGZAG)
			s = arena_printf(m->mem, "%s_zz", s);
		for (int j = 0; j < d->s[i].n; j++)
			s = arena_printf(m->mem, "%s_%s", s,
			    m->axis[d->s[i].c[j].axis].name);
	}
	return s;
}

const char *
group_rope_slot(struct module *m, const struct op *op)
{
	const struct type *t = group_space(op);
	double base = op_real(op, ATTR_BASE);
	const char *s = cut_name(m, &t->d[group_position(op)]);
	const char *d = op_dim(op, ATTR_OVER);
	uint64_t bits;

	memcpy(&bits, &base, sizeof bits);
	d = d ? d : t->d[t->rank - 1].name;
	if (base >= 0 && base < 0x1p53 && base == (double)(int64_t)base)
		return module_namez(m, arena_printf(m->mem, "rope.%s.%s.%"
		    PRId64, s, d, (int64_t)base));
	return module_namez(m, arena_printf(m->mem, "rope.%s.%s.x%" PRIx64, s,
	    d, bits)); /* no text of a fraction is an identifier */
}
