/*
 * A tree over time.  Each node stands for a range of ticks and has two sets of
 * bytes: what is taken in all of the range by rectangles that were cut into
 * nodes there, and what is taken below it in any part of the range.
 *
 *   ticks 0 .. 7               a rectangle over ticks 1 .. 5 is cut into
 *                              1, 2-3 and 4-5; over 3 .. 4 meet it:
 *       0-7                      below 3 and 4, and in all of 3, 2-3, 0-3,
 *     0-3   4-7                  4, 4-5, 4-7, 0-7
 *   0-1 2-3 4-5 6-7
 *
 * Sets are runs in order, those that touch made one: what lies in a stack, as
 * the saved values of layers do, is a run, however many there are.
 */
#include "config.h"

#include "passes/taken.h"

#include <string.h>

struct run {
	uint64_t lo, hi;
};

struct set {
	struct run *run; /* in order, with bytes between them */
	int n, cap;
};

struct taken {
	struct arena *mem;
	int leaves;                /* leaf of a tick: node leaves + tick */
	struct set *whole, *below; /* by node; children of i: 2i and 2i+1 */
	uint64_t steps;
};

enum { DEPTH = 32 };

struct taken *
taken_new(struct arena *mem, int ticks)
{
	struct taken *t = NEW(mem, struct taken);

	t->mem = mem;
	t->leaves = 1;
	while (t->leaves < ticks)
		t->leaves *= 2;
	t->whole = NEW_N(mem, struct set, (size_t)t->leaves * 2);
	t->below = NEW_N(mem, struct set, (size_t)t->leaves * 2);
	return t;
}

uint64_t
taken_steps(const struct taken *t)
{
	return t->steps;
}

/* The first run that ends at `at` or behind it. */
static int
first_run(struct taken *t, const struct set *s, uint64_t at)
{
	int lo = 0, hi = s->n;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		t->steps++;
		if (s->run[mid].hi < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
make_room(struct taken *t, struct set *s)
{
	struct run *old = s->run;

	if (s->n < s->cap)
		return;
	s->cap = s->cap ? 2 * s->cap : 4;
	s->run = NEW_N(t->mem, struct run, (size_t)s->cap);
	if (s->n)
		memcpy(s->run, old, (size_t)s->n * sizeof *old);
}

static void
add_run(struct taken *t, struct set *s, struct run x)
{
	int i = first_run(t, s, x.lo), j = i;

	for (; j < s->n && s->run[j].lo <= x.hi; j++) {
		x.lo = s->run[j].lo < x.lo ? s->run[j].lo : x.lo;
		x.hi = s->run[j].hi > x.hi ? s->run[j].hi : x.hi;
	}
	make_room(t, s);
	t->steps += (uint64_t)(s->n - i) + 1;
	memmove(&s->run[i + 1], &s->run[j],
	    (size_t)(s->n - j) * sizeof *s->run);
	s->run[i] = x;
	s->n += 1 - (j - i);
}

/* The nodes that ticks from .. to are cut into. */
static int
cut(const struct taken *t, int from, int to, int *node)
{
	int n = 0, l = t->leaves + from, r = t->leaves + to + 1;

	for (; l < r; l /= 2, r /= 2) {
		if (l % 2)
			node[n++] = l++;
		if (r % 2)
			node[n++] = --r;
	}
	return n;
}

void
taken_add(struct taken *t, int from, int to, uint64_t lo, uint64_t hi)
{
	int node[2 * DEPTH], n = cut(t, from, to, node);
	struct run x = {lo, hi};

	if (lo >= hi)
		return;
	for (int i = 0; i < n; i++)
		add_run(t, &t->whole[node[i]], x);
	/* above both ends of the range, and no others, are nodes of it below */
	for (int i = t->leaves + from; i >= 1; i /= 2)
		add_run(t, &t->below[i], x);
	for (int i = t->leaves + to; i >= 1; i /= 2)
		add_run(t, &t->below[i], x);
	for (int i = 0; i < n; i++)
		add_run(t, &t->below[node[i]], x);
}

/* at, or behind the runs that are in the way there. */
static uint64_t
pass_runs(struct taken *t, const struct set *s, uint64_t at, uint64_t need)
{
	int i = first_run(t, s, at + 1);

	for (; i < s->n && s->run[i].lo < at + need; i++) {
		t->steps++;
		at = s->run[i].hi;
	}
	return at;
}

uint64_t
taken_lowest(struct taken *t, int from, int to, uint64_t need)
{
	const struct set *set[4 * DEPTH];
	int node[2 * DEPTH], n = 0, nnode = cut(t, from, to, node);
	uint64_t at = 0;

	for (int i = 0; i < nnode; i++)
		set[n++] = &t->below[node[i]];
	for (int i = t->leaves + from; i >= 1; i /= 2)
		set[n++] = &t->whole[i];
	for (int i = t->leaves + to; i >= 1; i /= 2)
		set[n++] = &t->whole[i];
	/* all agree when as many as there are have found nothing in the way */
	for (int i = 0, quiet = 0; quiet < n; i = (i + 1) % n) {
		uint64_t next = pass_runs(t, set[i], at, need);

		quiet = next == at ? quiet + 1 : 1;
		at = next;
	}
	return at;
}
