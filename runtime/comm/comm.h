/*
 * Communication of one rank: what lt_start and lt_finish keep, and how a run
 * on several ranks ends when one of them fails.
 */
#ifndef LT_RUNTIME_COMM_COMM_H
#define LT_RUNTIME_COMM_COMM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/comm/count.h"
#include "runtime/comm/op.h"
#include "runtime/comm/transport.h"

/* Moves under way, and how many of one lane and group before the oldest is
 * finished by the start of another: transports keep that many steps. */
enum { LT_PENDING_MAX = 128, LT_LANE_DEPTH = 10 };

/* A move between start and finish. */
struct lt_pending {
	bool used, finished;
	int later;               /* moves of its lane and group since */
	int span;                /* of the trace; -1: none */
	struct lt_op op, spread; /* spread: second step of an allreduce */
	struct lt_pair *pair;    /* ours */
	int room;
};

struct lt_comm {
	const struct lt_transport *transport;
	void *world;             /* the transport's, of all ranks */
	const struct lt_transport *on_device; /* for moves of devices, if not
	                                         the same */
	struct lt_nccl *nccl;    /* its: gpu/nccl.h */
	const struct lt_program *prog;
	struct lt_pool *pool;    /* for copies and sums; may be NULL */
	struct lt *device;       /* the rank, if it computes on a device: moves
	                            are then kernels on the streams of lanes */
	int rank, ranks, coord[LT_AXES_MAX];
	double timeout;          /* seconds to wait for another rank */
	bool serial;             /* a move is finished before start returns */
	bool rehearses;          /* moves are started and finished, but nothing
	                            is moved: all take the memory that they need,
	                            in the order of the program */
	uint64_t reserved;       /* bytes of messages that have memory */
	jmp_buf *escape;         /* where a rank goes when the run has failed */
	struct lt_count count;
	struct lt_trace *trace;  /* of this step; NULL: it is not traced */
	struct lt_view *view;    /* one per rank, while a step is run */
	struct lt_source *source;
	int *member;
	int64_t *agreed;         /* one per rank: world.h */
	struct {                 /* a step of world.h.  Not on a stack: when the */
		struct lt_op op; /* run fails this rank leaves the step, while */
		struct lt_pair pair; /* another may be about to read it. */
	} all;
	struct lt_pending pending[LT_PENDING_MAX];
	struct lt_channel *channels; /* the transport's */
};

/* This rank cannot go on: says why (unless another rank failed before),
 * stops the others and goes to the escape. */
_Noreturn void lt_comm_fail(struct lt_comm *, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Leaves, because the run has failed; the escape gets code. */
_Noreturn void lt_comm_escape(struct lt_comm *, int code);

/* One step by itself: posts, takes, adds, waits. */
void lt_comm_run(struct lt_comm *, struct lt_op *);

/* What is common to all transports; rank's place in the program's mesh.
 * NULL: out of memory. */
struct lt_comm *lt_comm_new(const struct lt_program *, int rank,
    const struct lt_transport *, void *world);
void lt_comm_close(struct lt_comm *);

#endif
