/* Attention kernels for AVX-512. */
#include "runtime/cpu/attn_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#define ATTN_NAME lt_attn_avx512
#define TILE_V 4
#include "runtime/cpu/attn_body.h"
#endif
