/*
 * Matrix product, the one seam: C[m,n] (+)= op(A)[m,k] op(B)[k,n].
 *
 * Row-major.  op(A) is A, stored [m][lda], or, if ta, the transpose of what
 * is stored as [k][lda]; likewise B.  Element types:
 *
 *	A, B        C
 *	f32, f32    f32
 *	bf16, bf16  bf16 or f32
 *	bf16, f32   bf16 or f32; the f32 side is rounded to bf16 as it is read,
 *	f32, bf16   with the bits of a product of a rounded copy
 *	fp8, fp8    bf16 or f32
 *
 * fp8 is codes of either format (runtime/fp8.h) and a scale for each operand:
 * these are made numbers of bf16 first, which is exact.
 *
 * Where the CPU has AVX512-BF16 and no AMX, bf16 is multiplied by its dot
 * products, two of k at a time, which take denormals for zero.
 *
 * Where the CPU has AMX both run on tiles of bf16, a float as the sum of three
 * bf16: as exact as f32 within one rounding of each product (tile_split.h; the
 * idea is that of Henry, Tang, Heinecke, "Leveraging the bfloat16 Artificial
 * Intelligence Datatype For Higher-Precision Computations", 2019).
 *
 * Sums are kept in f32 and C is rounded once, after the epilogue
 * C = sum (+ C if acc) (+ bias[n] per row) (+ resid[m,n]).  acc needs C f32.
 * C may be the residual, and overlaps nothing else.
 *
 * Same inputs give the same bits for any number of threads; they may differ
 * between CPU levels.  Nothing is allocated.
 */
#ifndef LT_RUNTIME_CPU_GEMM_H
#define LT_RUNTIME_CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/dtype.h"

struct lt_pool;

struct lt_gemm {
	uint32_t m, n, k;
	uint64_t lda, ldb, ldc; /* elements between stored rows */
	bool ta, tb;
	bool acc;
	enum lt_dtype a, b, c;
};

/* What is multiplied: bf16 if one side is. */
static inline enum lt_dtype
lt_gemm_type(const struct lt_gemm *g)
{
	return g->a == LT_BF16 || g->b == LT_BF16 ? LT_BF16 : LT_F32;
}

struct lt_gemm_epilogue {
	const void *bias; /* n elements, or NULL */
	enum lt_dtype bias_type;
	const void *resid; /* [m][ldr], or NULL */
	enum lt_dtype resid_type;
	uint64_t ldr;
	const float *scale_a, *scale_b; /* of A and B, if they are fp8 */
};

/* Bytes of scratch, 64-byte aligned, one call needs with a pool of so many
 * threads: an upper bound over all CPU levels, the same on every machine.
 * 0 for k == 0; SIZE_MAX if it does not fit a size_t. */
size_t lt_gemm_workspace(const struct lt_gemm *, int threads);

/* epilogue may be NULL but for fp8.  k == 0 gives the epilogue of a zero product. */
void lt_gemm(struct lt_pool *, const struct lt_gemm *, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *, void *workspace);

#endif
