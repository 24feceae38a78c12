/*
 * Identity of the model: what its parameters are and what fn eval computes,
 * whatever the batch, the precision, the recipe and the plan.
 *
 * Partitioning rewrites fn eval without making it another model, so the pass
 * that cuts a program for several ranks keeps the identity first, as the
 * setting model.hash; from then on that is the answer.
 */
#ifndef LOONG_IR_IDENTITY_H
#define LOONG_IR_IDENTITY_H

#include "ir/ir.h"

void identity_print(struct module *m, FILE *out); /* what is hashed */
uint64_t identity_hash(struct module *m);
void identity_keep(struct module *m);

#endif
