/* Attention on tiles in plain C: tests of attn_tile_body.h without AMX. */
#include "runtime/cpu/attn_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/gemm_tile.h"
#define ATTN_NAME lt_attn_emu
#define ATTN_TILE lt_gemm_tile_emu
#include "runtime/cpu/attn_tile_body.h"
#endif
