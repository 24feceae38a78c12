/*
 * The loss head: cross-entropy of logits = h W, a chunk of tokens at a time,
 * so that all logits never exist at once.
 *
 *	h        [tokens, width]
 *	W        [width, vocab] if rows_are_width, else [vocab, width]
 *	labels   [tokens]; `ignore` does not count
 *	nll      one f32: sum over counted tokens of -log softmax(logits)[label]
 *	dh       like h: gradient of dn * nll;  dW like W, f32
 *
 * scratch: chunk * vocab f32 logits, then chunk f32.  Sums are in a fixed order for any number of threads.
 */
#ifndef LT_RUNTIME_CPU_HEAD_H
#define LT_RUNTIME_CPU_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/dtype.h"

struct lt_pool;

struct lt_head {
	uint64_t tokens, width, vocab, chunk;
	int32_t ignore;
	bool rows_are_width;
	enum lt_dtype type; /* of h and dh */
	enum lt_dtype w;    /* of W; f32 is rounded where h is bf16 */
};

size_t lt_head_workspace(const struct lt_head *, int threads);

void lt_head(struct lt_pool *, const struct lt_head *, const void *h,
    const void *w, const int32_t *labels, float *nll, float *scratch,
    void *workspace);

/* dw is written, or added to if `add_dw`. */
void lt_head_bwd(struct lt_pool *, const struct lt_head *, float dn,
    const void *h, const void *w, const int32_t *labels, float *nll, void *dh,
    float *dw, bool add_dw, float *scratch, void *workspace);

#endif
