/*
 * A device that writes down what a program calls and lets another one do it.
 *
 * A call has its stream, the statement that it is of, and the memory that it
 * touches: the addresses among its arguments, in an arena or not; all of what copies and sums of boxes read; and what has
 * other bytes afterwards, in lines of 64.  A kernel is taken to read at the
 * places that its arguments name, for nobody knows how far.
 *
 * The log is one of all ranks.  Of two calls the one that waits for the other,
 * by an event or on the host, comes later in it.
 */
#ifndef TESTS_GPU_RECORD_H
#define TESTS_GPU_RECORD_H

#include "runtime/gpu/device.h"

enum { RECORD_LINE = 64, RECORD_RANKS = 8 };
enum call_kind { CALL_WORK, CALL_RECORD, CALL_WAIT, CALL_START };

struct touch {
	int rank, arena;       /* -1: an address in no arena */
	uint64_t lo, hi;       /* bytes of the arena */
	bool given;            /* an argument: has to lie in a slot */
	bool reads, writes;
};

struct call {
	enum call_kind kind;
	int rank;
	enum lt_stream stream;
	const char *name;      /* of a kernel, a copy, a move */
	const char *source;
	int event;             /* number of the event */
	const struct lt_move *move; /* NULL: it is of none */
	int group;             /* of CALL_START: rank of its first member */
	uint32_t axes;
	int members;
	struct touch *touch;
	int n;
};

struct call_log {
	struct call *call;
	int n, room;
	int events;
};
extern struct call_log record_log;

/* Around a step: what this rank enqueues is written down. */
void record_begin(struct lt *);
void record_end(struct lt *);
/* A move is started; until record_of(rt, NULL), what is enqueued is of it. */
void record_start(struct lt *, const struct lt_move *, int n,
    const struct lt_pair *);
/* What is enqueued is of this move, or of none. */
void record_of(struct lt *, const struct lt_move *);

#endif
