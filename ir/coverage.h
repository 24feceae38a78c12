/*
 * Coverage: attention in steps computes every (queries, keys) pair of its mask
 * exactly once over all ranks and steps.
 *
 * attn.step and attn.step.bwd ops belong to one attention if one of their
 * accumulators is the same chain.  Which queries meet which keys follows from
 * the types of q and k alone, so this holds for any module, however it came
 * to be.  With documents (mask=same) the causal mask must be covered.
 */
#ifndef LOONG_IR_COVERAGE_H
#define LOONG_IR_COVERAGE_H

#include "ir/ir.h"

/*
 * Attentions with a hole or a pair too many, each reported once with the first
 * such queries and keys.  The module must be verified.
 */
int coverage_check(struct module *m);

#endif
