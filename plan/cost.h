/*
 * Seconds and bytes of one op on one rank.
 *
 * With B bytes of the operand on each rank and n ranks in the group, a rank
 * sends (what stays on the rank does not count)
 *
 *	a2a         B (n-1)/n          gather      B (n-1)
 *	rscatter    B (n-1)/n          allreduce   2 B (n-1)/n
 *	shift       B
 *
 * Each transfer takes latency + bytes / bandwidth of its link, a copy to or from
 * the host as well, either way at a time without the other; a kernel the
 * larger of FLOPs / peak and bytes / memory bandwidth.
 */
#ifndef LOONG_PLAN_COST_H
#define LOONG_PLAN_COST_H

#include "plan/machine.h"

/* True for ops that move data between ranks. */
bool cost_is_transfer(const struct op *op);

/* Ops that copy between a device and its host, and all that have a lane. */
bool cost_is_host_copy(const struct op *op);
bool cost_has_lane(const struct op *op);

/* Bytes of the operands on one rank (of a fetch: of its result); bytes it
 * sends, in so many transfers: one, but one for each layer of a bundle that is
 * rounded on the way. */
uint64_t cost_local_bytes(const struct module *m, const struct op *op);
uint64_t cost_sent_bytes(const struct module *m, const struct op *op);
uint64_t cost_transfers(const struct module *m, const struct op *op);

/* Loops and calls are the sum of what is in them, transfers not hidden. */
double cost_seconds(const struct module *m, const struct machine *x,
    const struct op *op);

#endif
