/* Products of fp8 where the device's library makes none. */
#ifndef LT_RUNTIME_GPU_FP8_H
#define LT_RUNTIME_GPU_FP8_H

#include "runtime/gpu/gpu.h"

/* So many bytes of each operand are made bf16 at once, if it lies along k. */
enum { LT_GPU_FP8_ROOM = 64 << 20 };

/* Bytes for these; 0 if the operands are not fp8. */
uint64_t lt_gpu_fp8_workspace(const struct lt_gemm *);
/* lt_gpu_gemm of the operands widened into `work`, which is exact. */
void lt_gpu_fp8_gemm(struct lt *, const struct lt_gemm *, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *, char *work);

#endif
