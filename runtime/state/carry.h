/*
 * Tensors on their way between the ranks that store them and rank 0, which
 * alone has files.  Rank 0 leads: it collects a tensor piece by piece, or
 * hands one out; the others follow, doing what it says until it ends.  A
 * piece is at most LT_CARRY_MAX bytes and goes from arena to arena, or
 * through one buffer of that size: no rank ever holds a second copy.
 *
 * With one rank the same functions walk through the arena.
 */
#ifndef LT_RUNTIME_STATE_CARRY_H
#define LT_RUNTIME_STATE_CARRY_H

#include "runtime/state/parts.h"

enum { LT_CARRY_MAX = 1 << 20 };

/* What to do with the next n bytes of a tensor; false: it could not. */
typedef bool (*lt_carry_put)(void *arg, const void *bytes, size_t n);
typedef bool (*lt_carry_get)(void *arg, void *bytes, size_t n);

struct lt_carry {
	struct lt *rt;
	const struct lt_parts *parts; /* the same on every rank */
	char *buffer;
	double told; /* when the others heard from rank 0 */
};

/* Collective: true on all ranks, or false on all if one is out of memory. */
bool lt_carry_open(struct lt_carry *, struct lt *, const struct lt_parts *);
void lt_carry_close(struct lt_carry *);

/* Rank 0.  After a failure the rest of the tensor is still moved, but not
 * put or asked for any more; errno is the failure's. */
bool lt_carry_collect(struct lt_carry *, const struct lt_part *, lt_carry_put,
    void *arg);
bool lt_carry_spread(struct lt_carry *, const struct lt_part *, lt_carry_get,
    void *arg);
/* From time to time in long work without the others, who would give up. */
void lt_carry_alive(struct lt_carry *);
void lt_carry_end(struct lt_carry *);

/* The other ranks: returns when rank 0 ends. */
void lt_carry_follow(struct lt_carry *);

#endif
