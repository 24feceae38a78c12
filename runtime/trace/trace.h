/*
 * The timeline that --trace writes: what a rank does in some of its steps.
 *
 * A span has a track, a beginning and an end, in seconds after all ranks began
 * the first step that is traced.  On a CPU that is the time of the thread that
 * runs the program.  On a device spans lie between two events of one stream,
 * and their times are known when the step is over.
 *
 * Tracks, in the order in which they are shown:
 *	steps    step 3, and inside of it microbatch 0, layer 1: they nest
 *	source   a device's: from the first to the last kernel of a statement
 *	compute  a CPU's: statements; a device's: kernels
 *	lane ho, hi  copies to the host and from it
 *	lane h, ki, ..  transfers between ranks, from the start or, if the one
 *	         before it on its lane ends later, from there, to the finish
 *	exchange h, ..  a device's: copies and sums of what comes on that lane
 * But for the first, spans of one track do not overlap.
 */
#ifndef LT_RUNTIME_TRACE_TRACE_H
#define LT_RUNTIME_TRACE_TRACE_H

#include <stdio.h>

#include "runtime/gpu/device.h"
#include "runtime/loong_rt.h"

enum lt_track { LT_TRACK_STEPS, LT_TRACK_SOURCE, LT_TRACK_COMPUTE,
	LT_TRACK_OUT, LT_TRACK_IN, LT_TRACK_LANES };
enum { LT_TRACKS_OF_LANE = 2 }; /* its transfers, a device's kernels for them */

struct lt_span {
	const char *name, *source; /* source may be NULL */
	int64_t index;         /* of a layer; -1: none */
	uint64_t bytes;        /* 0: not known */
	uint32_t track;        /* enum lt_track; a lane's: lt_track_of */
	uint32_t statement;    /* number of the lt_at before it */
	int32_t step;
	bool open;             /* has no end yet */
	int begin, end;        /* a device's: events; else spans inside of it */
	double from, to;
	char detail[32];       /* "64 x 96 x 40", or nothing */
};

/* Of the transfers of a lane; the next one is of its kernels. */
static inline uint32_t
lt_track_of(unsigned lane)
{
	return LT_TRACK_LANES + LT_TRACKS_OF_LANE * lane;
}

enum { LT_TRACE_DEPTH = 16 };
struct lt_trace {
	struct lt *rt;
	FILE *file;            /* rank 0's */
	int64_t first, last;   /* steps */
	bool begun;            /* the clock is set */
	double base;           /* lt_now of second 0 */
	struct lt_span *span;
	size_t n, room, lost;
	int leaf;              /* the statement at work; -1: none */
	int open[LT_TRACE_DEPTH], depth;
	uint32_t statement;
	/* A device's: events of the step, of which the first is at `zero`. */
	const struct lt_device *inner;
	struct lt_device device;
	struct lt_event **event;
	int events, event_room;
	double zero;
	size_t step_begin;     /* its first span */
};

/* The values of --trace and --trace-steps make sense: LT_OK, or an exit code
 * after a message. */
struct lt_options;
int lt_trace_check(const struct lt_options *);

/* Opens the file on rank 0, when it is known where the run begins, with no
 * events in it: a run that is cut off leaves that.  Nothing without --trace.
 * LT_OK, or an exit code after a message. */
int lt_trace_open(struct lt *);
/* All ranks, before and after each step: the first that is traced sets their
 * clocks, after the last the file is written. */
void lt_trace_begin(struct lt *);
void lt_trace_end(struct lt *);
/* All ranks: writes what there is, if that has not happened. */
void lt_trace_finish(struct lt *);
/* This rank alone. */
void lt_trace_close(struct lt *);

/* ---- while a step is traced ---- */

void lt_trace_at(struct lt_trace *, const char *source);
void lt_trace_enter(struct lt_trace *, const char *what, int64_t index);
void lt_trace_leave(struct lt_trace *);
/* A transfer between ranks: its span, for the finish; -1: it has none. */
int lt_trace_start(struct lt_trace *, const struct lt_move *, uint64_t bytes);
void lt_trace_stop(struct lt_trace *, int span);
/* A copy to the host's arena of a CPU or from it, from `began` (lt_now) until
 * now. */
void lt_trace_copied(struct lt_trace *, const void *dst, uint64_t bytes,
    double began);

/* ---- its parts ---- */

/* A span that begins and, for now, ends where it stands; NULL: no room. */
struct lt_span *lt_trace_add(struct lt_trace *, uint32_t track,
    const char *name);
/* Seconds after the beginning. */
double lt_trace_now(const struct lt_trace *);

/* traced.c: the device of the rank, with an event before and after all that
 * is enqueued; and what their times are. */
void lt_trace_device(struct lt_trace *);
void lt_trace_resolve(struct lt_trace *);
int lt_trace_event(struct lt_trace *, enum lt_stream);
void lt_trace_free_events(struct lt_trace *);

/* json.c: the file before there are events, rank 0's; then this rank's spans, a
 * line for each, and all ranks' on rank 0. */
void lt_trace_head(const struct lt *, struct lt_trace *);
void lt_trace_write(struct lt *, struct lt_trace *);

#endif
