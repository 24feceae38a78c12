/*
 * When things happen in a step, by the figures of the machine (machine.h).
 *
 * The compute lane runs ops in their order; a transfer starts when the compute
 * lane has come to it and its lane is free, and a wait stalls the compute lane
 * until what it awaits has arrived.  Calls are entered and loops run, so this
 * is the whole step; each function is shown as it runs in its middle layer,
 * with what its lanes have left of the layers before.
 * Stalls are listed by the transfer they wait for: its lane, its line of the
 * source and the function that started it, which may be the call before.
 */
#ifndef LOONG_PLAN_TIMELINE_H
#define LOONG_PLAN_TIMELINE_H

#include "ir/ir.h"

/* Tables of lanes and stalls, and a bar for each lane of each function of step.
 * False, after an error, if there is no fn step. */
bool timeline_print(struct module *m, FILE *out);

#endif
