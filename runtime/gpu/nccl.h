/*
 * Transport `nccl`: ranks with a GPU each.  Every step is one group of sends
 * and receives of pieces on the stream of its lane; sums are made by kernels, in
 * the order of the members, so that every rank gets the bits that it would get
 * from any other transport.  The host waits for nobody: what it enqueues is in
 * the order of the program, which is the same on all ranks.
 *
 * There is one communicator for each lane and group, made at the beginning in
 * the order of the program's moves; what they need to find each other travels
 * over the transport of the hosts.
 */
#ifndef LT_RUNTIME_GPU_NCCL_H
#define LT_RUNTIME_GPU_NCCL_H

#include "runtime/loong_rt.h"

/*
 * Collective: lets moves of this rank's device go over NCCL, if every rank has
 * a GPU of its own; nothing else.  LT_OK, or an exit code after a message.
 */
int lt_nccl_open(struct lt *);
void lt_nccl_close(struct lt *);

/* After a rehearsal: one allocation for the messages of all moves, which do not
 * lie together.  LT_OK, or an exit code after a message. */
int lt_nccl_reserve(struct lt *);

/*
 * To be called now and then by who waits for the device; s: for how long it
 * has not got any further.  Ends the run if a communicator has failed, or at the deadline: the
 * message names what has not arrived.
 */
void lt_nccl_check(struct lt *, double s);

#endif
