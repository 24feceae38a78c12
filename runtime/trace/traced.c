/*
 * A device while a step is traced: the same device, with an event before and
 * after each thing that is enqueued.  Events of one stream happen in its order
 * and remember when, by the device's clock; the host's time of the first one
 * is known, because the device has nothing to do then.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/main/run.h"
#include "runtime/trace/trace.h"

static struct lt_trace *
of(const struct lt_gpu *g)
{
	return g->rt->run->trace;
}

/* Events are used again in the next step; -1: there is no room. */
int
lt_trace_event(struct lt_trace *t, enum lt_stream s)
{
	struct lt_gpu *g = t->rt->gpu;

	if (t->events == t->event_room) {
		int room = t->event_room ? 2 * t->event_room : 4096;
		struct lt_event **e = realloc(t->event,
		    (size_t)room * sizeof(struct lt_event *));

		if (!e) {
			t->lost++;
			return -1;
		}
		t->event = e;
		for (int i = t->event_room; i < room; i++)
			e[i] = NULL;
		t->event_room = room;
	}
	if (!t->event[t->events])
		t->event[t->events] = t->inner->timer(g);
	t->inner->record(g, t->event[t->events], s);
	return t->events++;
}

void
lt_trace_free_events(struct lt_trace *t)
{
	for (int i = 0; i < t->event_room && t->event[i]; i++)
		t->inner->event_free(t->rt->gpu, t->event[i]);
	free(t->event);
	t->event = NULL;
	t->event_room = 0;
}

/* ---- what is enqueued ---- */

static uint32_t
track_of(enum lt_stream s)
{
	static const uint32_t tracks[LT_LANE] = {
		[LT_COMPUTE] = LT_TRACK_COMPUTE, [LT_OUT] = LT_TRACK_OUT,
		[LT_IN] = LT_TRACK_IN,
	};

	return s < LT_LANE ? tracks[s] : lt_track_of(s - LT_LANE) + 1;
}

/* The span of what is enqueued between these two. */
static void
done(struct lt_gpu *g, enum lt_stream s, const char *name, int begin,
    uint64_t bytes)
{
	struct lt_span *x = lt_trace_add(of(g), track_of(s), name);

	if (!x)
		return;
	x->bytes = bytes;
	x->begin = begin;
	x->end = lt_trace_event(of(g), s);
}

static void
launch(struct lt_gpu *g, enum lt_stream s, int kernel, const unsigned grid[3],
    const void *args)
{
	int begin = lt_trace_event(of(g), s);

	of(g)->inner->launch(g, s, kernel, grid, args);
	done(g, s, g->rt->prog->kernel[kernel].name, begin, 0);
}

static void
copy(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	int begin = lt_trace_event(of(g), s);

	of(g)->inner->copy(g, s, dst, src, bytes);
	done(g, s, "copy", begin, bytes);
}

static void
copy_host(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	int begin = lt_trace_event(of(g), s);

	of(g)->inner->copy_host(g, s, dst, src, bytes);
	done(g, s, "copy", begin, bytes);
}

static void
zero(struct lt_gpu *g, enum lt_stream s, void *x, uint64_t bytes)
{
	int begin = lt_trace_event(of(g), s);

	of(g)->inner->zero(g, s, x, bytes);
	done(g, s, "clear", begin, bytes);
}

static bool
gemm(struct lt_gpu *g, const struct lt_gemm *p, const void *a, const void *b,
    void *c, const struct lt_gemm_epilogue *e)
{
	int begin = lt_trace_event(of(g), LT_COMPUTE);
	size_t n = of(g)->n;

	if (!of(g)->inner->gemm(g, p, a, b, c, e))
		return false;
	done(g, LT_COMPUTE, "cublasLtMatmul", begin, 0);
	if (of(g)->n > n)
		snprintf(of(g)->span[n].detail, sizeof of(g)->span[n].detail,
		    "%u x %u x %u", p->m, p->n, p->k);
	return true;
}

void
lt_trace_device(struct lt_trace *t)
{
	struct lt_gpu *g = t->rt->gpu;

	t->inner = g->device;
	t->device = *t->inner;
	t->device.launch = launch;
	t->device.copy = copy;
	t->device.zero = zero;
	if (t->inner->copy_host)
		t->device.copy_host = copy_host;
	if (t->inner->gemm)
		t->device.gemm = gemm;
	t->events = 0;
	(void)lt_trace_event(t, LT_COMPUTE);
	t->inner->synchronize(g);
	t->zero = lt_trace_now(t);
	g->device = &t->device;
}

/* ---- when it has happened ---- */

static double
time_of(const struct lt_trace *t, int event)
{
	return event < 0 ? t->zero : t->zero + t->inner->elapsed(t->rt->gpu,
	    t->event[0], t->event[event]);
}

/* What contains spans is from the first kernel in it to the last. */
static void
enclose(struct lt_trace *t, struct lt_span *outer)
{
	bool any = false;

	for (int i = outer->begin; i < outer->end; i++) {
		const struct lt_span *s = &t->span[i];

		if (s->track != LT_TRACK_COMPUTE)
			continue;
		if (!any)
			outer->from = s->from;
		outer->to = s->to;
		any = true;
	}
	outer->open = !any;
}

/* A span for each run of kernels of one statement. */
static void
add_statements(struct lt_trace *t, size_t n)
{
	struct lt_span *last = NULL;
	size_t at = 0;

	for (size_t i = t->step_begin; i < n; i++) {
		struct lt_span k = t->span[i];

		if (k.track != LT_TRACK_COMPUTE || !k.source)
			continue;
		last = at ? &t->span[at] : NULL;
		if (!last || last->statement != k.statement) {
			last = lt_trace_add(t, LT_TRACK_SOURCE, k.source);
			if (!last)
				return;
			last->from = k.from;
			last->statement = k.statement;
			at = (size_t)(last - t->span);
		}
		last->to = k.to;
	}
}

void
lt_trace_resolve(struct lt_trace *t)
{
	size_t n = t->n;

	t->rt->gpu->device = t->inner;
	t->inner->synchronize(t->rt->gpu);
	for (size_t i = t->step_begin; i < n; i++) {
		struct lt_span *s = &t->span[i];

		if (s->track == LT_TRACK_STEPS)
			continue;
		s->open |= s->begin < 0 || s->end < 0;
		s->from = time_of(t, s->begin);
		s->to = time_of(t, s->end);
	}
	for (size_t i = t->step_begin; i < n; i++)
		if (t->span[i].track == LT_TRACK_STEPS)
			enclose(t, &t->span[i]);
	add_statements(t, n);
}
