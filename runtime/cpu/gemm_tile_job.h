/* Inside gemm_tile.c: one product, a block of it, what a thread holds. */
#ifndef LT_RUNTIME_CPU_GEMM_TILE_JOB_H
#define LT_RUNTIME_CPU_GEMM_TILE_JOB_H

#include <stdatomic.h>

#include "runtime/cpu/gemm_tile.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

struct lt_pool;

struct job {
	const struct gemm_tile *tile;
	struct lt_pool *pool;
	const struct lt_gemm *g;
	const struct lt_gemm_epilogue *epi;
	const char *a, *b;
	char *c;
	uint16_t *packed[2]; /* panels of B */
	char *own;           /* own_bytes() for each thread */
	float *strip;        /* [panels of A][panels of B][32][32], or NULL */
	uint32_t kc, sub, nc_max, parts, rows, cols;
	bool stream;         /* C is large: written past the caches */
	atomic_uint next[3]; /* rectangles taken, by block number mod 3 */
};

struct block {
	uint32_t n0, nc, k0, kc;
	uint32_t steps, pm, pn; /* of k; panels of A and of B */
	uint32_t rect_m, rect_n; /* panels of one thread's bite */
	bool first, last;
	uint16_t *b;
};

/* A thread's own: panels [i0, i1) of A, where they are packed. */
struct own {
	uint16_t *a, *b;
	float *sum; /* [32][32] for each panel of A */
	uint32_t i0, i1, k0;
};

static inline uint32_t
ceil_div(uint32_t a, uint32_t b)
{
	return a / b + (a % b != 0);
}

/* Elements of a packed panel of this block. */
static inline size_t
panel(const struct job *j, const struct block *b)
{
	return (size_t)b->steps * j->parts * TILE_STEP;
}

#endif
