/*
 * Transfers in flight, and who must keep off what they read.
 *
 * A transfer starts behind all that its rank did before and is over when the
 * rank waits for it, or for a later one of the same lane: lanes run in order.
 * Until then its sources must not be written, but by a later transfer of its
 * own lane.  (That nobody reads or writes its destination is what the replay
 * finds: a value read is what was put there last.)
 *
 * The replay of a memory plan tells what happens, in order; see replay.h.
 */
#ifndef LOONG_IR_RACE_H
#define LOONG_IR_RACE_H

#include "ir/ir.h"

struct race_place {
	uint8_t arena; /* enum arena_id; ARENA_COUNT: layers of a bundle */
	uint64_t lo, hi; /* bytes or layers, half open */
	const struct bundle *b; /* or NULL */
};

struct race_flight {
	const struct op *op;
	uint32_t future; /* content of its first result; others follow */
	struct race_place *from;
	int nfrom;
};

struct race {
	struct race_flight *flight; /* in order of their starts */
	int n, cap;
};

/* from: nfrom places that op, with these results, reads. */
void race_start(struct race *r, const struct op *op, uint32_t future,
    const struct race_place *from, int nfrom);
/* The one with this among its results, and all before it on its lane
 * are over. */
void race_wait(struct race *r, uint32_t future);
/* A transfer in flight that still reads what op is about to write; or NULL. */
const struct op *race_with(const struct race *r, const struct op *op,
    const struct race_place *at);
void race_free(struct race *r);

#endif
