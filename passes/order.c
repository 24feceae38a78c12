/*
 * The scheduler plays the region on a clock.  A unit is a fusion group, or one
 * op; a unit is ready when all it depends on are done.  Then, until all are:
 *
 *   a start that is ready is issued, it costs the compute lane nothing
 *   else the ready unit with the longest way to the end is computed
 *   a wait whose transfer has arrived counts as such a unit
 *   else the wait that arrives first: the lane stalls - unless a filler, a
 *   unit that nobody is in a hurry for, fits into the time until then
 *
 * The longest way to the end counts transfers with their time, so what feeds
 * a transfer goes first.
 */
#include "config.h"

#include "passes/order.h"

#include <string.h>

#include "passes/effects.h"
#include "plan/cost.h"

struct unit {
	int at, n;        /* ops r->op[at..at+n) */
	double cost, way; /* its own seconds; to the end, itself included */
	double arrives;   /* of a start: when its results are there */
	struct effects e;
	int *next;        /* units that depend on it */
	int nnext, needs; /* and how many it still depends on */
	struct unit *start; /* of a wait */
	uint64_t bytes;   /* in flight once started */
	bool starts, waits, done;
};

struct play {
	struct module *m;
	const struct machine *x;
	struct region *r;
	struct unit *u;
	int n;
	double now, lane[LANE_COUNT]; /* when each is free */
	uint64_t flight, cap;
};

static bool
is_start(const struct op *op)
{
	return cost_has_lane(op) && op->nout > 0 && op->out[0]->future;
}

/* The loss head and the store of its gradient, which it then writes. */
static bool
head_stores(const struct region *r, int i)
{
	const struct op *head = r->op[i];

	return head->code == OP_XENT_DOT_BWD && i + 1 < r->n &&
	    r->op[i + 1]->code == OP_ACCUM &&
	    r->op[i + 1]->in[0].v == head->out[2];
}

/* The unit that begins at op i: up to the last op of its group. */
static int
unit_length(const struct region *r, int i)
{
	int last = head_stores(r, i) ? i + 1 : i;

	for (int j = i + 1; r->op[i]->group >= 0 && j < r->n; j++)
		if (r->op[j]->group == r->op[i]->group)
			last = j;
	return last - i + 1;
}

static void
fill_unit(struct play *p, struct unit *u)
{
	const struct op *op = p->r->op[u->at];

	u->starts = is_start(op);
	u->waits = op->code == OP_WAIT;
	u->bytes = u->starts ? cost_local_bytes(p->m, op) : 0;
	for (int i = 0; i < u->n; i++) {
		u->cost += cost_seconds(p->m, p->x, p->r->op[u->at + i]);
		effects_add(p->m, &u->e, p->r->op[u->at + i]);
	}
	/* An image takes the place of the last layer's, whose sum has gone when
	 * it has been added to the bundle. */
	if (op->code == OP_LOCAL && !op->out[0]->future)
		effects_add_bundle(p->m, &u->e, op->in[0].b);
	if (op->code == OP_ADAMW) /* only if what is returned is finite */
		effects_add(p->m, &u->e, region_last(p->r));
}

static void
make_units(struct play *p)
{
	p->u = NEW_N(p->m->mem, struct unit, (size_t)p->r->n);
	for (int i = 0; i < p->r->n; i += p->u[p->n - 1].n) {
		p->u[p->n] = (struct unit){.at = i,
		    .n = unit_length(p->r, i)};
		fill_unit(p, &p->u[p->n++]);
	}
}

static struct unit *
start_of(struct play *p, const struct unit *wait)
{
	const struct op *op = p->r->op[wait->at];

	for (struct unit *u = p->u; u < wait; u++)
		if (u->starts && op->in[0].v->def == p->r->op[u->at])
			return u;
	return NULL;
}

static bool
returns(const struct play *p, const struct unit *u)
{
	const struct op *ret = region_last(p->r);

	for (int i = 0; ret->code == OP_RETURN && i < ret->nin; i++)
		for (int j = 0; j < u->n; j++)
			if (ret->in[i].kind == ARG_VALUE &&
			    ret->in[i].v->def == p->r->op[u->at + j])
				return true;
	return false;
}

