/*
 * Inside of autodiff: the functions a trainer calls, made from fn model.
 */
#ifndef LOONG_PASSES_STEP_H
#define LOONG_PASSES_STEP_H

#include "passes/grad.h"

/* fn step(tok, lab [, doc]): mean loss, gradient norm; updates parameters. */
void step_build(struct module *m, struct func *model);
/* fn eval(tok, lab [, doc]): sum of token losses, labels that count. */
void eval_build(struct module *m, struct func *model);
/* fn logits(tok, at [, doc]): f32[b,v] of one position; or nothing. */
void logits_build(struct module *m, struct func *model);

/* The loss op of the model's labels: xent or xent.dot; NULL: none. */
struct op *model_head(struct func *model);

#endif
