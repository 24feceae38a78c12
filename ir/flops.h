/* Floating point operations of one op: 2 for each multiply and add. */
#ifndef LOONG_IR_FLOPS_H
#define LOONG_IR_FLOPS_H

#include "ir/ir.h"

/*
 * On one rank.  Products, attention and loss heads; 0 for everything else, which moves
 * bytes.  Attention counts what its mask lets through: half of the keys if
 * causal, a band under a window; a step of a ring counts the average step.
 */
double op_flops(const struct module *m, const struct op *op);

/*
 * One step on all ranks together: of the model, that is three times its
 * forward pass, and as executed, with what backward computes again.  The
 * former is a property of the model and its batch: what flops_keep has noted
 * before the program was cut for several ranks stays the answer; tokens that
 * only pad a sequence do not count in it.
 */
void flops_of_step(const struct module *m, double *model, double *executed);
void flops_keep(struct module *m);

#endif
