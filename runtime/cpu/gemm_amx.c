/* Products of bf16 tiles on AMX. */
#include "runtime/cpu/gemm_tile.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#define LT_SIMD_BF16
#include "runtime/cpu/simd.h"
#define GEMM_TILE_NAME lt_gemm_tile_amx
#include "runtime/cpu/gemm_tile_body.h"
#include "runtime/cpu/simd_end.h"
#endif
