/* Prices of ops; plan/cost.h has the formulas. */
#include "config.h"

#include "plan/cost.h"

#include "ir/flops.h"

bool
cost_is_transfer(const struct op *op)
{
	return op_info[op->code].group == GROUP_COMM && op->code != OP_WAIT;
}

bool
cost_is_host_copy(const struct op *op)
{
	return op_info[op->code].group == GROUP_HOST;
}

bool
cost_has_lane(const struct op *op)
{
	return cost_is_transfer(op) || cost_is_host_copy(op);
}

static uint64_t
layers(const struct module *m, const struct arg *a)
{
	return a->indexed || !a->b->stack ? 1 :
	    module_dim(m, a->b->stack)->size;
}

/* A bundle that every rank has: its fields, each from a whole line on. */
static uint64_t
whole_bytes(const struct module *m, const struct bundle *b, uint64_t n)
{
	uint64_t bytes = 0;

	for (int i = 0; i < b->nfield; i++)
		bytes = (bytes + 63) / 64 * 64 +
		    n * type_local_count(m, b->field[i].type) *
		    dtype_size[b->dtype];
	return bytes;
}

/* Bytes of one operand on one rank; a bundle is its blocks. */
static uint64_t
arg_bytes(const struct module *m, const struct arg *a)
{
	const struct type *t = arg_type(m, a);

	if (a->kind == ARG_BUNDLE && !bundle_is_image(m, a->b))
		return whole_bytes(m, a->b, layers(m, a));
	if (a->kind == ARG_BUNDLE)
		return layers(m, a) * bundle_image(m, a->b) /
		    axis_list_blocks(m, &a->b->flat) * dtype_size[a->b->dtype];
	if (a->kind == ARG_VALUE && a->v->bundle)
		return bundle_image(m, a->v->bundle) /
		    axis_list_blocks(m, &a->v->flat) * dtype_size[a->v->dtype];
	return t ? type_local_bytes(m, t) : 0;
}

uint64_t
cost_local_bytes(const struct module *m, const struct op *op)
{
	uint64_t bytes = 0;

	if (op->code == OP_FETCH)
		return type_local_bytes(m, op->out[0]->type);
	for (int i = 0; i < op->nin; i++)
		bytes += arg_bytes(m, &op->in[i]);
	return bytes;
}

/* A bundle that is sent in another dtype, which is made on the way. */
static bool
rounds(const struct op *op)
{
	return op->has_target && op->target.kind == ARG_BUNDLE &&
	    op->in[0].kind == ARG_BUNDLE &&
	    op->target.b->dtype != op->in[0].b->dtype;
}

uint64_t
cost_transfers(const struct module *m, const struct op *op)
{
	return rounds(op) ? layers(m, &op->in[0]) : 1;
}

static uint64_t
group_size(const struct module *m, const struct op *op)
{
	uint64_t n = 1;

	for (int i = 0; i < op->nhop; i++)
		n *= m->axis[op->hop[i].axis].size;
	return n;
}

uint64_t
cost_sent_bytes(const struct module *m, const struct op *op)
{
	uint64_t b = cost_local_bytes(m, op), n = group_size(m, op);

	if (rounds(op))
		b = b / dtype_size[op->in[0].b->dtype] *
		    dtype_size[op->target.b->dtype];
	switch (op->code) {
	case OP_GATHER:
		return b * (n - 1);
	case OP_ALLREDUCE:
		return 2 * (b / n * (n - 1) + b % n * (n - 1) / n);
	case OP_SHIFT:
		return b;
	default:
		return b / n * (n - 1);
	}
}

static double
transfer_seconds(const struct module *m, const struct machine *x,
    const struct op *op)
{
	double speed = machine_crosses(m, x, op) ? x->inter : x->intra;

	return (double)cost_transfers(m, op) * x->latency +
	    (double)cost_sent_bytes(m, op) / speed;
}

static double
kernel_seconds(const struct module *m, const struct machine *x,
    const struct op *op)
{
	double work = op_flops(m, op) / x->flops;
	double bytes = (double)cost_local_bytes(m, op);

	for (int i = 0; i < op->nout; i++)
		if (op->out[i]->type)
			bytes += (double)type_local_bytes(m, op->out[i]->type);
	bytes /= x->bandwidth;
	return work > bytes ? work : bytes;
}

static double
region_seconds(const struct module *m, const struct machine *x,
    const struct region *r)
{
	double sum = 0;

	for (int i = 0; i < r->n; i++)
		sum += cost_seconds(m, x, r->op[i]);
	return sum;
}

double
cost_seconds(const struct module *m, const struct machine *x,
    const struct op *op)
{
	switch (op->code) {
	case OP_FOR:
		return region_seconds(m, x, &op->body) *
		    (double)(bound_eval(m, &op->hi) - bound_eval(m, &op->lo));
	case OP_CALL:
		return region_seconds(m, x, &op->callee->body);
	case OP_PARAMS:
	case OP_LOCAL:
	case OP_SAVE:
	case OP_LOAD:
	case OP_YIELD:
	case OP_RETURN:
	case OP_WAIT:
		return 0;
	case OP_OFFLOAD:
	case OP_FETCH:
		return x->latency + (double)cost_local_bytes(m, op) / x->host;
	default:
		return cost_is_transfer(op) ? transfer_seconds(m, x, op)
					    : kernel_seconds(m, x, op);
	}
}
