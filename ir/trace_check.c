/*
 * Traces of all ranks: do transfers match, and do they complete?
 *
 * Matching compares each member of a communicator with its first one, transfer
 * by transfer.  Running them one at a time per rank then is a queue: a rank
 * arrives at its next transfer, the last member to arrive completes it, and all
 * members go on.  Both take time in proportion to what is posted.
 */
#include "config.h"

#include "ir/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support/buf.h"

struct channel { /* a lane and a set of axes: a communicator per group */
	uint8_t lane;
	axis_set group;
	uint32_t members;
};

struct check {
	struct module *m;
	const struct trace *const *rank;
	uint32_t nrank;
	struct channel *ch;
	int nch, chcap;
	/* Transfers of rank r on channel c: list[at[r * nch + c] ...]. */
	uint32_t *at, *n, *list;
	bool failed;
};

static void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (!p)
		abort();
	return p;
}

/* ---- who ---- */

static uint32_t
members(const struct module *m, axis_set group)
{
	uint32_t n = 1;

	for (int i = 0; i < m->naxis; i++)
		if (group >> i & 1)
			n *= m->axis[i].size;
	return n;
}

/* Member number i of the rank's group, in the mesh's order. */
static uint32_t
member(const struct module *m, axis_set group, uint32_t rank, uint32_t i)
{
	int coord[MAX_AXES];

	mesh_coord(m, rank, coord);
	for (int a = m->naxis - 1; a >= 0; a--)
		if (group >> a & 1) {
			coord[a] = (int)(i % m->axis[a].size);
			i /= m->axis[a].size;
		}
	return mesh_rank(m, coord);
}

/* The rank at `by` steps on each axis, sign times. */
static uint32_t
neighbour(const struct module *m, uint32_t rank, const struct trace_op *t,
    int sign)
{
	int coord[MAX_AXES];

	mesh_coord(m, rank, coord);
	for (int a = 0; a < m->naxis; a++) {
		int n = (int)m->axis[a].size;

		coord[a] = ((coord[a] + sign * t->by[a]) % n + n) % n;
	}
	return mesh_rank(m, coord);
}

static int
find_channel(struct check *c, const struct trace_op *t)
{
	for (int i = 0; i < c->nch; i++)
		if (c->ch[i].lane == t->lane && c->ch[i].group == t->group)
			return i;
	if (c->nch == c->chcap) {
		c->chcap = 2 * c->chcap + 16;
		c->ch = realloc(c->ch, (size_t)c->chcap * sizeof *c->ch);
		if (!c->ch)
			abort();
	}
	c->ch[c->nch] = (struct channel){t->lane, t->group,
	    members(c->m, t->group)};
	return c->nch++;
}

/* ---- messages ---- */

static void
put_axes(struct buf *b, const struct module *m, axis_set group)
{
	const char *sep = "";

	for (int i = 0; i < m->naxis; i++)
		if (group >> i & 1) {
			buf_printf(b, "%s%s", sep, m->axis[i].name);
			sep = ",";
		}
}

static void
put_rank(struct buf *b, const struct module *m, uint32_t rank)
{
	int coord[MAX_AXES];

	mesh_coord(m, rank, coord);
	buf_printf(b, "rank %u (", rank);
	for (int i = 0; i < m->naxis; i++)
		buf_printf(b, "%s%s=%d", i ? " " : "", m->axis[i].name,
		    coord[i]);
	buf_puts(b, ")");
}

static void
put_transfer(struct buf *b, const struct trace_op *t)
{
	buf_printf(b, "%s of %" PRIu64 " %s", op_info[t->kind].name, t->count,
	    dtype_name[t->dtype]);
	if (!t->func)
		return;
	buf_printf(b, " (fn %s", t->func->name);
	for (int i = 0; i < t->niter; i++)
		buf_printf(b, "%s%d", i ? "," : " at ", t->iter[i]);
	buf_puts(b, ")");
}

static void
put_channel(struct buf *b, const struct module *m, const struct trace_op *t)
{
	buf_printf(b, "lane %s over ", lane_name[t->lane]);
	put_axes(b, m, t->group);
}

static bool
report(struct check *c, const struct trace_op *t, struct buf *b)
{
	diag_error(c->m->diag, t && t->op ? t->op->at : (struct span){0},
	    "communication: %s", buf_text(b));
	buf_free(b);
	c->failed = true;
	return false;
}

/* ---- matching ---- */

static const struct trace_op *
transfer(const struct check *c, uint32_t rank, int ch, uint32_t k)
{
	size_t i = (size_t)rank * (size_t)c->nch + (size_t)ch;

	return &c->rank[rank]->op[c->list[c->at[i] + k]];
}

static uint32_t
count(const struct check *c, uint32_t rank, int ch)
{
	return c->n[(size_t)rank * (size_t)c->nch + (size_t)ch];
}

static bool
same_wire(const struct trace_op *a, const struct trace_op *b)
{
	return a->kind == b->kind && a->count == b->count &&
	    a->dtype == b->dtype;
}

