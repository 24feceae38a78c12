/*
 * What all ranks do together outside of the program: agree, and carry bytes
 * to and from rank 0.  Every rank calls the same functions in the same order
 * with the same sizes; with one rank they are nothing.  None returns when a
 * rank is missing or has failed: the run then ends.
 */
#ifndef LT_RUNTIME_COMM_WORLD_H
#define LT_RUNTIME_COMM_WORLD_H

#include <stdint.h>

#include "runtime/loong_rt.h"

/* Returns when every rank has called it. */
void lt_world_barrier(struct lt *);

/* The largest of the ranks' numbers; all ranks get the same. */
int64_t lt_world_agree(struct lt *, int64_t mine);

/* Rank 0's n bytes at data go to all. */
void lt_world_broadcast(struct lt *, void *data, uint64_t n);

/* n bytes of every rank, in the order of ranks, at `all` on rank 0 (there
 * ranks * n; NULL elsewhere). */
void lt_world_gather(struct lt *, const void *mine, uint64_t n, void *all);

/* n bytes at src on rank `from` go to dst on rank `to`; the pointers count on
 * these ranks only.  Ranks that are neither return at once. */
void lt_world_copy(struct lt *, int from, int to, const void *src, void *dst,
    uint64_t n);

#endif
