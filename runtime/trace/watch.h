/*
 * Who wants to know where a program is: the timeline of --trace, a profiler.
 * A program says it by lt_at, lt_enter and lt_leave (loong_rt.h), and in
 * ranges of a profiler a statement stands inside of what was entered.
 */
#ifndef LT_RUNTIME_TRACE_WATCH_H
#define LT_RUNTIME_TRACE_WATCH_H

#include "runtime/loong_rt.h"

struct lt_trace;
struct lt_nvtx;

struct lt_watch {
	struct lt_trace *trace;     /* NULL: this step is not traced */
	const struct lt_nvtx *nvtx; /* NULL: no profiler */
	bool statement;             /* nvtx: is open */
	int depth;                  /* and what it is in */
};

/* Looks for a profiler, from the thread of the rank. */
void lt_watch_open(struct lt *);
/* The steps of this rank are traced by t; NULL: no more. */
void lt_watch_trace(struct lt *, struct lt_trace *t);
/* Leaves all that the program is in, wherever it has returned. */
void lt_watch_unwind(struct lt *);

#endif
