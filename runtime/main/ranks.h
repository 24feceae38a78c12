/*
 * The ranks of a program as threads of this process: each with its struct lt,
 * arenas and pool, all with the same options and data.
 */
#ifndef LT_RUNTIME_MAIN_RANKS_H
#define LT_RUNTIME_MAIN_RANKS_H

#include "runtime/loong_rt.h"

/*
 * Calls body for every rank of rt's program; rank 0 is rt and this thread.
 * Returns when all have returned and their memory is free again: the exit
 * code of the rank that failed first, or else rank 0's.  Ranks that do not
 * return when one has failed end with the process, after a while.
 */
int lt_ranks_run(struct lt *rt, int (*body)(struct lt *));

/*
 * What the ranks make of a code of their own: the largest, after which all
 * know of the same signal (run->stop).  To be called by all of them.
 */
int lt_ranks_agree(struct lt *rt, int rc);

#endif
