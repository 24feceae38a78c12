/*
 * Attention in blocks, forward and backward; memory linear in the sequence.
 *
 *	q, o, do, dq   [b, sq, k, g, d]   g query heads share one kv head
 *	k, v, dk, dv   [b, sk, k, d]
 *	z, delta       [b, sq, k, g]      f32
 *
 * Row-major and dense, element type p->type.  With s = scale * (q . k) over
 * the visible keys:  o = softmax(s) v,  z = log sum exp s (natural).
 * A query that sees no key has o = 0, z = -inf and no gradient.
 *
 * Key at position y is visible to a query at position x if all hold:
 *	causal      y <= x
 *	window > 0  x - y < window
 *	doc         both have the same document id
 * Blocks nobody sees are skipped, blocks everybody sees are not masked.
 *
 * Sums are kept in f32.  Same inputs give the same bits for any number of
 * threads; they may differ between CPU levels.  Nothing is allocated.
 */
#ifndef LT_RUNTIME_CPU_ATTN_H
#define LT_RUNTIME_CPU_ATTN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/dtype.h"
#include "runtime/runs.h"

enum { LT_ATTN_D_MAX = 256 };

struct lt_pool;

struct lt_attn {
	uint32_t b, sq, sk, k, g, d; /* d <= LT_ATTN_D_MAX */
	float scale;
	bool causal;
	uint32_t window;             /* 0: none */
	struct lt_runs qpos, kpos;   /* global positions of the rows */
	const int32_t *qdoc, *kdoc;  /* [b, sq], [b, sk]; both or none (NULL) */
	enum lt_dtype type;
	bool acc; /* backward: dq, dk, dv are f32 and added to */
};

/* Bytes of scratch, 64-byte aligned, for a pool of so many threads: the same
 * for every CPU level, and never more than threads times that of one thread.
 * Reads sizes only, no pointers.  SIZE_MAX if it does not fit a size_t. */
size_t lt_attn_fwd_workspace(const struct lt_attn *, int threads);
size_t lt_attn_bwd_workspace(const struct lt_attn *, int threads);

void lt_attn_fwd(struct lt_pool *, const struct lt_attn *, const void *q,
    const void *k, const void *v, void *o, float *z, void *workspace);

/* One step of a ring: merges attention to these keys into o and z, both f32.
 * Start with o anything and z = -inf. */
void lt_attn_step(struct lt_pool *, const struct lt_attn *, const void *q,
    const void *k, const void *v, float *o, float *z, void *workspace);

/* delta = sum over d of do * o. */
void lt_attn_delta(struct lt_pool *, const struct lt_attn *, const void *dout,
    const void *o, float *delta);

/* Gradients through these keys, given z and delta of all keys. */
void lt_attn_bwd(struct lt_pool *, const struct lt_attn *, const void *dout,
    const void *q, const void *k, const void *v, const float *z,
    const float *delta, void *dq, void *dk, void *dv, void *workspace);

#endif
