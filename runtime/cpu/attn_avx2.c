/* Attention kernels for AVX2 and FMA. */
#include "runtime/cpu/attn_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 8
#define ATTN_NAME lt_attn_avx2
#define TILE_V 2
#include "runtime/cpu/attn_body.h"
#endif
