/*
 * The rules, on a log.
 *
 * Order: calls that touch memory are numbered on their stream, and a call knows
 * of each stream how far it is behind it (a vector clock).  It has to be behind
 * the last one of each other stream that touches the same line, where one of
 * the two writes; what that is does not depend on events, and is found once.
 */
#include "tests/gpu/order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/main/memory.h"

enum { PER = LT_STREAMS, STREAMS = RECORD_RANKS * PER, SLOTS = 4096,
	PLANNED = 256 };

struct slot {
	char name[96];
	int arena;
	uint64_t offset, size, count, stride;
};

/* Of a line: the last calls of a stream that wrote and read it, from 1. */
struct seen {
	uint32_t wrote, read;
};

struct order {
	const struct call_log *log;
	const struct lt_program *prog;
	int ranks, threads;
	struct slot slot[SLOTS];
	int nslot;
	struct { /* in the order of the plan */
		char fn[64], move[96];
	} planned[PLANNED];
	int nplanned;
	int index[STREAMS], nused; /* of the streams that work: 0.. */
	uint32_t *number;      /* [call]: on its stream, from 1; 0: none */
	uint64_t hash;         /* of what each call is behind */
	uint32_t *need;        /* [call][nused]: is to be behind that number */
};

static void *
zeroed(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (!p)
		abort();
	return p;
}

static int
stream_of(const struct call *c)
{
	return c->rank * PER + (int)c->stream;
}

/* ---- the plan ---- */

static const char *const arenas[LT_ARENAS] = {"state", "keep", "act", "io",
	"host", "work"};

static int
arena_of(const char *name)
{
	for (int i = 0; i < LT_ARENAS; i++)
		if (strcmp(arenas[i], name) == 0)
			return i;
	abort();
}

/* Frames are the sums of what is in them. */
static bool
is_frame(const char *name)
{
	size_t n = strlen(name);

	return n > 6 && strcmp(name + n - 6, ".frame") == 0;
}

static void
read_line(struct order *o, const char *s)
{
	struct slot x = {.arena = 0};
	char arena[16], fn[64], result[64];

	if (sscanf(s, " {\"name\": \"%95[^\"]\", \"arena\": \"%15[^\"]\", "
	    "\"offset\": %" SCNu64 ", \"size\": %" SCNu64 ", \"count\": %"
	    SCNu64 ", \"stride\": %" SCNu64, x.name, arena, &x.offset,
	    &x.size, &x.count, &x.stride) == 6 && !is_frame(x.name) &&
	    o->nslot < SLOTS) {
		x.arena = arena_of(arena);
		o->slot[o->nslot++] = x;
	}
	if (sscanf(s, " {\"fn\": \"%63[^\"]\", \"result\": \"%63[^\"]\", "
	    "\"op\": ", fn, result) == 2 && !strstr(s, "\"ho\"") &&
	    !strstr(s, "\"hi\"") && o->nplanned < PLANNED) {
		snprintf(o->planned[o->nplanned].fn, 64, "%s", fn);
		snprintf(o->planned[o->nplanned++].move, 96, "%.30s.%.60s",
		    fn, result);
	}
}

static void
read_plan(struct order *o)
{
	for (const char *s = o->prog->plan; s && *s;) {
		const char *end = strchr(s, '\n');

		read_line(o, s);
		s = end ? end + 1 : NULL;
	}
}

/* ---- what is to be behind what ---- */

static void
number_calls(struct order *o)
{
	uint32_t last[STREAMS] = {0};

	memset(o->index, -1, sizeof o->index);
	for (int i = 0; i < o->log->n; i++) {
		const struct call *c = &o->log->call[i];
		int s = stream_of(c);

		o->ranks = c->rank >= o->ranks ? c->rank + 1 : o->ranks;
		if (c->kind != CALL_WORK)
			continue;
		if (o->index[s] < 0)
			o->index[s] = o->nused++;
		o->number[i] = ++last[s];
	}
}

static void
meet(struct order *o, int call, struct seen *line, int me, bool writes)
{
	uint32_t *need = o->need + (size_t)call * (size_t)o->nused;

	for (int s = 0; s < o->nused; s++) {
		uint32_t at = line[s].wrote;

		if (writes && line[s].read > at)
			at = line[s].read;
		if (s != me && at > need[s])
			need[s] = at;
	}
}

static void
touch_lines(struct order *o, struct seen **map, int call)
{
	const struct call *c = &o->log->call[call];
	int me = o->index[stream_of(c)];

	for (int k = 0; k < c->n; k++) {
		const struct touch *t = &c->touch[k];
		struct seen *arena = t->rank < 0 ? NULL :
		    map[t->rank * LT_ARENAS + t->arena];

		for (uint64_t at = t->lo / RECORD_LINE; arena &&
		    at * RECORD_LINE < t->hi; at++) {
			struct seen *line = arena + at * (uint64_t)o->nused;

			meet(o, call, line, me, t->writes);
			if (t->writes)
				line[me].wrote = o->number[call];
			if (t->reads)
				line[me].read = o->number[call];
		}
	}
}

