/* GEMM kernels for any CPU: 4-float vectors, 6 x 8 register tile. */
#define LT_SIMD 4
#define GEMM_NAME lt_gemm_base
#define MR 6
#define NV 2
#define MA 8
#include "runtime/cpu/gemm_body.h"
