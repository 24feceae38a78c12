/* List scheduling of one region: computing while transfers are under way. */
#ifndef LOONG_PASSES_ORDER_H
#define LOONG_PASSES_ORDER_H

#include "plan/machine.h"

/*
 * Puts the ops of r in another order with the same meaning: starts as early
 * as their operands are there and `cap` bytes in flight allow, waits as late
 * as something else can be computed.  Fusion groups stay together, the last
 * op stays last.  Deterministic; ties go to the order before.
 */
void order_region(struct module *m, const struct machine *x, struct region *r,
    uint64_t cap);

#endif
