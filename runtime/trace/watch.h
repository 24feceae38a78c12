/*
 * Who wants to know where a program is: the timeline of --trace, a profiler.
 * A program says it by lt_at, lt_enter and lt_leave (loong_rt.h).
 */
#ifndef LT_RUNTIME_TRACE_WATCH_H
#define LT_RUNTIME_TRACE_WATCH_H

#include "runtime/loong_rt.h"

struct lt_trace;

struct lt_watch {
	struct lt_trace *trace; /* NULL: this step is not traced */
};

/* After a change of rt->run->watch: points rt->watch to it, or to nothing. */
void lt_watch_set(struct lt *);

#endif
