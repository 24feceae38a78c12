/* Where a program is, told to those who want to know. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/trace/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/comm/comm.h"
#include "runtime/main/run.h"
#include "runtime/trace/nvtx.h"
#include "runtime/trace/trace.h"

/* Most steps are of interest to nobody. */
static void
set(struct lt *rt)
{
	struct lt_watch *w = &rt->run->watch;

	rt->watch = w->trace || w->nvtx ? w : NULL;
}

void
lt_watch_open(struct lt *rt)
{
	struct lt_watch *w = &rt->run->watch;
	char name[32];

	w->nvtx = lt_nvtx_open();
	snprintf(name, sizeof name, "rank %d", rt->rank);
	if (w->nvtx)
		w->nvtx->name_thread((uint32_t)syscall(SYS_gettid), name);
	set(rt);
}

void
lt_watch_trace(struct lt *rt, struct lt_trace *t)
{
	rt->run->watch.trace = t;
	if (rt->comm)
		rt->comm->trace = t;
	set(rt);
}

/* ---- ranges of a profiler ---- */

static void
end_statement(struct lt_watch *w)
{
	if (w->statement)
		(void)w->nvtx->pop();
	w->statement = false;
}

static void
push(struct lt_watch *w, const char *what, int64_t index)
{
	char name[128];

	end_statement(w);
	snprintf(name, sizeof name, index >= 0 ? "%s %" PRId64 : "%s", what,
	    index);
	(void)w->nvtx->push(name);
	w->depth++;
}

static void
pop(struct lt_watch *w)
{
	end_statement(w);
	(void)w->nvtx->pop();
	w->depth--;
}

/* ---- the program ---- */

void
lt_watch_at(struct lt *rt)
{
	struct lt_watch *w = rt->watch;

	if (w->trace)
		lt_trace_at(w->trace, rt->source);
	if (!w->nvtx)
		return;
	end_statement(w);
	(void)w->nvtx->push(rt->source);
	w->statement = true;
}

void
lt_watch_enter(struct lt *rt, const char *what, int64_t index)
{
	if (rt->watch->trace)
		lt_trace_enter(rt->watch->trace, what, index);
	if (rt->watch->nvtx)
		push(rt->watch, what, index);
}

void
lt_watch_leave(struct lt *rt)
{
	if (rt->watch->trace)
		lt_trace_leave(rt->watch->trace);
	if (rt->watch->nvtx)
		pop(rt->watch);
}

void
lt_watch_unwind(struct lt *rt)
{
	struct lt_watch *w = rt->watch;

	while (w && w->trace && w->trace->depth > 0)
		lt_trace_leave(w->trace);
	while (w && w->nvtx && w->depth > 0)
		pop(w);
}
