#include "config.h"

#include "passes/units.h"

#include "ir/group.h"
#include "plan/cost.h"

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
unit_length(const struct groups *g, int i)
{
	if (g->r->op[i]->group >= 0)
		return g->last[i] - i + 1;
	return head_stores(g->r, i) ? 2 : 1;
}

static void
fill_unit(struct units *p, struct unit *u)
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

void
units_make(struct units *p)
{
	struct groups g = groups_of(p->m->mem, p->r);

	p->u = NEW_N(p->m->mem, struct unit, (size_t)p->r->n);
	for (int i = 0; i < p->r->n; i += p->u[p->n - 1].n) {
		p->u[p->n] = (struct unit){.at = i,
		    .n = unit_length(&g, i)};
		fill_unit(p, &p->u[p->n++]);
	}
}

/* ------------------------------------------------------------------ queues */

bool
queue_before(const struct queue *q, const struct unit *a, const struct unit *b)
{
	if (q->arrivals && a->start->arrives != b->start->arrives)
		return a->start->arrives < b->start->arrives;
	if (!q->arrivals && a->way != b->way)
		return a->way > b->way;
	return a->at < b->at;
}

static void
swap(struct queue *q, int i, int j)
{
	struct unit *u = q->u[i];

	q->u[i] = q->u[j];
	q->u[j] = u;
}

static int
rise(struct queue *q, int i)
{
	for (; i > 0 && queue_before(q, q->u[i], q->u[(i - 1) / 2]);
	    i = (i - 1) / 2)
		swap(q, i, (i - 1) / 2);
	return i;
}

static void
sink(struct queue *q, int i)
{
	for (int child; (child = 2 * i + 1) < q->n; i = child) {
		if (child + 1 < q->n &&
		    queue_before(q, q->u[child + 1], q->u[child]))
			child++;
		if (!queue_before(q, q->u[child], q->u[i]))
			return;
		swap(q, i, child);
	}
}

void
queue_put(struct queue *q, struct unit *u)
{
	q->u[q->n++] = u;
	rise(q, q->n - 1);
}

struct unit *
queue_take(struct queue *q, int i)
{
	struct unit *u = q->u[i];

	swap(q, i, --q->n);
	if (i < q->n)
		sink(q, rise(q, i));
	return u;
}
