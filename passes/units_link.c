/*
 * Which units wait for which.  All reads and writes of the region, sorted by
 * place: the accesses of a field of a bundle or value in the order of units,
 * and those of all its fields.  With few of the latter the edges are about as
 * many as the accesses.
 */
#include "config.h"

#include <stdlib.h>

#include "passes/units.h"

struct access {
	const void *what;
	int field, unit; /* field -1: all */
	bool write;
};

static int
by_place(const void *a, const void *b)
{
	const struct access *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->what, q = (uintptr_t)y->what;

	if (p != q)
		return p < q ? -1 : 1;
	if (x->field != y->field)
		return x->field < y->field ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static void
join(struct units *p, int from, int to)
{
	struct edge *e;

	if (from == to)
		return;
	e = NEW(p->m->mem, struct edge);
	*e = (struct edge){to, p->u[from].then};
	p->u[from].then = e;
	p->u[to].needs++;
}

/* a[0..n): of one place, by units; those of one unit are one access. */
static void
link_run(struct units *p, const struct access *a, int n)
{
	int wrote = -1, from = 0; /* the last write; reads since then */

	for (int i = 0, end; i < n; i = end) {
		bool write = false;

		for (end = i; end < n && a[end].unit == a[i].unit; end++)
			write |= a[end].write;
		if (wrote >= 0)
			join(p, wrote, a[i].unit);
		for (int j = from; write && j < i; j++)
			if (j == from || a[j].unit != a[j - 1].unit)
				join(p, a[j].unit, a[i].unit);
		if (write) {
			wrote = a[i].unit;
			from = end;
		}
	}
}

/* An access of all fields, and those of one field each. */
static void
link_whole(struct units *p, const struct access *whole, const struct access *a,
    int n)
{
	for (int i = 0; i < n; i++)
		if (whole->write || a[i].write)
			join(p, whole->unit < a[i].unit ? whole->unit :
			    a[i].unit, whole->unit < a[i].unit ? a[i].unit :
			    whole->unit);
}

/* a[0..n): of one bundle or value. */
static void
link_thing(struct units *p, const struct access *a, int n)
{
	int whole = 0;

	for (int i = 0, end; i < n; i = end) {
		for (end = i; end < n && a[end].field == a[i].field; end++)
			;
		link_run(p, a + i, end - i);
		whole = a[i].field < 0 ? end : whole;
	}
	for (int i = 0; i < whole; i++)
		link_whole(p, &a[i], a + whole, n - whole);
}

static void
link_accesses(struct units *p)
{
	struct access *a;
	int n = 0;

	for (int i = 0; i < p->n; i++)
		n += p->u[i].e.n;
	a = NEW_N(p->m->mem, struct access, (size_t)n + 1);
	n = 0;
	for (int i = 0; i < p->n; i++)
		for (int j = 0; j < p->u[i].e.n; j++) {
			const struct effect *e = &p->u[i].e.e[j];

			a[n++] = (struct access){e->what, e->field, i,
			    e->write};
		}
	qsort(a, (size_t)n, sizeof *a, by_place);
	for (int i = 0, end; i < n; i = end) {
		for (end = i; end < n && a[end].what == a[i].what; end++)
			;
		link_thing(p, a + i, end - i);
	}
}

static bool
returns(const struct units *p, const struct unit *u)
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
static void
link_optimizer(struct units *p)
{
	for (int i = 0; i < p->n; i++)
		for (int j = i + 1; returns(p, &p->u[i]) && j < p->n; j++)
			if (p->r->op[p->u[j].at]->code == OP_ADAMW)
				join(p, i, j);
}

/* One more than the ids of what starts make. */
static int
count_ids(const struct units *p)
{
	int n = 0;

	for (int i = 0; i < p->n; i++) {
		const struct op *op = p->r->op[p->u[i].at];

		for (int j = 0; p->u[i].starts && j < op->nout; j++)
			if (op->out[j]->id >= n)
				n = op->out[j]->id + 1;
	}
	return n;
}

/* The start of each wait: the unit that made the value it waits for. */
static void
link_starts(struct units *p)
{
	int n = count_ids(p);
	struct unit **start = NEW_N(p->m->mem, struct unit *, (size_t)n + 1);

	for (int i = 0; i < p->n; i++) {
		const struct op *op = p->r->op[p->u[i].at];

		for (int j = 0; p->u[i].starts && j < op->nout; j++)
			start[op->out[j]->id] = &p->u[i];
		if (p->u[i].waits && op->in[0].v->id < n)
			p->u[i].start = start[op->in[0].v->id];
	}
}

static void
find_ways(struct units *p)
{
	for (int i = p->n - 1; i >= 0; i--) {
		struct unit *u = &p->u[i];

		for (const struct edge *e = u->then; e; e = e->next)
			if (p->u[e->to].way > u->way)
				u->way = p->u[e->to].way;
		u->way += u->cost;
	}
}

void
units_link(struct units *p)
{
	link_accesses(p);
	link_optimizer(p);
	link_starts(p);
	for (int i = 0; i + 1 < p->n; i++) /* the last one stays last */
		join(p, i, p->n - 1);
	find_ways(p);
}
