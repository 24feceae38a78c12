/* Spans of a rank. */
#include "config.h"

#include "runtime/trace/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/comm/world.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/metrics/metrics.h"

/* ---- spans ---- */

double
lt_trace_now(const struct lt_trace *t)
{
	return lt_now() - t->base;
}

static bool
on_device(const struct lt_trace *t)
{
	return t->rt->gpu != NULL;
}

struct lt_span *
lt_trace_add(struct lt_trace *t, uint32_t track, const char *name)
{
	struct lt_span *s;

	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 4096;

		s = realloc(t->span, room * sizeof *s);
		if (!s) {
			t->lost++;
			return NULL;
		}
		t->span = s;
		t->room = room;
	}
	s = &t->span[t->n++];
	*s = (struct lt_span){.name = name, .source = t->rt->source,
	    .index = -1, .track = track, .statement = t->statement,
	    .step = (int32_t)t->rt->step, .begin = -1, .end = -1};
	s->from = s->to = on_device(t) ? 0 : lt_trace_now(t);
	return s;
}

/* What stands on the host has its times at once. */
static int
begin(struct lt_trace *t, uint32_t track, const char *name)
{
	struct lt_span *s = lt_trace_add(t, track, name);

	if (!s)
		return -1;
	s->open = true;
	s->begin = (int)t->n;
	return (int)(s - t->span);
}

static void
end(struct lt_trace *t, int span)
{
	struct lt_span *s = &t->span[span];

	s->open = false;
	s->end = (int)t->n;
	if (!on_device(t))
		s->to = lt_trace_now(t);
}

static void
end_leaf(struct lt_trace *t)
{
	if (t->leaf >= 0)
		end(t, t->leaf);
	t->leaf = -1;
}

/* On a device a statement is where its kernels are: see traced.c. */
void
lt_trace_at(struct lt_trace *t, const char *source)
{
	end_leaf(t);
	t->statement++;
	if (!on_device(t))
		t->leaf = begin(t, LT_TRACK_COMPUTE, source);
}

void
lt_trace_enter(struct lt_trace *t, const char *what, int64_t index)
{
	int i;

	end_leaf(t);
	i = begin(t, LT_TRACK_STEPS, what);
	if (i >= 0) {
		t->span[i].index = index;
		t->span[i].source = NULL;
	}
	if (t->depth < LT_TRACE_DEPTH)
		t->open[t->depth] = i;
	t->depth++;
}

void
lt_trace_leave(struct lt_trace *t)
{
	end_leaf(t);
	t->statement++;
	t->depth--;
	if (t->depth < LT_TRACE_DEPTH && t->open[t->depth] >= 0)
		end(t, t->open[t->depth]);
}

/* ---- transfers ---- */

static enum lt_stream
stream_of(const struct lt_span *s)
{
	return lt_stream_of((s->track - LT_TRACK_LANES) / LT_TRACKS_OF_LANE);
}

/* The lane has come to what computes, and to this move. */
static void
begin_on_device(struct lt_trace *t, struct lt_span *s)
{
	int at = lt_trace_event(t, LT_COMPUTE);

	if (at >= 0)
		t->inner->wait(t->rt->gpu, stream_of(s), t->event[at]);
	s->begin = lt_trace_event(t, stream_of(s));
}

int
lt_trace_start(struct lt_trace *t, const struct lt_move *m, uint64_t bytes)
{
	struct lt_span *s = lt_trace_add(t, lt_track_of(m->lane), m->name);

	if (!s)
		return -1;
	s->open = true;
	s->bytes = bytes;
	if (on_device(t))
		begin_on_device(t, s);
	return (int)(s - t->span);
}

void
lt_trace_stop(struct lt_trace *t, int span)
{
	struct lt_span *s = span >= 0 ? &t->span[span] : NULL;

	if (!s || !s->open)
		return;
	s->open = false;
	if (on_device(t))
		s->end = lt_trace_event(t, stream_of(s));
	else
		s->to = lt_trace_now(t);
}

void
lt_trace_copied(struct lt_trace *t, const void *dst, uint64_t bytes,
    double began)
{
	const char *to = dst, *host = t->rt->arena[LT_HOST];
	bool out = to >= host && to < host + t->rt->prog->arena[LT_HOST];
	struct lt_span *s = lt_trace_add(t, out ? LT_TRACK_OUT : LT_TRACK_IN,
	    "copy");

	if (!s)
		return;
	s->bytes = bytes;
	s->from = began - t->base;
}

/* ---- which steps ---- */