static bool
same_source(const struct trace_op *a, const struct trace_op *b)
{
	return a->op == b->op && a->part == b->part && a->niter == b->niter &&
	    memcmp(a->iter, b->iter, sizeof a->iter) == 0;
}

static bool
mismatch(struct check *c, uint32_t k, uint32_t first, const struct trace_op *a,
    uint32_t rank, const struct trace_op *b)
{
	struct buf t = {0};

	buf_printf(&t, "transfer %u on ", k);
	put_channel(&t, c->m, a);
	buf_puts(&t, " is ");
	put_transfer(&t, a);
	buf_puts(&t, " on ");
	put_rank(&t, c->m, first);
	buf_puts(&t, ", but ");
	put_transfer(&t, b);
	buf_puts(&t, " on ");
	put_rank(&t, c->m, rank);
	return report(c, a, &t);
}

static bool
missing(struct check *c, uint32_t k, uint32_t has, const struct trace_op *a,
    uint32_t lacks)
{
	struct buf t = {0};

	buf_printf(&t, "transfer %u on ", k);
	put_channel(&t, c->m, a);
	buf_puts(&t, ", ");
	put_transfer(&t, a);
	buf_puts(&t, " on ");
	put_rank(&t, c->m, has);
	buf_puts(&t, ", is never joined by ");
	put_rank(&t, c->m, lacks);
	return report(c, a, &t);
}

static bool
match_members(struct check *c, int ch, uint32_t first, uint32_t rank)
{
	uint32_t a = count(c, first, ch), b = count(c, rank, ch);

	for (uint32_t k = 0; k < a && k < b; k++) {
		const struct trace_op *x = transfer(c, first, ch, k);
		const struct trace_op *y = transfer(c, rank, ch, k);

		if (!same_wire(x, y) || !same_source(x, y))
			return mismatch(c, k, first, x, rank, y);
	}
	if (a > b)
		return missing(c, b, first, transfer(c, first, ch, b), rank);
	if (b > a)
		return missing(c, a, rank, transfer(c, rank, ch, a), first);
	return true;
}

/* What this rank sends, its peer expects from this rank. */
static bool
match_shift(struct check *c, int ch, uint32_t rank, uint32_t k)
{
	const struct trace_op *t = transfer(c, rank, ch, k), *p;
	uint32_t to, from;
	struct buf b = {0};

	if (t->kind != OP_SHIFT)
		return true;
	to = neighbour(c->m, rank, t, 1);
	p = transfer(c, to, ch, k);
	from = neighbour(c->m, to, p, -1);
	if (from == rank)
		return true;
	put_rank(&b, c->m, rank);
	buf_printf(&b, " sends transfer %u on ", k);
	put_channel(&b, c->m, t);
	buf_puts(&b, " to ");
	put_rank(&b, c->m, to);
	buf_puts(&b, ", which expects it from ");
	put_rank(&b, c->m, from);
	return report(c, t, &b);
}

static bool
match_all(struct check *c)
{
	for (int ch = 0; ch < c->nch; ch++)
		for (uint32_t r = 0; r < c->nrank; r++) {
			uint32_t f = member(c->m, c->ch[ch].group, r, 0);

			if (c->rank[f] != c->rank[r] &&
			    !match_members(c, ch, f, r))
				return false;
		}
	for (int ch = 0; ch < c->nch; ch++)
		for (uint32_t r = 0; r < c->nrank; r++)
			for (uint32_t k = 0; k < count(c, r, ch); k++)
				if (!match_shift(c, ch, r, k))
					return false;
	return true;
}

/* ---- one at a time ---- */

struct serial {
	struct check *c;
	uint32_t *pos;     /* of each rank in its trace */
	uint32_t *arrived; /* by channel and first member */
	uint32_t *todo;    /* ranks that may go on */
	uint32_t ntodo;
};

static const struct trace_op *
head(const struct serial *s, uint32_t rank)
{
	const struct trace *t = s->c->rank[rank];

	return s->pos[rank] < (uint32_t)t->n ? &t->op[s->pos[rank]] : NULL;
}

/* The rank stands before its next transfer; the last one lets all go on. */
static void
arrive(struct serial *s, uint32_t rank)
{
	const struct trace_op *t = head(s, rank);
	const struct check *c = s->c;
	uint32_t first, *n;
	int ch;

	if (!t)
		return;
	ch = find_channel(s->c, t);
	first = member(c->m, t->group, rank, 0);
	n = &s->arrived[(size_t)first * (size_t)c->nch + (size_t)ch];
	if (++*n < c->ch[ch].members)
		return;
	*n = 0;
	for (uint32_t i = 0; i < c->ch[ch].members; i++) {
		uint32_t r = member(c->m, t->group, rank, i);

		s->pos[r]++;
		s->todo[s->ntodo++] = r;
	}
}

/* A member of what the rank stands before that stands elsewhere. */
static uint32_t
waits_for(const struct serial *s, uint32_t rank)
{
	const struct check *c = s->c;
	const struct trace_op *t = head(s, rank), *u;
	uint32_t n = members(c->m, t->group);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t r = member(c->m, t->group, rank, i);

		u = head(s, r);
		if (!u || u->lane != t->lane || u->group != t->group)
			return r;
	}
	return rank;
}

