/*
 * schedule: transfers go on their way while something else is computed.
 *
 *   before                               after
 *   q = dot h, w.wq : ...                     c = dot h, w.wk : ...
 *   qA = a2a q on hp s>k : Q             h  | ~cA1 = a2a c on hp s>k : KV
 *   c = dot h, w.wk : ...                     q = dot h, w.wq : ...
 *   cA = a2a c on hp s>k : KV            h  | ~qA1 = a2a q on hp s>k : Q
 *   o, z = attn qA, cA, cA : ...              cA = wait ~cA1
 *                                             qA = wait ~qA1
 *                                             o, z = attn qA, cA, cA : ...
 *
 * Each transfer becomes a start on a lane and a wait; a lane is a stream and
 * a communicator, and lanes are the only concurrency there is.  Keys and
 * values of a ring (ki, ko) and what is added up on the way (di, do) never
 * share one, nor do inner and outer ring: in a ring of two both neighbours are
 * the same peer, and messages match by order alone.  Then each region that has
 * transfers is put in a good order (passes/order.h).
 *
 * Copies to the host and back have a lane for each way, on one rank too.
 *
 * All ranks run the same program, and the order decided here is that of the
 * transfers on every rank: there is no other, so ranks cannot disagree.
 *
 * needs: fuse.  keeps: values, groups.  leaves: lanes, futures, order.
 */
#include "config.h"

#include "ir/group.h"
#include "passes/order.h"
#include "passes/pass.h"
#include "plan/cost.h"

struct pass_state {
	struct module *m;
	struct machine x;
	uint64_t cap;
	struct func *f;
	bool *sum; /* by value id: gradients that a ring adds up */
	int *first; /* by value id, while a region gets its waits */
	int firstcap;
};

/* ------------------------------------------------------------------ lanes */

/* One result that is a sum makes these too: what it is added to, moved to. */
static bool
passes_sums(const struct op *op)
{
	return op->code == OP_ADD || op->code == OP_SHIFT ||
	    op->code == OP_WAIT || op->code == OP_PART ||
	    op->code == OP_PART_ADD;
}

static bool
mark(struct pass_state *s, const struct value *v, bool is)
{
	bool fresh = is && v && !s->sum[v->id];

	if (fresh)
		s->sum[v->id] = true;
	return fresh;
}

static bool
is_sum(const struct pass_state *s, const struct arg *a)
{
	return a->kind == ARG_VALUE && s->sum[a->v->id];
}

/* A carry, its start, its next value and what it leaves are alike. */
static bool
mark_loop(struct pass_state *s, const struct op *op)
{
	const struct op *y = region_last(&op->body);
	bool more = false;

	for (int i = 0; i < op->nin && i < y->nin; i++) {
		bool is = is_sum(s, &op->in[i]) || is_sum(s, &y->in[i]) ||
		    s->sum[op->carry[i]->id];

		more |= mark(s, op->carry[i], is);
		more |= mark(s, op->out[i], is);
	}
	return more;
}

/* Gradients that a ring adds up on the way; true if there are more now. */
static bool
mark_sums(struct pass_state *s, const struct region *r)
{
	bool more = false;

	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];
		bool is = op->code == OP_ATTN_STEP_BWD;

		for (int j = 0; j < op->nin && passes_sums(op); j++)
			is |= is_sum(s, &op->in[j]);
		for (int j = 0; j < op->nout; j++)
			more |= mark(s, op->out[j], is);
		if (op->code == OP_FOR) {
			more |= mark_sums(s, &op->body);
			more |= mark_loop(s, op);
		}
	}
	return more;
}

/* The inner ring is the last context axis, whatever it is called. */
static bool
is_outer(const struct pass_state *s, const struct op *shift)
{
	for (int i = 0; i < shift->nhop; i++)
		if (module_namez(s->m, s->m->axis[shift->hop[i].axis].name) ==
		    module_namez(s->m, "co"))
			return true;
	return false;
}

static enum lane
lane_of(const struct pass_state *s, const struct op *op)
{
	bool bundle;

	if (cost_is_host_copy(op))
		return op->code == OP_OFFLOAD ? LANE_HO : LANE_HI;
	bundle = op->in[0].kind == ARG_BUNDLE ||
	    (op->in[0].kind == ARG_VALUE && op->in[0].v->bundle);

	if (op->code == OP_SHIFT && !is_sum(s, &op->in[0]))
		return is_outer(s, op) ? LANE_KO : LANE_KI;
	if (op->code == OP_SHIFT)
		return is_outer(s, op) ? LANE_DO : LANE_DI;
	if (bundle)
		return op->code == OP_GATHER ? LANE_ZG : LANE_ZR;
	return op->code == OP_ALLREDUCE ? LANE_SC : LANE_H;
}

/* --------------------------------------------------------- start and wait */

/* A region that is given its waits: they are kept by the op before which they
 * belong, so that each op has one place while they come. */
struct placer {
	struct region *r;
	struct groups g;
	struct wait_list *at; /* by op */
};

struct wait_list {
	struct wait_item *first, **end;
};

struct wait_item {
	struct op *wait;
	struct wait_item *next;
};

/* first[id]: one more than the place of the op that reads it first. */
static void
note_reads(int *first, const struct op *op, int at)
{
	for (int i = 0; i < op->nin; i++)
		if ((op->in[i].kind == ARG_VALUE ||
		    op->in[i].kind == ARG_FIELD) && !first[op->in[i].v->id])
			first[op->in[i].v->id] = at + 1;
	for (int i = 0; i < op->body.n; i++)
		note_reads(first, op->body.op[i], at);
}

