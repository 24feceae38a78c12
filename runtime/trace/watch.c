/* Where a program is, told to those who want to know. */
#include "config.h"

#include "runtime/trace/watch.h"

#include "runtime/main/run.h"
#include "runtime/trace/trace.h"

void
lt_watch_set(struct lt *rt)
{
	struct lt_watch *w = &rt->run->watch;

	rt->watch = w->trace ? w : NULL;
}

void
lt_watch_at(struct lt *rt)
{
	if (rt->watch->trace)
		lt_trace_at(rt->watch->trace, rt->source);
}

void
lt_watch_enter(struct lt *rt, const char *what, int64_t index)
{
	if (rt->watch->trace)
		lt_trace_enter(rt->watch->trace, what, index);
}

void
lt_watch_leave(struct lt *rt)
{
	if (rt->watch->trace)
		lt_trace_leave(rt->watch->trace);
}
