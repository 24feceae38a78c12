/* Floating point operations of one op: 2 for each multiply and add. */
#ifndef LOONG_IR_FLOPS_H
#define LOONG_IR_FLOPS_H

#include "ir/ir.h"

/*
 * Products, attention and loss heads; 0 for everything else, which moves
 * bytes.  Attention counts what its mask lets through: half of the keys if
 * causal, a band under a window.
 */
double op_flops(const struct module *m, const struct op *op);

#endif
