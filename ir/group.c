/*
 * Fusion groups: which ops one row or map kernel can contain, over which rows
 * and columns it runs, and how much scratch its sums over rows need.
 */
#include "config.h"

#include "ir/group.h"

bool
group_is_row(const struct op *op)
{
	return op_info[op->code].group == GROUP_ROW || op->code == OP_ROPE ||
	    op->code == OP_ROPE_BWD;
}

const struct type *
group_space(const struct op *op)
{
	int x = op->code == OP_XENT_BWD; /* its first input is a scalar */

	if (group_is_row(op))
		return op->in[x].v ? op->in[x].v->type : NULL;
	return op->out[0]->type;
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
	default:
		return group_is_row(op) ? 1 : 0;
	}
}

bool
group_fusable(const struct op *op)
{
	uint8_t g = op_info[op->code].group;

	if (op->code == OP_SUM || op->code == OP_CONST || op->into)
		return false;
	if (op->has_target)
		return false;
	return g == GROUP_ROW || g == GROUP_MAP;
}

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
group_blocks(uint64_t rows)
{
	return rows < 64 ? rows : 64;
}

/* Results that are sums over the rows: the first such one, or nout. */
static int
first_colsum(const struct op *op)
{
	switch (op->code) {
	case OP_XENT:
		return 0;
	case OP_RMSNORM_BWD:
	case OP_LAYERNORM_BWD:
		return 1;
	default:
		return op->nout;
	}
}

uint64_t
group_scratch(const struct module *m, struct op *const *op, int n)
{
	const struct type *space = group_space(op[0]);
	uint64_t width = 0, rows = 1;
	int ncol = 0;

	for (int i = 0; i < n; i++) {
		int c = group_cols(m, op[i]);

		ncol = c > ncol ? c : ncol;
		for (int j = first_colsum(op[i]); j < op[i]->nout; j++)
			width += type_local_count(m, op[i]->out[j]->type);
	}
	for (int i = 0; i < space->rank - ncol; i++)
		rows *= dim_local_size(m, &space->d[i]);
	return width * group_blocks(rows) * sizeof(float);
}

bool
group_fits(const struct module *m, struct op *const *op, int n,
    const struct op *next)
{
	const struct type *a = group_space(op[0]), *b = group_space(next);
	int ca = 0, cb = group_cols(m, next);

	if (!a || !b || a->rank != b->rank || n >= GROUP_MAX)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->d[i].name != b->d[i].name)
			return false;
	for (int i = 0; i < n; i++) {
		int c = group_cols(m, op[i]);

		ca = c > ca ? c : ca;
		if (op[i]->code == OP_XENT || op[i]->code == OP_ATTN_DELTA)
			return false;
	}
	return !ca || !cb || ca == cb;
}

static void
add_op(struct op_list *l, struct op *op)
{
	l->op[l->n++] = op;
}

int
group_collect(const struct region *r, int at, struct op_list *out)
{
	out->n = 0;
	for (int i = 0; i < r->n; i++)
		if (r->op[i]->group == r->op[at]->group)
			add_op(out, r->op[i]);
	return out->n;
}