/* The optimizer only runs once what the step returns is known and finite. */
static bool
decides(const struct play *p, const struct unit *u, const struct unit *then)
{
	return p->r->op[then->at]->code == OP_ADAMW && returns(p, u);
}

/* What a unit must wait for: earlier units it conflicts with. */
static void
link_units(struct play *p)
{
	for (int i = 0; i < p->n; i++) {
		struct unit *u = &p->u[i];

		u->next = NEW_N(p->m->mem, int, (size_t)p->n);
		if (u->waits)
			u->start = start_of(p, u);
		for (int j = i + 1; j < p->n; j++)
			if (j == p->n - 1 || decides(p, u, &p->u[j]) ||
			    effects_conflict(&u->e, &p->u[j].e)) {
				u->next[u->nnext++] = j;
				p->u[j].needs++;
			}
	}
	for (int i = p->n - 1; i >= 0; i--) {
		struct unit *u = &p->u[i];

		for (int j = 0; j < u->nnext; j++)
			if (p->u[u->next[j]].way > u->way)
				u->way = p->u[u->next[j]].way;
		u->way += u->cost;
	}
}

static bool
ready(const struct unit *u)
{
	return !u->done && u->needs == 0;
}

static bool
fits(const struct play *p, const struct unit *u)
{
	return p->flight == 0 || p->flight + u->bytes <= p->cap;
}

/* Seconds the compute lane would stand still for u. */
static double
stall(const struct play *p, const struct unit *u)
{
	double left = u->start ? u->start->arrives - p->now : 0;

	return left > 0 ? left : 0;
}

static struct unit *
ready_start(struct play *p)
{
	struct unit *best = NULL;

	for (struct unit *u = p->u; u < p->u + p->n; u++)
		if (ready(u) && u->starts && fits(p, u) &&
		    (!best || u->way > best->way))
			best = u;
	return best;
}

/* The most urgent unit that needs no waiting. */
static struct unit *
ready_work(struct play *p)
{
	struct unit *best = NULL;

	for (struct unit *u = p->u; u < p->u + p->n; u++)
		if (ready(u) && !u->starts && stall(p, u) == 0 &&
		    (!best || u->way > best->way))
			best = u;
	return best;
}

static struct unit *
first_arrival(struct play *p)
{
	struct unit *best = NULL;

	for (struct unit *u = p->u; u < p->u + p->n; u++)
		if (ready(u) && stall(p, u) > 0 &&
		    (!best || stall(p, u) < stall(p, best)))
			best = u;
	return best;
}

/* Work beats standing still, unless it would hold back what is more urgent. */
static struct unit *
choose(struct play *p)
{
	struct unit *start = ready_start(p), *work, *wait;

	if (start)
		return start;
	work = ready_work(p);
	wait = first_arrival(p);
	if (!work || !wait)
		return work ? work : wait;
	return wait->way > work->way && work->cost > stall(p, wait) ? wait :
	    work;
}

static void
do_unit(struct play *p, struct unit *u)
{
	uint8_t lane = p->r->op[u->at]->lane;

	u->done = true;
	for (int i = 0; i < u->nnext; i++)
		p->u[u->next[i]].needs--;
	if (u->starts) {
		double from = p->lane[lane] > p->now ? p->lane[lane] : p->now;

		p->lane[lane] = u->arrives = from + u->cost;
		p->flight += u->bytes;
	} else {
		p->now += stall(p, u) + u->cost;
		p->flight -= u->start ? u->start->bytes : 0;
	}
}

/* A start that the cap holds back while nothing else is ready goes anyway. */
static struct unit *
any_ready(struct play *p)
{
	for (struct unit *u = p->u; u < p->u + p->n; u++)
		if (ready(u))
			return u;
	return NULL;
}

void
order_region(struct module *m, const struct machine *x, struct region *r,
    uint64_t cap)
{
	struct play p = {.m = m, .x = x, .r = r, .cap = cap};
	struct op **order = NEW_N(m->mem, struct op *, (size_t)r->n);
	int at = 0;

	make_units(&p);
	link_units(&p);
	while (at < r->n) {
		struct unit *u = choose(&p);

		u = u ? u : any_ready(&p);
		do_unit(&p, u);
		for (int i = 0; i < u->n; i++)
			order[at++] = r->op[u->at + i];
	}
	memcpy(r->op, order, sizeof *order * (size_t)r->n);
}
