/* Products of bf16 tiles in plain C: tests of gemm_tile.c without AMX. */
#include "runtime/cpu/gemm_tile.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#include "runtime/cpu/simd.h"
#define LT_TILE_EMU
#define GEMM_TILE_NAME lt_gemm_tile_emu
#include "runtime/cpu/gemm_tile_body.h"
#include "runtime/cpu/simd_end.h"
#endif