static void
find_needs(struct order *o)
{
	struct seen *map[RECORD_RANKS * LT_ARENAS];
	uint64_t size[LT_ARENAS];

	(void)lt_memory_plan(o->prog, o->threads, size);
	for (int i = 0; i < o->ranks * LT_ARENAS; i++)
		map[i] = zeroed((size[i % LT_ARENAS] / RECORD_LINE + 2) *
		    (size_t)o->nused, sizeof *map[i]);
	for (int i = 0; i < o->log->n; i++)
		if (o->log->call[i].kind == CALL_WORK)
			touch_lines(o, map, i);
	for (int i = 0; i < o->ranks * LT_ARENAS; i++)
		free(map[i]);
}

struct order *
order_new(const struct call_log *log, const struct lt_program *p, int threads)
{
	struct order *o = zeroed(1, sizeof *o);

	o->log = log;
	o->prog = p;
	o->threads = threads;
	o->number = zeroed((size_t)log->n, sizeof *o->number);
	read_plan(o);
	number_calls(o);
	o->need = zeroed((size_t)log->n * (size_t)o->nused, sizeof *o->need);
	find_needs(o);
	return o;
}

void
order_free(struct order *o)
{
	free(o->number);
	free(o->need);
	free(o);
}

uint64_t
order_hash(const struct order *o)
{
	return o->hash;
}

/* ---- place ---- */

static bool
in_one(const struct order *o, int arena, uint64_t lo, uint64_t hi)
{
	for (int i = 0; i < o->nslot; i++) {
		const struct slot *s = &o->slot[i];
		uint64_t at = lo - s->offset;

		if (s->arena == arena && lo >= s->offset &&
		    at / s->stride < s->count &&
		    at % s->stride + (hi - lo) <= s->size)
			return true;
	}
	return false;
}

/* Gradients that travel together lie side by side, each in its slot.  What is
 * in `work` is the trainer's. */
static bool
in_slot(const struct order *o, const struct touch *t)
{
	return t->arena == LT_WORK || in_one(o, t->arena, t->lo, t->hi) ||
	    (t->arena == LT_STATE && in_one(o, t->arena, t->lo, t->lo + 1) &&
	    in_one(o, t->arena, t->hi - 1, t->hi));
}

const char *
order_check_places(struct order *o, char why[512])
{
	for (int i = 0; i < o->log->n; i++) {
		const struct call *c = &o->log->call[i];

		for (int k = 0; k < c->n; k++) {
			const struct touch *t = &c->touch[k];

			if (!t->given || (t->rank >= 0 && in_slot(o, t)))
				continue;
			snprintf(why, 512, "rank %d, %s (%s): %s + %" PRIu64
			    " to %" PRIu64 " is in no slot", c->rank, c->name,
			    c->source ? c->source : "", t->rank < 0 ?
			    "an address outside" : arenas[t->arena], t->lo,
			    t->hi);
			return "place";
		}
	}
	return NULL;
}

/* ---- stream ---- */

static const char *
check_streams(struct order *o, char why[512])
{
	for (int i = 0; i < o->log->n; i++) {
		const struct call *c = &o->log->call[i];

		if (c->kind != CALL_WORK || (c->move ? c->stream ==
		    lt_stream_of(c->move->lane) : c->stream < LT_LANE))
			continue;
		snprintf(why, 512, "rank %d, %s of %s is on stream %d",
		    c->rank, c->name, c->move ? c->move->name : "no move",
		    (int)c->stream);
		return "stream";
	}
	return NULL;
}

/* ---- event, order ---- */

static void
follow(uint32_t *x, const uint32_t *y, int n)
{
	for (int i = 0; i < n; i++)
		x[i] = y[i] > x[i] ? y[i] : x[i];
}

/* Fowler, Noll and Vo's hash, by words. */
static void
mix(uint64_t *hash, const uint32_t *x, int n)
{
	for (int i = 0; i < n; i++)
		*hash = (*hash ^ x[i]) * UINT64_C(0x100000001b3);
}

static const char *
race(const struct order *o, int call, int stream, char why[512])
{
	const struct call *c = &o->log->call[call];
	uint32_t n = o->need[(size_t)call * (size_t)o->nused + (size_t)stream];

	for (int i = 0; i < call; i++) {
		const struct call *b = &o->log->call[i];

		if (o->index[stream_of(b)] != stream || o->number[i] != n)
			continue;
		snprintf(why, 512, "rank %d, %s (%s) on stream %d touches "
		    "what rank %d, %s (%s) on stream %d does, and no event "
		    "is between them", c->rank, c->name, c->source ?
		    c->source : "", (int)c->stream, b->rank, b->name,
		    b->source ? b->source : "", (int)b->stream);
	}
	return "order";
}

