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

#include "passes/units.h"

struct play {
	struct units units;
	struct queue starts, work, waits; /* what is ready; for transfers */
	double now, lane[LANE_COUNT];     /* when each is free */
	uint64_t flight, cap;
};

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

/* All that u depends on is done. */
static void
make_ready(struct play *p, struct unit *u)
{
	struct queue *q = u->starts ? &p->starts :
	    stall(p, u) > 0 ? &p->waits : &p->work;

	queue_put(q, u);
}

/* What has arrived needs no waiting. */
static void
note_arrivals(struct play *p)
{
	while (p->waits.n && stall(p, p->waits.u[0]) == 0)
		queue_put(&p->work, queue_take(&p->waits, 0));
}

static bool
first(const struct queue *q, int i)
{
	for (int j = 0; j < q->n; j++)
		if (q->u[j]->at < q->u[i]->at)
			return false;
	return true;
}

/* The most urgent start that the cap lets go; if all others wait for one that
 * it holds back, the first of these goes anyway. */
static struct unit *
take_start(struct play *p)
{
	struct queue *q = &p->starts;
	bool must = p->work.n == 0 && p->waits.n == 0;
	int best = -1;

	if (q->n && fits(p, q->u[0]))
		return queue_take(q, 0);
	for (int i = 0; i < q->n; i++)
		if (fits(p, q->u[i]) && (best < 0 ||
		    queue_before(q, q->u[i], q->u[best])))
			best = i;
	for (int i = 0; must && best < 0 && i < q->n; i++)
		if (first(q, i))
			best = i;
	return best < 0 ? NULL : queue_take(q, best);
}

/* Work beats standing still, unless it would hold back what is more urgent. */
static struct unit *
choose(struct play *p)
{
	struct unit *start = take_start(p), *work, *wait;

	if (start)
		return start;
	work = p->work.n ? p->work.u[0] : NULL;
	wait = p->waits.n ? p->waits.u[0] : NULL;
	if (!work || (wait && wait->way > work->way &&
	    work->cost > stall(p, wait)))
		return queue_take(&p->waits, 0);
	return queue_take(&p->work, 0);
}

static void
do_unit(struct play *p, struct unit *u)
{
	uint8_t lane = p->units.r->op[u->at]->lane;

	if (u->starts) {
		double from = p->lane[lane] > p->now ? p->lane[lane] : p->now;

		p->lane[lane] = u->arrives = from + u->cost;
		p->flight += u->bytes;
	} else {
		p->now += stall(p, u) + u->cost;
		p->flight -= u->start ? u->start->bytes : 0;
	}
	for (const struct edge *e = u->then; e; e = e->next)
		if (--p->units.u[e->to].needs == 0)
			make_ready(p, &p->units.u[e->to]);
	note_arrivals(p);
}

static void
make_queue(struct play *p, struct queue *q)
{
	q->u = NEW_N(p->units.m->mem, struct unit *, (size_t)p->units.n);
}

static void
open_queues(struct play *p)
{
	make_queue(p, &p->starts);
	make_queue(p, &p->work);
	make_queue(p, &p->waits);
	p->waits.arrivals = true;
	for (int i = 0; i < p->units.n; i++)
		if (p->units.u[i].needs == 0)
			make_ready(p, &p->units.u[i]);
}

void
order_region(struct module *m, const struct machine *x, struct region *r,
    uint64_t cap)
{
	struct play p = {.units = {.m = m, .x = x, .r = r}, .cap = cap};
	struct op **order = NEW_N(m->mem, struct op *, (size_t)r->n);
	int at = 0;

	units_make(&p.units);
	units_link(&p.units);
	open_queues(&p);
	while (at < r->n) {
		struct unit *u = choose(&p);

		for (int i = 0; i < u->n; i++)
			order[at++] = r->op[u->at + i];
		do_unit(&p, u);
	}
	memcpy(r->op, order, sizeof *order * (size_t)r->n);
}
