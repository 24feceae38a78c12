/* Attention on AMX tiles. */
#include "runtime/cpu/attn_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#define LT_SIMD_BF16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/gemm_tile.h"
#define ATTN_NAME lt_attn_amx
#define ATTN_TILE lt_gemm_tile_amx

/* Every CPU with AMX has this instruction; denormals become zero. */
INLINE __m512i
two_halves(vf a, vf b)
{
	return (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
}

#include "runtime/cpu/attn_tile_body.h"
#endif
