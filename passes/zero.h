/*
 * Inside of the pass zero: which axes share what, and its parts.  Nothing
 * outside passes/zero*.c includes this.
 */
#ifndef LOONG_PASSES_ZERO_H
#define LOONG_PASSES_ZERO_H

#include "ir/ir.h"

/*
 * What is shared: parameters as the model reads them, gradient sums, optimizer
 * state (masters, moments, complete gradients).  The axes of each are the
 * first of the next, so that blocks refine.
 */
enum zero_kind { ZERO_PARAMS, ZERO_GRADS, ZERO_STATE, ZERO_KINDS };

/* Matrices: fields of bundles stacked over layers that decay.  The rest: gains
 * and biases of those, and what is outside of layers (embeddings, the head). */
enum zero_class { ZERO_MATRICES, ZERO_REST, ZERO_CLASSES };

struct zero {
	struct module *m;
	struct axis_list axes[ZERO_CLASSES][ZERO_KINDS];
};

enum zero_class zero_class_of(const struct bundle *b, int field);
/* The lists of a bundle, all of whose fields are of one class. */
const struct axis_list *zero_axes(const struct zero *z,
    const struct bundle *b);
/* The parameters that b belongs to: b itself or b->of. */
struct bundle *zero_root(struct bundle *b);
/* Axes of `all` behind those of `first`, its beginning. */
struct axis_list zero_behind(const struct axis_list *all,
    const struct axis_list *first);
/* A communication op over these axes. */
struct op *zero_move(struct module *m, enum opcode code, struct arg in,
    const struct axis_list *on, struct span at);
/* What op makes is a layer of b (or all of them), stored like this. */
struct value *zero_result(struct module *m, struct func *f, struct op *op,
    const char *name, struct bundle *b, enum dtype dt,
    const struct axis_list *flat, axis_set pend);
/* @to = op: the result goes into whole bundles or a layer of one. */
void zero_into(struct module *m, struct func *f, struct op *op, struct arg to);

/* zero_split.c: bundles whose two classes of fields have other axes. */
void zero_split(struct zero *z);
/* zero_params.c: copies of parameters, and gathers where blocks read. */
void zero_params(struct zero *z);
/* zero_grads.c: local sums of blocks, scattered when a block ends. */
void zero_grads(struct zero *z);
/* zero_step.c: complete gradients and the norm. */
void zero_reduce(struct zero *z);

#endif
