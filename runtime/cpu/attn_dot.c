/* Attention of bf16 by the dot products of AVX512-BF16. */
#include "runtime/cpu/attn_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#define LT_SIMD_BF16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/gemm_tile.h"
#define ATTN_NAME lt_attn_dot
#define ATTN_TILE lt_gemm_tile_dot
#include "runtime/cpu/attn_tile_body.h"
#endif
