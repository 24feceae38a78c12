/* Queries and keys of the steps of one attention, as runs of positions. */
#include "config.h"

#include "ir/coverage_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "ir/rules.h"

enum { FULL = 1, WINDOW = 2 };         /* mask_words */
enum { RUNS = 1 << (MAX_SHARDS + 1) }; /* of one dim on one rank */

static void *
grown(void *old, size_t n, size_t *cap, size_t size)
{
	void *p;

	if (n < *cap)
		return old;
	*cap = *cap * 2 + 64;
	p = realloc(old, *cap * size);
	if (!p)
		abort();
	return p;
}

void
pairs_add(struct pairs *p, const struct type *q, const struct type *k,
    const int64_t *loop)
{
	struct pair_visit *v;

	p->visit = grown(p->visit, p->n, &p->cap, sizeof *p->visit);
	v = &p->visit[p->n++];
	*v = (struct pair_visit){.q = q, .k = k};
	memcpy(v->loop, loop, sizeof v->loop);
}

void
pairs_free(struct pairs *p)
{
	free(p->visit);
}

static const struct dim *
position(const struct pairs *p, const struct type *t)
{
	return &t->d[type_position(p->m, t)];
}

/* ------------------------------------------------------------ by distance */

/* The same cuts, but for skews. */
static bool
cut_alike(const struct dim *a, const struct dim *b)
{
	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++) {
		if (a->s[i].kind == SHARD_PART ||
		    a->s[i].kind != b->s[i].kind || a->s[i].n != b->s[i].n)
			return false;
		for (int j = 0; j < a->s[i].n; j++)
			if (a->s[i].c[j].axis != b->s[i].c[j].axis)
				return false;
	}
	return true;
}

static int64_t
skew(const struct coord *c, const int64_t *loop)
{
	int64_t at = c->k;

	for (int i = 0; i < MAX_LOOPS; i++)
		at += c->lin[i] * loop[i];
	return at;
}

/* From the block of queries to the block of keys, in mixed radix. */
static uint64_t
distance(const struct pairs *p, const struct pair_visit *v)
{
	const struct dim *q = position(p, v->q), *k = position(p, v->k);
	uint64_t at = 0;

	for (int i = 0; i < q->n; i++)
		for (int j = 0; j < q->s[i].n; j++) {
			int64_t n = p->m->axis[q->s[i].c[j].axis].size;
			int64_t d = skew(&k->s[i].c[j], v->loop) -
			    skew(&q->s[i].c[j], v->loop);

			at = at * (uint64_t)n + (uint64_t)((d % n + n) % n);
		}
	return at;
}

static uint64_t
blocks(const struct pairs *p, const struct dim *d)
{
	return module_dim(p->m, d->name)->size / dim_local_size(p->m, d);
}

static bool
comparable(const struct pairs *p)
{
	const struct dim *first = position(p, p->visit[0].q);

	for (size_t i = 0; i < p->n; i++)
		if (!cut_alike(first, position(p, p->visit[i].q)) ||
		    !cut_alike(first, position(p, p->visit[i].k)))
			return false;
	return true;
}

/* Each block once, and once more in each of several parts. */
size_t
pairs_most(const struct pairs *p)
{
	return p->n == 0 ? 1 : 4 * blocks(p, position(p, p->visit[0].q)) + 64;
}

/* All distances once: then every block meets every other once. */
static bool
all_distances(const struct pairs *p)
{
	uint64_t n = blocks(p, position(p, p->visit[0].q));
	bool *seen, ok = true;

	if (p->n != n || !comparable(p))
		return false;
	seen = calloc(n, sizeof *seen);
	if (!seen)
		abort();
	for (size_t i = 0; i < p->n && ok; i++) {
		uint64_t d = distance(p, &p->visit[i]);

		ok = !seen[d];
		seen[d] = true;
	}
	free(seen);
	return ok;
}

/* ---------------------------------------------------------------- by rank */

struct meeting {
	struct run q, k;
};
struct meetings {
	struct meeting *m;
	size_t n, cap;
	uint64_t *edge; /* of queries, ascending */
	size_t nedge, edgecap;
};

static void
add_edge(struct meetings *l, uint64_t at)
{
	l->edge = grown(l->edge, l->nedge, &l->edgecap, sizeof *l->edge);
	l->edge[l->nedge++] = at;
}

static void
meet(const struct pairs *p, const struct pair_visit *v, const int *coord,
    struct meetings *l)
{
	struct run q[RUNS], k[RUNS];
	int nq = type_runs(p->m, v->q, type_position(p->m, v->q), coord,
	    v->loop, q, RUNS);
	int nk = type_runs(p->m, v->k, type_position(p->m, v->k), coord,
	    v->loop, k, RUNS);

