/*
 * Between lt_gemm and the product on bf16 tiles: gemm_tile.c has the loops,
 * one table per way of multiplying (AMX, dot products of AVX512-BF16, emulated
 * tiles) the innermost products.
 *
 * A panel is 32 rows of A or columns of B, cut into steps of 32 along k; a
 * step is two tiles, 2 KiB, filled up with zeros.  A matrix of f32 is three
 * matrices of bf16 whose sum it is (tile_split.h): its steps have three parts.
 */
#ifndef LT_RUNTIME_CPU_GEMM_TILE_H
#define LT_RUNTIME_CPU_GEMM_TILE_H

#include "runtime/cpu/gemm.h"

enum { TILE_PANEL = 32, TILE_STEP = TILE_PANEL * 32, TILE_PARTS = 3 };

/* Packs a step of a panel: n rows or columns, `depth` deep (tile_pack.h). */
typedef void tile_pack_fn(const void *x, uint64_t ld, int n, int depth,
    uint16_t *out);

struct gemm_tile {
	/* c[32][32] = (c +) A panel times B panel; ldc in floats */
	void (*product)(int steps, const uint16_t *a, const uint16_t *b,
	    float *c, size_t ldc, bool add);
	/* c[32][32] = A panel times B panel, both of f32 in parts; or NULL */
	void (*product_parts)(int steps, const uint16_t *a, const uint16_t *b,
	    float *c, size_t ldc);
	/* c[32][32] = sum[32][32], rounded to bf16; stream: past the caches,
	 * c and its rows on lines */
	void (*round)(const float *sum, uint16_t *c, size_t ldc, bool stream);
	/* of f32, rounded to bf16: [0] k contiguous, [1] k down */
	tile_pack_fn *round_a[2], *round_b[2];
	void (*begin)(void);
	void (*end)(void);
};

extern const struct gemm_tile lt_gemm_tile_amx;
extern const struct gemm_tile lt_gemm_tile_dot; /* bf16 only */
extern const struct gemm_tile lt_gemm_tile_emu;

size_t lt_gemm_tile_workspace(const struct lt_gemm *, int threads);
void lt_gemm_tile(const struct gemm_tile *, struct lt_pool *,
    const struct lt_gemm *, const void *a, const void *b, void *c,
    const struct lt_gemm_epilogue *, void *workspace);

#endif
