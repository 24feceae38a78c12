/*
 * The ranks of a run meet.  All others come to rank 0, which tells them where
 * everybody listens; then each goes to those before it.  Every connection
 * begins with a proof (hello.h); one that fails is refused, and the rank is
 * still awaited.
 */
#ifndef LT_RUNTIME_COMM_MEET_H
#define LT_RUNTIME_COMM_MEET_H

#include "runtime/comm/rdzv.h"

/*
 * fd: by rank, a connection that does not wait (mine: -1).  LT_OK, or an exit
 * code after a message, with all of them closed: after so many seconds, the
 * ranks that have not come are named.
 */
int lt_meet(const struct lt_rdzv *, double timeout, int rank, int ranks,
    int *fd);

#endif
