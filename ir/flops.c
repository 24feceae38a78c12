/* FLOPs of products, attention and loss heads; of a whole step. */
#include "config.h"

#include "ir/flops.h"

#include <string.h>

#include "ir/rules.h"

static double
type_elements(const struct module *m, const struct type *t)
{
	return (double)type_local_count(m, t);
}

static double
dot_flops(const struct module *m, const struct op *op)
{
	const struct type *a = arg_type(m, &op->in[0]);
	double n = 2 * type_elements(m, op->out[0]->type);

	for (int i = 0; i < a->rank; i++)
		if (type_find(op->out[0]->type, a->d[i].name) < 0)
			n *= (double)dim_local_size(m, &a->d[i]);
	return n;
}

enum { FULL = 1, WINDOW = 2 }; /* mask_words */

/* Keys that a query sees: all, half of them under a causal mask on average, a
 * band of w under a window. */
static double
keys_seen(const struct module *m, const struct op *op, const struct dim *d)
{
	double keys = (double)module_dim(m, d->name)->size;
	double w = (double)op_int(op, ATTR_WINDOW);
	int64_t mask = op_int(op, ATTR_MASK);

	if (mask == WINDOW && w < keys)
		return w - w * (w - 1) / (2 * keys);
	return mask == FULL ? keys : keys / 2;
}

static uint64_t
axis_size(const struct module *m, const struct dim *d, int i)
{
	return d->n && i < d->s[0].n ? m->axis[d->s[0].c[i].axis].size : 1;
}

static double
all_ranks(const struct module *m, const struct dim *d)
{
	double n = 1;

	for (int i = 0; i < m->naxis; i++)
		n *= dim_axes(d) >> i & 1 ? (double)m->axis[i].size : 1;
	return n;
}

/* Steps of the ring that op is one of: passes/ring_plan.c has the reasons. */
static double
steps(const struct module *m, const struct op *op, const struct dim *d)
{
	bool zigzag = d->n && d->s[0].kind == SHARD_ZIGZAG;
	uint64_t n = axis_size(m, d, 0), inner = axis_size(m, d, 1);
	uint64_t piece = module_dim(m, d->name)->size / n >> zigzag;
	uint64_t reach, far;

	if (op_int(op, ATTR_MASK) != WINDOW || d->n < 1 ||
	    (d->n > 1 && d->s[1].kind != SHARD_PART))
		return all_ranks(m, d);
	reach = (uint64_t)op_int(op, ATTR_WINDOW) - 1;
	far = reach / piece + (reach % piece != 0);
	far += zigzag ? far : 0;
	if (zigzag && n == 2 && d->n > 1)
		return 4; /* two halos for the other block of two */
	return (double)((far + 1 < n ? far + 1 : n) * inner);
}

/* Two products with each key that is seen; a step has its share of them. */
static double
attn_flops(const struct module *m, const struct op *op, const struct type *q,
    const struct type *k)
{
	const struct dim *d = &k->d[type_position(m, k)];
	double keys = keys_seen(m, op, d);

	if (op->into)
		keys /= steps(m, op, d);
	return 4 * type_elements(m, q) * keys;
}

static double
head_flops(const struct module *m, const struct op *op, int h)
{
	const struct type *t = arg_type(m, &op->in[h]);
	const struct type *w = arg_type(m, &op->in[h + 1]);
	double e = type_elements(m, t) /
	    type_elements(m, arg_type(m, &op->in[h + 2]));

	return 2 * type_elements(m, t) * type_elements(m, w) / e;
}

double
op_flops(const struct module *m, const struct op *op)
{
	switch (op->code) {
	case OP_DOT:
		return dot_flops(m, op);
	case OP_ATTN:
	case OP_ATTN_STEP:
		return attn_flops(m, op, arg_type(m, &op->in[0]),
		    arg_type(m, &op->in[1]));
	case OP_ATTN_STEP_BWD:
	case OP_ATTN_BWD: /* five products for the two of forward */
		return 2.5 * attn_flops(m, op, arg_type(m, &op->in[1]),
		    arg_type(m, &op->in[2]));
	case OP_XENT_DOT:
		return head_flops(m, op, 0);
	case OP_XENT_DOT_BWD:
		return 3 * head_flops(m, op, 1);
	default:
		return 0;
	}
}

/* ---- a step ---- */

static axis_set
axes_of_type(const struct type *t)
{
	return t ? type_axes(t) | t->pend : 0;
}

/* Ranks that do different parts of op, not the same. */
static double
parts(const struct module *m, const struct op *op)
{
	axis_set axes = 0;
	double n = 1;

	for (int i = 0; i < op->nin; i++)
		axes |= axes_of_type(arg_type(m, &op->in[i]));
	for (int i = 0; i < op->nout; i++)
		axes |= axes_of_type(op->out[i]->type);
	for (int i = 0; i < m->naxis; i++)
		n *= axes >> i & 1 ? (double)m->axis[i].size : 1;
	return n;
}

static double
region_flops(const struct module *m, const struct region *r)
{
	double sum = 0;

	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		if (op->code == OP_FOR)
			sum += region_flops(m, &op->body) * (double)
			    (bound_eval(m, &op->hi) - bound_eval(m, &op->lo));
		else if (op->code == OP_CALL)
			sum += region_flops(m, &op->callee->body);
		else
			sum += op_flops(m, op) * parts(m, op);
	}
	return sum;
}

static const char kept[] = "model.flops";

void
flops_of_step(const struct module *m, double *model, double *executed)
{
	const struct func *step = module_func(m, "step");
	const struct func *eval = module_func(m, "eval");
	double micro = 1;

	for (int i = 0; i < m->ndim; i++)
		if (strcmp(m->dim[i].name, "mb") == 0)
			micro = (double)m->dim[i].size;
	*executed = step ? region_flops(m, &step->body) : 0;
	*model = module_number(m, kept,
	    eval ? 3 * region_flops(m, &eval->body) * micro : 0);
}

/* Padding is no work of the model: sequences have the recipe's length. */
void
flops_keep(struct module *m)
{
	struct dimdef *s = module_dim(m, "s");
	uint64_t padded = s ? s->size : 0;
	double model, executed, length = module_number(m, "recipe.s", 0);

	if (s && length >= 1 && length < (double)padded)
		s->size = (uint64_t)length;
	flops_of_step(m, &model, &executed);
	if (s)
		s->size = padded;
	module_set_number(m, kept, model, (struct span){0, 0});
}
