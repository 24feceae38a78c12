/* What a rank sends. */
#include "runtime/comm/count.h"

#include "runtime/comm/comm.h"
#include "runtime/comm/op.h"
#include "runtime/main/run.h"

static uint64_t
sent(const struct lt_op *op)
{
	const struct lt_group *g = &op->group;
	uint64_t n = 0;

	for (int p = 0; p < g->n; p++)
		if (lt_op_sends(op, p))
			n += lt_op_bytes(op, g->me, p);
	return n;
}

/* As if every member added up its part, whatever was really done. */
static uint64_t
sent_by_allreduce(const struct lt_op *op)
{
	struct lt_op sum = *op, spread = *op;

	sum.phase = LT_PHASE_SUM;
	spread.phase = LT_PHASE_SPREAD;
	return sent(&sum) + sent(&spread);
}

static struct lt_count_row *
row_of(struct lt_count *c, uint32_t kind, uint32_t axes)
{
	for (int i = 0; i < c->n; i++)
		if (c->row[i].kind == kind && c->row[i].axes == axes)
			return &c->row[i];
	if (c->n == LT_COUNT_MAX)
		return NULL;
	c->row[c->n] = (struct lt_count_row){kind, axes, 0, 0};
	return &c->row[c->n++];
}

void
lt_count_add(struct lt_count *c, const struct lt_op *op)
{
	struct lt_count_row *r = c->on ? row_of(c, op->move->kind,
	    op->group.axes) : NULL;

	if (!r)
		return;
	r->calls++;
	r->bytes += op->move->kind == LT_ALLREDUCE ? sent_by_allreduce(op) :
	    sent(op);
}

bool
lt_in_host(const struct lt *rt, const void *p)
{
	const char *at = p, *lo = rt->arena[LT_HOST];

	return at >= lo && at < lo + rt->prog->arena[LT_HOST];
}

struct lt_count *
lt_count_of(struct lt *rt)
{
	return rt->comm ? &rt->comm->count : rt->run ? &rt->run->count : NULL;
}

void
lt_count_copy(struct lt *rt, const void *dst, uint64_t bytes)
{
	struct lt_count *c = lt_count_of(rt);
	struct lt_count_row *r = c && c->on ? row_of(c, lt_in_host(rt, dst) ?
	    LT_COUNT_OFFLOAD : LT_COUNT_FETCH, 0) : NULL;

	if (!r)
		return;
	r->calls++;
	r->bytes += bytes;
}

void
lt_count_join(struct lt_count *to, const struct lt_count *more)
{
	for (int i = 0; to->on && i < more->n; i++) {
		const struct lt_count_row *x = &more->row[i];
		struct lt_count_row *r = row_of(to, x->kind, x->axes);

		if (!r)
			continue;
		r->calls += x->calls;
		r->bytes += x->bytes;
	}
}
