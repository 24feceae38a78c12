/* GEMM kernels for AVX-512: 14 x 32 register tile. */
#include "runtime/cpu/gemm_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#define GEMM_NAME lt_gemm_avx512
#define MR 14
#define NV 2
#define MA 16
#include "runtime/cpu/gemm_body.h"
#endif