static const char *
follow_events(struct order *o, uint32_t *clock, uint32_t *event, bool *made,
    char why[512])
{
	size_t n = (size_t)o->nused;

	for (int i = 0; i < o->log->n; i++) {
		const struct call *c = &o->log->call[i];
		uint32_t *at = clock + (size_t)stream_of(c) * n;
		uint32_t *e = event + (size_t)c->event * n;

		if (c->kind == CALL_RECORD) {
			memcpy(e, at, n * sizeof *e);
			made[c->event] = true;
		}
		if (c->kind == CALL_WAIT && !made[c->event]) {
			snprintf(why, 512, "rank %d waits on stream %d for an "
			    "event that nobody has recorded", c->rank,
			    (int)c->stream);
			return "event";
		}
		if (c->kind == CALL_WAIT)
			follow(at, e, (int)n);
		for (int s = 0; c->kind == CALL_WORK && s < o->nused; s++)
			if (o->need[(size_t)i * n + (size_t)s] > at[s])
				return race(o, i, s, why);
		if (c->kind != CALL_WORK)
			continue;
		at[o->index[stream_of(c)]] = o->number[i];
		mix(&o->hash, at, (int)n);
	}
	return NULL;
}

const char *
order_check_events(struct order *o, char why[512])
{
	size_t n = (size_t)o->nused;
	uint32_t *clock = zeroed(STREAMS * n, sizeof *clock);
	uint32_t *event = zeroed((size_t)o->log->events * n, sizeof *event);
	bool *made = zeroed((size_t)o->log->events, sizeof *made);
	const char *rule;

	o->hash = 0;
	rule = follow_events(o, clock, event, made, why);
	free(clock);
	free(event);
	free(made);
	return rule;
}

/* ---- move ---- */

/* The next start of a rank on the lane and in the group of another; -1. */
static int
next_like(const struct call_log *l, const struct call *like, int rank, int at)
{
	for (at++; at < l->n; at++) {
		const struct call *c = &l->call[at];

		if (c->kind == CALL_START && c->rank == rank &&
		    c->move->lane == like->move->lane &&
		    c->axes == like->axes && c->group == like->group)
			return at;
	}
	return -1;
}

/* Of the first rank of a group against another one of the mesh; one that is
 * not of the group starts nothing there. */
static int
compare(const struct order *o, int first, int rank, char why[512])
{
	const struct call *a = &o->log->call[first];
	int x = next_like(o->log, a, a->rank, -1);
	int y = next_like(o->log, a, rank, -1);

	if (y < 0)
		return 0;
	while (x >= 0 && y >= 0 && strcmp(o->log->call[x].name,
	    o->log->call[y].name) == 0) {
		x = next_like(o->log, a, a->rank, x);
		y = next_like(o->log, a, rank, y);
	}
	if (x < 0 && y < 0)
		return 1;
	snprintf(why, 512, "on lane %d rank %d starts %s where rank %d starts "
	    "%s", a->move->lane, rank, y < 0 ? "nothing" :
	    o->log->call[y].name, a->rank, x < 0 ? "nothing" :
	    o->log->call[x].name);
	return -1;
}

static const char *
check_groups(struct order *o, char why[512])
{
	for (int i = 0; i < o->log->n; i++) {
		const struct call *c = &o->log->call[i];
		int members = 1;

		if (c->kind != CALL_START || c->rank != c->group ||
		    next_like(o->log, c, c->rank, -1) != i)
			continue;
		for (int r = 0; r < o->ranks; r++) {
			int same = r == c->rank ? 0 : compare(o, i, r, why);

			if (same < 0)
				return "move";
			members += same;
		}
		if (members != c->members) {
			snprintf(why, 512, "%s is started by %d ranks, not %d",
			    c->name, members, c->members);
			return "move";
		}
	}
	return NULL;
}

static bool
is_of(const char *fn, const char *move)
{
	size_t n = strlen(fn);

	return strncmp(fn, move, n) == 0 && move[n] == '.' &&
	    !strchr(move + n + 1, '.');
}

/* Each function goes round the plan's list of it. */
static const char *
check_plan(struct order *o, int rank, char why[512])
{
	int at[PLANNED] = {0}; /* by the first of the function */

	for (int i = 0; i < o->log->n; i++) {
		const struct call *c = &o->log->call[i];
		int first = 0, n = 0;

		if (c->kind != CALL_START || c->rank != rank)
			continue;
		while (first < o->nplanned &&
		    !is_of(o->planned[first].fn, c->name))
			first++;
		while (first + n < o->nplanned &&
		    strcmp(o->planned[first].fn, o->planned[first + n].fn) == 0)
			n++;
		if (!n || strcmp(o->planned[first + at[first] % n].move,
		    c->name) != 0) {
			snprintf(why, 512, "rank %d starts %s where the plan "
			    "has %s", rank, c->name, n ? o->planned[first +
			    at[first] % n].move : "no function of that name");
			return "move";
		}
		at[first]++;
	}
	return NULL;
}

const char *
order_check_moves(struct order *o, char why[512])
{
	const char *rule = check_groups(o, why);

	for (int r = 0; !rule && r < o->ranks; r++)
		rule = check_plan(o, r, why);
	return rule;
}

/* ---- all ---- */

const char *
order_check(struct order *o, char why[512])
{
	const char *rule = order_check_places(o, why);

	rule = rule ? rule : check_streams(o, why);
	rule = rule ? rule : order_check_events(o, why);
	return rule ? rule : order_check_moves(o, why);
}