static void
forget_reads(int *first, const struct op *op)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v)
			first[op->in[i].v->id] = 0;
	for (int i = 0; i < op->body.n; i++)
		forget_reads(first, op->body.op[i]);
}

static void
find_reads(struct pass_state *s, const struct region *r)
{
	if (s->firstcap < s->f->nvalue) {
		s->firstcap = 2 * s->f->nvalue;
		s->first = NEW_N(s->m->mem, int, (size_t)s->firstcap);
	}
	for (int i = 0; i < r->n; i++)
		note_reads(s->first, r->op[i], i);
}

static bool
returned(const struct region *r, const struct op *op)
{
	const struct op *last = region_last(r);

	for (int i = 0; i < last->nin; i++)
		for (int j = 0; j < op->nout; j++)
			if ((last->in[i].kind == ARG_VALUE ||
			    last->in[i].kind == ARG_FIELD) &&
			    last->in[i].v == op->out[j])
				return true;
	return false;
}

static int
first_update(const struct region *r, int at, int end)
{
	while (at < end && r->op[at]->code != OP_ADAMW)
		at++;
	return at;
}

/* A group computes where its first op stands, whichever of it reads.  What a
 * step returns must be known before the optimizer runs. */
static int
first_reader(const struct pass_state *s, const struct placer *p, int at,
    const struct op *op)
{
	const struct region *r = p->r;
	int to = r->n - 1;

	for (int i = 0; i < op->nout; i++) {
		int first = s->first[op->out[i]->id];

		if (first && first - 1 < to)
			to = first - 1;
	}
	if (returned(r, op))
		to = first_update(r, at, to);
	if (r->op[to]->group < 0)
		return to;
	if (p->g.first[to] >= at)
		return p->g.first[to];
	while (r->op[at]->group != r->op[to]->group)
		at++;
	return at;
}

static struct value *
future_of(struct pass_state *s, const struct value *v)
{
	struct value *x = func_value(s->m, s->f, func_fresh(s->m, s->f,
	    v->name), v->type, v->at);

	x->bundle = v->bundle;
	x->dtype = v->dtype;
	x->flat = v->flat;
	x->pend = v->pend;
	x->future = true;
	return x;
}

/* op's results become futures; a wait gives the values their names. */
static void
split(struct pass_state *s, struct placer *p, int at)
{
	struct op *op = p->r->op[at];
	struct op *wait = op_new(s->m, OP_WAIT, op->nout, op->nout, op->at);
	struct wait_list *l = &p->at[first_reader(s, p, at + 1, op)];
	struct wait_item *item = NEW(s->m->mem, struct wait_item);

	for (int i = 0; i < op->nout; i++) {
		wait->out[i] = op->out[i];
		wait->out[i]->def = wait;
		op->out[i] = future_of(s, op->out[i]);
		op->out[i]->def = op;
		wait->in[i] = arg_value(op->out[i]);
	}
	wait->when = op->when;
	item->wait = wait;
	*(l->first ? l->end : &l->first) = item;
	l->end = &item->next;
}

static void
put_waits(struct module *m, const struct placer *p)
{
	struct region with = {0};

	for (int i = 0; i < p->r->n; i++) {
		for (struct wait_item *x = p->at[i].first; x; x = x->next)
			region_append(m, &with, x->wait);
		region_append(m, &with, p->r->op[i]);
	}
	*p->r = with;
}

/* Values in flight already were put there by a pass before. */
static bool
is_synchronous(const struct op *op)
{
	return cost_has_lane(op) && !op->has_target && op->nout > 0 &&
	    !op->out[0]->future;
}

static void
split_region(struct pass_state *s, struct region *r)
{
	struct placer p = {r, groups_of(s->m->mem, r),
	    NEW_N(s->m->mem, struct wait_list, (size_t)r->n + 1)};

	find_reads(s, r);
	for (int i = 0; i < r->n; i++)
		if (is_synchronous(r->op[i]))
			split(s, &p, i);
	for (int i = 0; i < r->n; i++)
		forget_reads(s->first, r->op[i]);
	put_waits(s->m, &p);
}

static void
schedule_region(struct pass_state *s, struct region *r)
{
	bool any = false;

	for (int i = 0; i < r->n; i++)
		if (r->op[i]->code == OP_FOR)
			schedule_region(s, &r->op[i]->body);
	for (int i = 0; i < r->n; i++)
		if (cost_has_lane(r->op[i]))
			r->op[i]->lane = (uint8_t)lane_of(s, r->op[i]);
	for (int i = 0; i < r->n; i++)
		any |= cost_has_lane(r->op[i]);
	if (!any)
		return;
	split_region(s, r);
	order_region(s->m, &s->x, r, s->cap);
}

static int
schedule(struct module *m)
{
	struct pass_state s = {.m = m, .x = machine_of(m),
	    .cap = (uint64_t)module_number(m, "plan.in_flight", 0x1p30)};

	for (int i = 0; i < m->nfunc; i++) {
		s.f = m->func[i];
		s.sum = NEW_N(m->mem, bool, (size_t)s.f->nvalue + 1);
		while (mark_sums(&s, &s.f->body))
			;
		schedule_region(&s, &s.f->body);
	}
	return 0;
}

const struct pass pass_schedule = {
	.name = "schedule",
	.summary = "transfers start early, on lanes, and are awaited late",
	.run = schedule,
};
