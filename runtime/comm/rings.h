/*
 * Inside of near.h: the region, a rank's view of it, and its rings.
 *
 * Words that two ranks use are atomic, in the order of one clock: whoever waits
 * says so first and looks again, and whoever moves looks last who waits.
 */
#ifndef LT_RUNTIME_COMM_RINGS_H
#define LT_RUNTIME_COMM_RINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/comm/mpi_abi.h"

/*
 * A message in a ring: a head, then its bytes, filled up to whole lines.  CHUNK
 * bytes are copied before the other side may have them: few enough to be in a
 * cache still.  One of LENT bytes or more is lent, if that can be: its head says
 * where the sender has it.
 */
enum { LINE = 64, CHUNK = 1 << 17, LENT = 1 << 15, LANES = LT_MPI_LANES };

struct lt_head {
	uint32_t lane, bytes;
	uint64_t lent; /* where it is in the sender's memory; 0: it follows */
};

/* Of one rank. */
struct lt_seat {
	_Alignas(LINE) atomic_uint bell; /* rings when others have moved */
	atomic_int awaits; /* 1 + the rank that it sleeps for; 0: awake */
	atomic_int left;
};

/* From one rank to another; bytes that were put in and got out since ever. */
struct lt_ring {
	_Alignas(LINE) atomic_ullong put;
	atomic_int wants; /* the sender: room, or that something is awaited */
	_Alignas(LINE) atomic_ullong got;
	atomic_uint ready[LANES]; /* messages that were awaited since ever, */
	atomic_uint taken[LANES]; /* and those that have come to their place */
};

/* A message on its way. */
struct lt_slip {
	struct lt_slip *next;
	char *data;
	uint32_t bytes, at;
	uint32_t number; /* sent: on its lane */
	uint64_t lent;   /* early: as in its head; sent: not 0 once it is */
	int peer, lane;
	bool done;
};

struct lt_peer {
	struct lt_ring *out, *in;
	char *out_data, *in_data;
	struct lt_slip *to_send[LANES], *lent[LANES], *awaited[LANES],
	    *early[LANES];
	uint32_t begun[LANES];  /* messages */
	uint64_t ahead[LANES];  /* bytes sent of those not awaited */
	struct lt_slip *sending, *coming; /* in the middle of */
	int turn;               /* the lane that was served last */
	int pid;                /* 0: what it lends cannot be read */
	int pidfd;              /* -1: not known */
	double ended;           /* when that was seen; 0: not */
};

struct lt_near {
	int rank, ranks;
	uint64_t ring;
	bool spin;
	struct lt_seat *seat;
	struct lt_peer *peer;
	struct lt_slip **letter; /* by request; NULL: free */
	int nletter;
	struct lt_slip *spare;   /* not in use */
	unsigned seen;          /* of my bell, before the last test */
	int tested;             /* whose message that was, */
	bool stir;              /* who may sleep without having read it */
	double grace;
	bool watches;
	int error, guilty;
};

/* Others have moved, or could not: wakes a rank that sleeps for this one, or
 * for any. */
void lt_ring_bell(struct lt_near *, int rank, bool any);
/* A sender that wants room, or to be awaited, may have it now. */
void lt_ring_tell(struct lt_near *, int rank);

/* Writes what there is room for, reads what is there, for one rank or all. */
void lt_ring_push(struct lt_near *, int rank);
void lt_ring_pull(struct lt_near *, int rank);
void lt_ring_move(struct lt_near *);

/* All zero; NULL: out of memory.  What is dropped is kept for the next. */
struct lt_slip *lt_slip_new(struct lt_near *);
void lt_slip_drop(struct lt_near *, struct lt_slip *);
void lt_slip_append(struct lt_slip **list, struct lt_slip *);
/* At its place, in the order in which they were awaited. */
void lt_slip_finish(struct lt_peer *, struct lt_slip *);
/* From the sender's memory to its place, and finished. */
void lt_ring_read(struct lt_near *, int rank, struct lt_slip *, uint64_t from);

/* The first error stays. */
void lt_ring_fail(struct lt_near *, int error, int rank);

#endif