static bool
deadlock(struct serial *s, uint32_t rank)
{
	struct check *c = s->c;
	const struct trace_op *t;
	uint32_t start;
	struct buf b = {0};

	for (uint32_t i = 0; i < c->nrank; i++) /* into the cycle */
		if (head(s, rank))
			rank = waits_for(s, rank);
	start = rank;
	buf_puts(&b, "deadlock if each rank runs one transfer at a time: ");
	do {
		t = head(s, rank);
		put_rank(&b, c->m, rank);
		if (!t) {
			buf_puts(&b, " has nothing left to send");
			break;
		}
		buf_puts(&b, " in ");
		put_transfer(&b, t);
		buf_puts(&b, " on ");
		put_channel(&b, c->m, t);
		buf_puts(&b, " waits for ");
		rank = waits_for(s, rank);
	} while (rank != start);
	if (rank == start)
		buf_printf(&b, "rank %u", rank);
	return report(c, head(s, start), &b);
}

static bool
run_serially(struct check *c)
{
	size_t n = c->nrank;
	struct serial s = {.c = c,
	    .pos = alloc(n, sizeof *s.pos),
	    .arrived = alloc(n * (size_t)c->nch, sizeof *s.arrived),
	    .todo = alloc(n, sizeof *s.todo)};
	bool ok = true;

	for (uint32_t r = 0; r < c->nrank; r++)
		s.todo[s.ntodo++] = r;
	while (s.ntodo)
		arrive(&s, s.todo[--s.ntodo]);
	for (uint32_t r = 0; r < c->nrank && ok; r++)
		if (head(&s, r))
			ok = deadlock(&s, r);
	free(s.pos);
	free(s.arrived);
	free(s.todo);
	return ok;
}

/* ---- all of it ---- */

static void
index_transfers(struct check *c)
{
	size_t slots, total = 0, at = 0;

	for (uint32_t r = 0; r < c->nrank; r++)
		for (int i = 0; i < c->rank[r]->n; i++, total++)
			find_channel(c, &c->rank[r]->op[i]);
	slots = c->nrank * (size_t)c->nch;
	c->at = alloc(slots, sizeof *c->at);
	c->n = alloc(slots, sizeof *c->n);
	c->list = alloc(total, sizeof *c->list);
	for (uint32_t r = 0; r < c->nrank; r++)
		for (int i = 0; i < c->rank[r]->n; i++)
			c->n[r * (size_t)c->nch + (size_t)find_channel(c,
			    &c->rank[r]->op[i])]++;
	for (size_t i = 0; i < slots; i++) {
		c->at[i] = (uint32_t)at;
		at += c->n[i];
		c->n[i] = 0;
	}
	for (uint32_t r = 0; r < c->nrank; r++)
		for (int i = 0; i < c->rank[r]->n; i++) {
			size_t j = r * (size_t)c->nch + (size_t)find_channel(c,
			    &c->rank[r]->op[i]);

			c->list[c->at[j] + c->n[j]++] = (uint32_t)i;
		}
}

static int
different(const struct check *c)
{
	int n = 0;

	for (uint32_t i = 0; i < c->nrank; i++) {
		bool seen = false;

		for (uint32_t j = 0; j < i && !seen; j++)
			seen = c->rank[j] == c->rank[i];
		n += !seen;
	}
	return n;
}

/*
 * One trace for all.  Members of a group post the same list, so the k-th
 * transfers are one and the same, and a shift by +n is expected from -n: the
 * mesh looks alike from everywhere.  The list itself is an order that all
 * ranks keep, so the first transfer that is left can always run.
 */
static bool
check_one(struct check *c)
{
	for (int i = 0; i < c->rank[0]->n; i++)
		find_channel(c, &c->rank[0]->op[i]);
	return true;
}

static bool
check_many(struct check *c)
{
	bool ok;

	index_transfers(c);
	ok = match_all(c) && run_serially(c);
	free(c->at);
	free(c->n);
	free(c->list);
	return ok;
}

static uint64_t
transfers(const struct check *c)
{
	uint64_t posted = 0;

	if (different(c) > 1) {
		for (uint32_t r = 0; r < c->nrank; r++)
			for (int i = 0; i < c->rank[r]->n; i++)
				posted += member(c->m, c->rank[r]->op[i].group,
				    r, 0) == r;
		return posted;
	}
	for (int i = 0; i < c->rank[0]->n; i++)
		posted += c->nrank / members(c->m, c->rank[0]->op[i].group);
	return posted;
}

bool
trace_check(struct module *m, const struct trace *const *rank,
    struct trace_sum *sum)
{
	struct check c = {.m = m, .rank = rank, .nrank = mesh_ranks(m)};
	bool ok;

	sum->traces = different(&c);
	ok = sum->traces == 1 ? check_one(&c) : check_many(&c);
	sum->transfers = transfers(&c);
	sum->communicators = c.nch;
	free(c.ch);
	return ok;
}
