/*
 * One step of a communication as a transport sees it: who sends what to whom.
 * A move is one step, or two for a large allreduce: everybody adds up one part
 * and then gives it to the others.
 */
#ifndef LT_RUNTIME_COMM_OP_H
#define LT_RUNTIME_COMM_OP_H

#include <stdbool.h>

#include "runtime/comm/group.h"
#include "runtime/comm/nest.h"
#include "runtime/loong_rt.h"

enum { LT_LANE_WORLD = 255 };       /* of the runtime itself: world.h */
enum { LT_OP_ALL = -1, LT_OP_NOBODY = -2 };

enum lt_phase {
	LT_PHASE_MOVE,   /* pieces as the hops say */
	LT_PHASE_WHOLE,  /* allreduce: all of it from everybody */
	LT_PHASE_SUM,    /* allreduce: my part from everybody */
	LT_PHASE_SPREAD  /* allreduce: everybody's part, from its dst */
};

struct lt_op {
	const struct lt_move *move;
	struct lt_group group;
	enum lt_phase phase;
	int to, from;     /* member, LT_OP_ALL or LT_OP_NOBODY; never me */
	int npair;
	const struct lt_pair *pair;
	uint64_t small;   /* bytes if they are few and the same for everybody:
	                     a transport may keep a copy; else 0 */
	bool device;      /* arrays are on the ranks' devices */
	struct lt_channel *channel; /* the transport's */
	uint32_t seq;
	void *state;      /* the transport's */
};

/* Sets everything but the transport's fields. */
void lt_op_set(struct lt_op *, const struct lt_move *,
    const struct lt_group *, enum lt_phase, int npair,
    const struct lt_pair *);

bool lt_op_sends(const struct lt_op *, int member);
bool lt_op_takes(const struct lt_op *, int member);
/* A member's place in the order of ranks: axes ascend from major to minor. */
int lt_op_place(const struct lt_op *, int member);
/* Whether pieces of this member are added to those of earlier ones. */
bool lt_op_leads(const struct lt_op *, int member);
bool lt_op_adds(const struct lt_op *, int leader, int member);
/* Whether any are. */
bool lt_op_sums(const struct lt_op *);

/* The piece of a pair on its way: the nest, and where the box begins in the
 * sender's and in the receiver's array, in elements. */
struct lt_piece {
	struct lt_nest nest;
	uint64_t src, dst;
};
struct lt_piece lt_op_piece(const struct lt_op *, int pair, int sender,
    int receiver);
/* The array that a pair is sent from. */
const char *lt_op_src(const struct lt_op *, int pair);
/* Bytes of all pairs' pieces. */
uint64_t lt_op_bytes(const struct lt_op *, int sender, int receiver);

#endif
