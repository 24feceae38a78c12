/* GEMM kernels for AVX2 and FMA: 6 x 16 register tile. */
#include "runtime/cpu/gemm_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 8
#define GEMM_NAME lt_gemm_avx2
#define MR 6
#define NV 2
#define MA 8
#include "runtime/cpu/gemm_body.h"
#endif
