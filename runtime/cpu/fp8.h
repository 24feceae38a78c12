/* Tensors of fp8: made, and multiplied.  Codes are those of runtime/fp8.h. */
#ifndef LT_RUNTIME_CPU_FP8_H
#define LT_RUNTIME_CPU_FP8_H

#include "runtime/cpu/gemm.h"

/*
 * y[rows][cols] = codes of x[rows][cols] / *scale, bf16, and t[cols][rows] the
 * same with rows and columns exchanged; either may be NULL.  type is LT_E4M3
 * or LT_E5M2, *scale a power of two or NaN.
 */
void lt_fp8_round(struct lt_pool *, enum lt_dtype type, uint64_t rows,
    uint64_t cols, const uint16_t *x, const float *scale, uint8_t *y,
    uint8_t *t);

/* lt_gemm of such operands: in bf16, where they lie in the workspace. */
size_t lt_gemm_fp8_workspace(const struct lt_gemm *, int threads);
void lt_gemm_fp8(struct lt_pool *, const struct lt_gemm *, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *, void *workspace);

#endif