/* "A:B" or "A"; false: neither. */
static bool
read_steps(const char *s, int64_t *first, int64_t *last)
{
	int n = 0, m = 0;

	if (sscanf(s, "%" SCNd64 "%n:%" SCNd64 "%n", first, &n, last, &m) < 1)
		return false;
	if (!s[n])
		*last = *first;
	return (!s[n] || (m && !s[m])) && *s >= '0' && *s <= '9' &&
	    *first >= 1 && *last >= *first;
}

int
lt_trace_check(const struct lt_options *o)
{
	int64_t first, last;

	if (!o->trace_steps)
		return LT_OK;
	if (!o->trace)
		return lt_fail(LT_EXIT_USAGE, "--trace-steps needs --trace "
		    "FILE, where the timeline goes");
	return read_steps(o->trace_steps, &first, &last) ? LT_OK : lt_fail(
	    LT_EXIT_USAGE, "--trace-steps: '%s' is not A:B, the first and the "
	    "last step, from 1", o->trace_steps);
}

/* Without a choice: the second step and the third, for in the first one much
 * happens that happens once; or what there is. */
static int
choose_steps(struct lt_trace *t, const struct lt_run *run)
{
	int64_t done = run->point.step, all = run->opt.steps;

	t->first = done + 2 <= all ? done + 2 : all;
	t->last = t->first + 1;
	if (run->opt.trace_steps)
		(void)read_steps(run->opt.trace_steps, &t->first, &t->last);
	if (run->opt.trace_steps && (t->first > all || t->last <= done))
		return lt_fail(LT_EXIT_USAGE, "--trace-steps %s: this run has "
		    "the steps %" PRId64 " to %" PRId64,
		    run->opt.trace_steps, done + 1, all);
	if (t->last > all)
		t->last = all;
	return LT_OK;
}

/* ---- a run ---- */

int
lt_trace_open(struct lt *rt)
{
	struct lt_run *run = rt->run;
	struct lt_trace *t;
	int rc;

	if (!run->opt.trace)
		return LT_OK;
	t = calloc(1, sizeof *t);
	if (!t)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	run->trace = t;
	t->rt = rt;
	t->leaf = -1;
	rc = choose_steps(t, run);
	if (rc || rt->rank > 0)
		return rc;
	t->file = fopen(run->opt.trace, "we");
	if (!t->file)
		return lt_fail(LT_EXIT_IO, "--trace %s: %s", run->opt.trace,
		    strerror(errno));
	lt_trace_head(rt, t);
	return LT_OK;
}

struct start {
	double now;
	char boot[40];
};

/* Processes of one machine have one clock; others are together when they leave
 * a barrier. */
static void
set_clock(struct lt *rt, struct lt_trace *t)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	struct start mine = {.boot = ""}, first;

	if (f) {
		if (!fgets(mine.boot, sizeof mine.boot, f))
			mine.boot[0] = '\0';
		fclose(f);
	}
	lt_world_barrier(rt);
	mine.now = lt_now();
	first = mine;
	lt_world_broadcast(rt, &first, sizeof first);
	t->base = *mine.boot && memcmp(mine.boot, first.boot,
	    sizeof mine.boot) == 0 ? first.now : mine.now;
	t->begun = true;
}

void
lt_trace_begin(struct lt *rt)
{
	struct lt_trace *t = rt->run->trace;

	if (!t || rt->step < t->first || rt->step > t->last)
		return;
	if (!t->begun)
		set_clock(rt, t);
	rt->source = NULL;
	t->depth = 0;
	t->step_begin = t->n;
	if (rt->gpu)
		lt_trace_device(t);
	lt_watch_trace(rt, t);
}

void
lt_trace_end(struct lt *rt)
{
	struct lt_trace *t = rt->run->watch.trace;

	if (!t)
		return;
	lt_watch_trace(rt, NULL);
	if (rt->gpu)
		lt_trace_resolve(t);
	if (rt->step == t->last)
		lt_trace_finish(rt);
}

void
lt_trace_finish(struct lt *rt)
{
	struct lt_trace *t = rt->run->trace;
	double since = lt_now();

	if (!t)
		return;
	lt_trace_write(rt, t);
	lt_trace_close(rt);
	lt_metrics_pause(&rt->run->metrics, since);
}

void
lt_trace_close(struct lt *rt)
{
	struct lt_trace *t = rt->run->trace;

	if (!t)
		return;
	lt_watch_trace(rt, NULL);
	if (rt->gpu)
		lt_trace_free_events(t);
	if (t->file)
		fclose(t->file);
	free(t->span);
	free(t);
	rt->run->trace = NULL;
}
