/*
 * How bytes get from rank to rank.  A transport moves pieces of one step
 * (op.h); cutting, packing and adding are the caller's.  Steps of one channel
 * (lane and group) match in the order in which they are posted.
 *
 * Memory that steps need is taken when there is none of an earlier step: all of
 * it in a rehearsal (comm.h), where there was one.
 *
 * A function that waits gives up at the deadline of the run, and says so by
 * returning false; it does not return if another rank has failed.
 */
#ifndef LT_RUNTIME_COMM_TRANSPORT_H
#define LT_RUNTIME_COMM_TRANSPORT_H

#include <stdbool.h>

#include "runtime/comm/op.h"

struct lt_comm;

/* What a member sent: its pieces packed, pair after pair; or each packed by
 * itself (a piece may lie in its place already, if the step adds nothing); or
 * its own arrays (those of its lt_op) to read from. */
struct lt_view {
	const char *packed;       /* NULL: not */
	const struct lt_op *peer;
	char *const *piece;       /* by pair; NULL: not */
};

struct lt_transport {
	const char *name;
	bool at_once; /* of devices: post enqueues all there is, and take does
	                 not wait */
	/* Sends my pieces to all members that lt_op_sends names and gets ready
	 * for those that lt_op_takes names.  Sources are complete. */
	void (*post)(struct lt_comm *, struct lt_op *);
	/* In a rehearsal, for post and done: takes and gives back the memory of
	 * a step, which keeps its size for those that come later. */
	void (*reserve)(struct lt_comm *, struct lt_op *);
	void (*release)(struct lt_comm *, struct lt_op *);
	/* Waits for what a member sends; the view holds until `taken`. */
	bool (*take)(struct lt_comm *, struct lt_op *, int member,
	    struct lt_view *);
	/* Whether take would not wait. */
	bool (*here)(struct lt_comm *, struct lt_op *, int member);
	/* Whether a rank is itself waiting for another one; NULL: unknown. */
	bool (*waits)(struct lt_comm *, int rank);
	/* Everything that was taken has been read. */
	void (*taken)(struct lt_comm *, struct lt_op *);
	/* Waits until my sources may be overwritten and forgets the step. */
	bool (*done)(struct lt_comm *, struct lt_op *);
	/* If another rank has failed or is gone, calls `first` and does not
	 * return; for those who wait elsewhere. */
	void (*heed)(struct lt_comm *, void (*first)(struct lt_comm *));
	/* This rank has failed: true for the first one, which is to say why. */
	bool (*claim)(struct lt_comm *, int code);
	/* Stops the other ranks, which would wait in vain. */
	void (*stop)(struct lt_comm *, int code);
	void (*close)(struct lt_comm *);
};

#endif
