/*
 * two_halves(a, b): two vectors rounded to 32 bf16, those of a first.  After
 * simd.h, 16 lanes; every CPU with AMX has the instruction, which makes
 * denormals zero.
 *
 * load_floats(p, n): at most 16 floats, zeros after them; n may be negative.
 */
#ifndef LT_RUNTIME_CPU_HALVES_H
#define LT_RUNTIME_CPU_HALVES_H

#ifdef LT_SIMD_BF16

INLINE __m512i
two_halves(vf a, vf b)
{
	return (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
}

#else

INLINE __m512i
two_halves(vf a, vf b)
{
	_Alignas(64) uint16_t h[32];

	v_to_bf16(h, a);
	v_to_bf16(h + 16, b);
	return _mm512_load_si512(h);
}

#endif

INLINE vf
load_floats(const float *p, int n)
{
	if (n >= 16)
		return v_load(p);
	return n <= 0 ? v_set(0) :
	    (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

#endif
