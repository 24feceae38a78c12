/*
 * Rules that the calls of a program for GPUs keep, whatever a driver does:
 *
 *	place   every address lies in a slot of the memory plan
 *	event   what is waited for has been recorded before
 *	stream  what computes is on its stream, copies of the host on theirs,
 *	        and everything of a move on that of its lane
 *	order   of two calls on different streams, of one rank or two, that
 *	        touch the same bytes, one of them writing, the later one is
 *	        behind the other by the order of a stream and by events
 *	move    all ranks of a group start the same moves of a lane in the same
 *	        order, and each function of the program does so in the plan's
 */
#ifndef TESTS_GPU_ORDER_H
#define TESTS_GPU_ORDER_H

#include "tests/gpu/record.h"

struct order; /* what the rules need to know of a log and does not change */

struct order *order_new(const struct call_log *, const struct lt_program *,
    int threads);
void order_free(struct order *);

/* The first rule that is broken, with what breaks it in `why`; NULL: none. */
const char *order_check(struct order *, char why[512]);
/* Of what each call of the log checked last is behind. */
uint64_t order_hash(const struct order *);

/* For a log that was broken on purpose: rules of the events alone. */
const char *order_check_events(struct order *, char why[512]);
const char *order_check_moves(struct order *, char why[512]);
const char *order_check_places(struct order *, char why[512]);

#endif
