/* Products of bf16 tiles on AMX. */
#include "runtime/cpu/gemm_tile.h"
#if defined(__x86_64__)
#define GEMM_TILE_NAME lt_gemm_tile_amx
#include "runtime/cpu/gemm_tile_body.h"
#endif
