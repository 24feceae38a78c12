/* The calls of all ranks, in one order. */
#include "tests/gpu/record.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/comm/group.h"
#include "runtime/main/memory.h"
#include "runtime/main/run.h"

enum { EVENTS = 1 << 16 };

struct recorder {
	struct lt *rt;           /* NULL: has not begun */
	bool on;
	const struct lt_device *inner;
	struct lt_device device;
	uint64_t size[LT_ARENAS];
	char *was[LT_ARENAS];    /* what the arenas held */
	const struct lt_move *move; /* at work */
};

struct call_log record_log;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recorder recorders[RECORD_RANKS];
static const struct lt_event *event_at[EVENTS];

static void *
room_for(void *p, int n, int *room, size_t size)
{
	if (n < *room)
		return p;
	*room = *room ? 2 * *room : 16;
	p = realloc(p, (size_t)*room * size);
	if (!p)
		abort();
	return p;
}

static struct recorder *
of(const struct lt_gpu *g)
{
	return &recorders[g->rt->rank];
}

/* ---- memory ---- */

static void
add(struct call *c, struct touch t)
{
	c->touch = realloc(c->touch, ((size_t)c->n + 1) * sizeof t);
	if (!c->touch)
		abort();
	c->touch[c->n++] = t;
}

static bool
locate(const void *p, struct touch *t)
{
	const char *at = p;

	for (int r = 0; r < RECORD_RANKS; r++)
		for (int i = 0; i < LT_ARENAS && recorders[r].rt; i++) {
			const char *arena = recorders[r].rt->arena[i];

			if (!arena || at < arena ||
			    at >= arena + recorders[r].size[i])
				continue;
			t->rank = r;
			t->arena = i;
			t->lo = (uint64_t)(at - arena);
			return true;
		}
	return false;
}

/* The words of a step, and tables for sums. */
static bool
is_word(const struct lt *rt, const void *p)
{
	const char *at = p, *words = rt->gpu->words;

	return at >= words && at < words + sizeof(struct lk_step) +
	    sizeof(struct lk_result);
}

static void
touch(struct call *c, const struct lt *rt, const void *p, uint64_t bytes,
    struct touch how)
{
	how.rank = how.arena = -1;
	if (!bytes || is_word(rt, p))
		return;
	if (!locate(p, &how))
		how.lo = (uint64_t)(uintptr_t)p;
	how.hi = how.lo + bytes;
	add(c, how);
}

/* A number, with garbage behind it up to the next field, names no memory that
 * there is, but for small ones by bad luck; a kernel that used an address of no
 * memory would not have come to its end. */
static bool
is_address(uintptr_t x)
{
	const uintptr_t page = 4096;
	int64_t number = (int32_t)(uint32_t)x;

	return x >= page && (number >= 1 << 16 || number <= -(1 << 16)) &&
	    msync((void *)(x / page * page), 1, MS_ASYNC) == 0;
}

static void
touch_arguments(struct call *c, const struct lt *rt, const void *args,
    size_t bytes)
{
	for (size_t i = 0; i + sizeof(uintptr_t) <= bytes;
	    i += sizeof(uintptr_t)) {
		uintptr_t x;

		memcpy(&x, (const char *)args + i, sizeof x);
		if (is_address(x))
			touch(c, rt, (const void *)x, 1,
			    (struct touch){.given = true, .reads = true});
	}
}

/* From the first byte that a nest reads to the last. */
static uint64_t
span_of(const struct lk_nest *x, uint64_t unit, bool packed)
{
	uint64_t n = (uint64_t)x->len;

	if (packed)
		return (uint64_t)(x->rows * x->len) * unit;
	for (int i = 0; i < x->rank; i++)
		n += (uint64_t)((x->n[i] - 1) * x->src[i]);
	return n * unit;
}

static void
touch_nest(struct call *c, const struct lt *rt, const char *name,
    const void *args)
{
	const struct touch read = {.reads = true};
	const struct nest_copy_args *copy = args;
	const struct nest_sum_args *sum = args;
	uint64_t unit = strtoull(strrchr(name, '_') + 1, NULL, 10);

	if (strncmp(name, "nest_copy_", 10) == 0)
		touch(c, rt, copy->src, span_of(&copy->nest, unit, false),
		    read);
	for (int i = 0; strncmp(name, "nest_sum_", 9) == 0 && i < sum->nsrc &&
	    !sum->table; i++)
		touch(c, rt, sum->src[i], span_of(&sum->nest, unit,
		    sum->packed >> i & 1), read);
}

/* What this rank's arenas hold that they did not hold before. */
static void
touch_changes(struct call *c, struct recorder *r)
{
	for (int i = 0; i < LT_ARENAS; i++) {
		const char *is = r->rt->arena[i];
		uint64_t lo = 0, n = r->size[i];

		if (!n || memcmp(is, r->was[i], n) == 0)
			continue;
		for (uint64_t at = 0; at < n + RECORD_LINE; at += RECORD_LINE) {
			uint64_t len = at >= n ? 0 : n - at < RECORD_LINE ?
			    n - at : RECORD_LINE;
			bool changed = len && memcmp(is + at, r->was[i] + at,
			    len) != 0;

			if (!changed && at > lo)
				add(c, (struct touch){.rank = r->rt->rank,
				    .arena = i, .lo = lo, .hi = at,
				    .writes = true});
			if (!changed)
				lo = at + RECORD_LINE;
		}
		memcpy(r->was[i], is, n);
	}
}

/* ---- the log ---- */

