/* Attention on tiles in plain C: tests of attn_tile_body.h without AMX. */
#include "runtime/cpu/attn_kernel.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/gemm_tile.h"
#define ATTN_NAME lt_attn_emu
#define ATTN_TILE lt_gemm_tile_emu

INLINE __m512i
two_halves(vf a, vf b)
{
	_Alignas(64) uint16_t h[32];

	v_to_bf16(h, a);
	v_to_bf16(h + 16, b);
	return _mm512_load_si512(h);
}

#include "runtime/cpu/attn_tile_body.h"
#endif
