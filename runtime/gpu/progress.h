/*
 * How far the streams of a GPU have come: each writes the number of what it has
 * got past, from 1, into a word of the host, so that what fails or does not
 * come can be named.  Numbers of a graph are the same in each launch of it.
 */
#ifndef LT_RUNTIME_GPU_PROGRESS_H
#define LT_RUNTIME_GPU_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/gpu/device.h"

enum { LT_PROGRESS_RING = 4096 };

/* A kernel or a transfer; names outlive it. */
struct lt_passed {
	const char *name;
	const char *source; /* the statement that it is of, or NULL */
	uint64_t order;     /* among those of all streams */
};

struct lt_progress {
	volatile uint32_t *word;
	unsigned long long at; /* where the device has the word */
	uint32_t last;         /* number of what was enqueued last */
	struct lt_passed *ring; /* [LT_PROGRESS_RING], by number */
	/* Of the graph: its first number, and what they stand for. */
	uint32_t first;
	int n, room;
	struct lt_passed *captured;
};

/* The words of the streams that there are: 0, or what the driver says. */
int lt_progress_open(struct lt_gpu *);
void lt_progress_close(struct lt_gpu *);

/* After x has been enqueued on a stream. */
void lt_progress_count(struct lt_gpu *, enum lt_stream, struct lt_passed x);
/* What a stream has not got past; NULL: it has nothing to do, or the ring does
 * not go back so far. */
const struct lt_passed *lt_progress_next(struct lt_gpu *, enum lt_stream);
/* Of the streams of lanes: what was enqueued first of that, and its lane. */
const struct lt_passed *lt_progress_move(struct lt_gpu *, int *lane);
/* Changes whenever a stream has got past something. */
uint64_t lt_progress_sum(struct lt_gpu *);

/* Room for so many in a graph; false: there is none. */
bool lt_progress_reserve(struct lt_gpu *, enum lt_stream, uint32_t n);
/* Around a capture, and whether that made a graph; before its launch and when
 * that is over, the streams having nothing else to do. */
void lt_progress_capture(struct lt_gpu *);
void lt_progress_captured(struct lt_gpu *, bool ok);
void lt_progress_replay(struct lt_gpu *);
void lt_progress_replayed(struct lt_gpu *);

#endif