	for (int i = 0; i < nq; i++) {
		add_edge(l, q[i].start);
		add_edge(l, q[i].start + q[i].len);
		for (int j = 0; j < nk; j++) {
			l->m = grown(l->m, l->n, &l->cap, sizeof *l->m);
			l->m[l->n++] = (struct meeting){q[i], k[j]};
		}
	}
}

/* The next rank along these axes; false after the last. */
static bool
next_rank(const struct module *m, axis_set axes, int *coord)
{
	for (int i = m->naxis - 1; i >= 0; i--) {
		if (!(axes >> i & 1))
			continue;
		if (++coord[i] < (int)m->axis[i].size)
			return true;
		coord[i] = 0;
	}
	return false;
}

static void
meet_all(const struct pairs *p, struct meetings *l)
{
	axis_set axes = 0;

	for (size_t i = 0; i < p->n; i++)
		axes |= dim_axes(position(p, p->visit[i].q)) |
		    dim_axes(position(p, p->visit[i].k));
	for (size_t i = 0; i < p->n; i++) {
		int coord[MAX_AXES] = {0};

		do
			meet(p, &p->visit[i], coord, l);
		while (next_rank(p->m, axes, coord));
	}
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
sort_edges(struct meetings *l, uint64_t size)
{
	size_t n = 0;

	add_edge(l, 0);
	add_edge(l, size);
	qsort(l->edge, l->nedge, sizeof *l->edge, by_number);
	for (size_t i = 0; i < l->nedge; i++)
		if (i == 0 || l->edge[i] != l->edge[n - 1])
			l->edge[n++] = l->edge[i];
	l->nedge = n;
}

/* Meetings whose queries span several edges become one for each. */
static void
split(struct meetings *l)
{
	size_t n = l->n;

	for (size_t i = 0; i < n; i++) {
		uint64_t end = l->m[i].q.start + l->m[i].q.len;
		uint64_t *e = bsearch(&l->m[i].q.start, l->edge, l->nedge,
		    sizeof *l->edge, by_number);

		l->m[i].q.len = e[1] - e[0];
		for (e++; *e < end; e++) {
			l->m = grown(l->m, l->n, &l->cap, sizeof *l->m);
			l->m[l->n++] = (struct meeting){
			    {e[0], e[1] - e[0]}, l->m[i].k};
		}
	}
}

static int
by_place(const void *a, const void *b)
{
	const struct meeting *x = a, *y = b;

	if (x->q.start != y->q.start)
		return x->q.start < y->q.start ? -1 : 1;
	return x->k.start < y->k.start ? -1 : x->k.start > y->k.start;
}

/* Keys that some of these queries see. */
static struct run
wanted(const struct pairs *p, struct run q, uint64_t size)
{
	uint64_t end = p->mask == FULL ? size : q.start + q.len;
	uint64_t lo = p->mask == WINDOW && q.start + 1 > p->window
	    ? q.start + 1 - p->window : 0;

	return (struct run){lo, end - lo};
}

static bool
hole(struct hole *h, struct run q, uint64_t from, uint64_t to, int times)
{
	*h = (struct hole){q, {from, to - from}, times};
	return false;
}

/* Meetings m[0..n) of the queries q, sorted, are the wanted keys, once each. */
static bool
exactly_once(const struct pairs *p, struct run q, uint64_t size,
    const struct meeting *m, size_t n, struct hole *h)
{
	struct run want = wanted(p, q, size);
	uint64_t at = want.start, end = at + want.len;

	for (size_t i = 0; i < n; i++) {
		uint64_t lo = m[i].k.start, hi = lo + m[i].k.len;

		if (hi <= want.start || lo >= end)
			continue;
		lo = lo < want.start ? want.start : lo;
		hi = hi > end ? end : hi;
		if (lo > at)
			return hole(h, q, at, lo, 0);
		if (lo < at)
			return hole(h, q, lo, hi < at ? hi : at, 2);
		at = hi;
	}
	return at >= end || hole(h, q, at, end, 0);
}

static bool
check_meetings(const struct pairs *p, const struct meetings *l, uint64_t size,
    struct hole *h)
{
	size_t at = 0;

	for (size_t e = 0; e + 1 < l->nedge; e++) {
		struct run q = {l->edge[e], l->edge[e + 1] - l->edge[e]};
		size_t n = 0;

		while (at + n < l->n && l->m[at + n].q.start == q.start)
			n++;
		if (!exactly_once(p, q, size, l->m + at, n, h))
			return false;
		at += n;
	}
	return true;
}

bool
pairs_complete(const struct pairs *p, struct hole *h)
{
	struct meetings l = {0};
	uint64_t size;
	bool ok;

	if (p->n == 0 || all_distances(p))
		return true;
	size = module_dim(p->m, position(p, p->visit[0].q)->name)->size;
	meet_all(p, &l);
	sort_edges(&l, size);
	split(&l);
	qsort(l.m, l.n, sizeof *l.m, by_place);
	ok = check_meetings(p, &l, size, h);
	free(l.m);
	free(l.edge);
	return ok;
}