static void
append(struct recorder *r, struct call c)
{
	c.rank = r->rt->rank;
	c.source = r->rt->source;
	if (!c.move)
		c.move = r->move;
	pthread_mutex_lock(&lock);
	record_log.call = room_for(record_log.call, record_log.n,
	    &record_log.room, sizeof c);
	record_log.call[record_log.n++] = c;
	pthread_mutex_unlock(&lock);
}

static int
number_of(const struct lt_event *e)
{
	int i = 0;

	pthread_mutex_lock(&lock);
	while (i < record_log.events && event_at[i] != e)
		i++;
	if (i == EVENTS)
		abort();
	event_at[i] = e;
	record_log.events += i == record_log.events;
	pthread_mutex_unlock(&lock);
	return i;
}

/* ---- the device ---- */

static void
work(struct lt_gpu *g, enum lt_stream s, const char *name, void *dst,
    const void *src, uint64_t bytes)
{
	struct call c = {.kind = CALL_WORK, .stream = s, .name = name};

	if (src)
		touch(&c, g->rt, src, bytes, (struct touch){.given = true,
		    .reads = true});
	if (dst)
		touch(&c, g->rt, dst, bytes, (struct touch){.given = true,
		    .writes = true});
	touch_changes(&c, of(g));
	append(of(g), c);
}

static void
record_launch(struct lt_gpu *g, enum lt_stream s, int kernel,
    const unsigned grid[3], const void *args)
{
	const struct lt_kernel *k = &g->rt->prog->kernel[kernel];
	struct call c = {.kind = CALL_WORK, .stream = s, .name = k->name};

	of(g)->inner->launch(g, s, kernel, grid, args);
	touch_arguments(&c, g->rt, args, k->args);
	if (strncmp(k->name, "nest_", 5) == 0)
		touch_nest(&c, g->rt, k->name, args);
	touch_changes(&c, of(g));
	append(of(g), c);
}

static void
record_copy(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	of(g)->inner->copy(g, s, dst, src, bytes);
	work(g, s, "copy", dst, src, bytes);
}

static void
record_zero(struct lt_gpu *g, enum lt_stream s, void *x, uint64_t bytes)
{
	of(g)->inner->zero(g, s, x, bytes);
	work(g, s, "zero", x, NULL, bytes);
}

static void
record_upload(struct lt_gpu *g, void *dst, const void *src, uint64_t bytes)
{
	of(g)->inner->upload(g, dst, src, bytes);
	work(g, LT_COMPUTE, "upload", dst, NULL, bytes);
}

static void
record_download(struct lt_gpu *g, void *dst, const void *src, uint64_t bytes)
{
	of(g)->inner->download(g, dst, src, bytes);
	work(g, LT_COMPUTE, "download", NULL, src, bytes);
}

static void
record_record(struct lt_gpu *g, struct lt_event *e, enum lt_stream s)
{
	append(of(g), (struct call){.kind = CALL_RECORD, .stream = s,
	    .name = "record", .event = number_of(e)});
	of(g)->inner->record(g, e, s);
}

static void
record_wait(struct lt_gpu *g, enum lt_stream s, struct lt_event *e)
{
	of(g)->inner->wait(g, s, e);
	append(of(g), (struct call){.kind = CALL_WAIT, .stream = s,
	    .name = "wait", .event = number_of(e)});
}

/* ---- the program ---- */

static void
open_recorder(struct recorder *r, struct lt *rt)
{
	(void)lt_memory_plan(rt->prog, rt->run->threads, r->size);
	for (int i = 0; i < LT_ARENAS; i++) {
		r->was[i] = malloc(r->size[i] + 1);
		if (!r->was[i])
			abort();
	}
	r->inner = rt->gpu->device;
	r->device = *r->inner;
	r->device.launch = record_launch;
	r->device.copy = record_copy;
	r->device.zero = record_zero;
	r->device.upload = record_upload;
	r->device.download = record_download;
	r->device.record = record_record;
	r->device.wait = record_wait;
	pthread_mutex_lock(&lock);
	r->rt = rt;
	pthread_mutex_unlock(&lock);
}

void
record_begin(struct lt *rt)
{
	struct recorder *r = &recorders[rt->rank];

	if (rt->rank >= RECORD_RANKS)
		abort();
	if (!r->rt)
		open_recorder(r, rt);
	for (int i = 0; i < LT_ARENAS; i++)
		if (r->size[i])
			memcpy(r->was[i], rt->arena[i], r->size[i]);
	rt->gpu->device = &r->device;
	r->on = true;
}

void
record_end(struct lt *rt)
{
	rt->gpu->device = recorders[rt->rank].inner;
	recorders[rt->rank].on = false;
}

void
record_start(struct lt *rt, const struct lt_move *m, int n,
    const struct lt_pair *pair)
{
	struct lt_group g = lt_group_of(rt->prog, rt->coord, m);
	struct call c = {.kind = CALL_START, .name = m->name, .move = m,
	    .group = g.base, .axes = g.axes, .members = g.n};

	for (int i = 0; i < n && recorders[rt->rank].on; i++) {
		touch(&c, rt, pair[i].src, 1, (struct touch){.given = true});
		touch(&c, rt, pair[i].dst, 1, (struct touch){.given = true});
	}
	if (recorders[rt->rank].on)
		append(&recorders[rt->rank], c);
	record_of(rt, m);
}

void
record_of(struct lt *rt, const struct lt_move *m)
{
	recorders[rt->rank].move = m;
}
