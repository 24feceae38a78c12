/*
 * Vectors of the instruction set a file is compiled for.  A kernel body is
 * written once with these and included by one file per level:
 *
 *	#define LT_SIMD 16                  lanes: 16, 8 or 4 floats
 *	#define LT_SIMD_BF16                optional, with 16: AVX512-BF16 too
 *	#include "runtime/cpu/simd.h"
 *	... body ...
 *	#include "runtime/cpu/simd_end.h"
 *
 * What the compiler's vector extensions cannot say well (fused multiply-add,
 * maximum, transposition) is spelled per level here and nowhere else.
 * Floats are IEEE; nothing here depends on fast-math.
 */
#ifndef LT_SIMD
#error "define LT_SIMD first"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/dtype.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if LT_SIMD == 16 && defined(LT_SIMD_BF16)
#define SIMD_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"
#elif LT_SIMD == 16
#define SIMD_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#elif LT_SIMD == 8
#define SIMD_TARGET "avx2,fma"
#endif

#define SIMD_STR(x) #x
#define SIMD_PRAGMA(x) _Pragma(SIMD_STR(x))
#if defined(__clang__)
#define UNROLL SIMD_PRAGMA(clang loop unroll(full))
#ifdef SIMD_TARGET
SIMD_PRAGMA(clang attribute push(                             \
    __attribute__((target(SIMD_TARGET))), apply_to = function))
#endif
#else
#define UNROLL SIMD_PRAGMA(GCC unroll 16)
#ifdef SIMD_TARGET
SIMD_PRAGMA(GCC push_options)
SIMD_PRAGMA(GCC target(SIMD_TARGET))
#endif
#endif

#define VL LT_SIMD
#define INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef uint16_t vh __attribute__((vector_size(2 * VL)));

INLINE vf
v_load(const float *p)
{
	vf v;

	memcpy(&v, p, sizeof(v));
	return v;
}

INLINE void
v_store(float *p, vf v)
{
	memcpy(p, &v, sizeof(v));
}

INLINE vi
v_loadi(const int32_t *p)
{
	vi v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#if LT_SIMD == 16
INLINE vf v_set(float x) { return (vf)_mm512_set1_ps(x); }
INLINE vi v_seti(int32_t x) { return (vi)_mm512_set1_epi32(x); }
INLINE vf v_fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return (vf)_mm512_max_ps(a, b); }
INLINE float v_sum(vf a) { return _mm512_reduce_add_ps(a); }
INLINE float v_top(vf a) { return _mm512_reduce_max_ps(a); }
#elif LT_SIMD == 8
INLINE vf v_set(float x) { return (vf)_mm256_set1_ps(x); }
INLINE vi v_seti(int32_t x) { return (vi)_mm256_set1_epi32(x); }
INLINE vf v_fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return (vf)_mm256_max_ps(a, b); }
#else
INLINE vf v_set(float x) { return (vf){ x, x, x, x }; }
INLINE vi v_seti(int32_t x) { return (vi){ x, x, x, x }; }
INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
/* b if either is NaN, like the instruction */
INLINE vf
v_max(vf a, vf b)
{
	vi m = a > b;

	return (vf)((m & (vi)a) | (~m & (vi)b));
}
#endif

#if LT_SIMD != 16
INLINE float
v_sum(vf a)
{
	float s[VL];
	int i, w;

	memcpy(s, &a, sizeof(a));
	for (w = VL / 2; w > 0; w /= 2)
		for (i = 0; i < w; i++)
			s[i] += s[i + w];
	return s[0];
}

INLINE float
v_top(vf a)
{
	float s[VL], m;
	int i;

	memcpy(s, &a, sizeof(a));
	for (m = s[0], i = 1; i < VL; i++)
		m = s[i] > m ? s[i] : m;
	return m;
}
#endif

/* a where the mask is all ones, b where it is zero */
INLINE vf
v_pick(vi m, vf a, vf b)
{
	return (vf)((m & (vi)a) | (~m & (vi)b));
}

INLINE vf
v_from_bf16(const uint16_t *p)
{
	vh h;

	memcpy(&h, p, sizeof(h));
	return (vf)(__builtin_convertvector(h, vu) << 16);
}

/* Round to nearest even; a NaN stays a (quiet) NaN. */
INLINE void
v_to_bf16(uint16_t *p, vf v)
{
	vu u = (vu)v, nan = (vu)(v != v);
	vu r = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
	vh h;

	r = (nan & ((u >> 16) | 0x40)) | (~nan & r);
	h = __builtin_convertvector(r, vh);
	memcpy(p, &h, sizeof(h));
}

INLINE float
f_from_bf16(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

INLINE uint16_t
f_to_bf16(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	if (f != f)
		return u >> 16 | 0x40;
	return (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}

/* Element or vector i of a tensor of f32 or bf16. */
INLINE vf
v_get(const void *p, size_t i, enum lt_dtype t)
{
	return t == LT_BF16 ? v_from_bf16((const uint16_t *)p + i)
			    : v_load((const float *)p + i);
}

INLINE void
v_put(void *p, size_t i, enum lt_dtype t, vf v)
{
	if (t == LT_BF16)
		v_to_bf16((uint16_t *)p + i, v);
	else
		v_store((float *)p + i, v);
}

INLINE float
f_get(const void *p, size_t i, enum lt_dtype t)
{
	return t == LT_BF16 ? f_from_bf16(((const uint16_t *)p)[i])
			    : ((const float *)p)[i];
}

INLINE void
f_put(void *p, size_t i, enum lt_dtype t, float f)
{
	if (t == LT_BF16)
		((uint16_t *)p)[i] = f_to_bf16(f);
	else
		((float *)p)[i] = f;
}

/* 2^x for x <= 127; below -126 it is 2^-126, NaN stays NaN.  Relative error
 * under 2e-7 (degree 6 on [-1/2, 1/2]).  The rounding constant leaves the
 * integer part of x in the low bits of t. */
INLINE vf
v_exp2(vf x)
{
	const vf magic = v_set(12582912.0f); /* 1.5 * 2^23 */
	vf t, r, p;

	x = v_max(v_set(-126.0f), x);
	t = x + magic;
	r = x - (t - magic);
	p = v_set(1.535336188e-4f);
	p = v_fma(p, r, v_set(1.339887441e-3f));
	p = v_fma(p, r, v_set(9.618437357e-3f));
	p = v_fma(p, r, v_set(5.550332471e-2f));
	p = v_fma(p, r, v_set(2.402264791e-1f));
	p = v_fma(p, r, v_set(6.931472028e-1f));
	p = v_fma(p, r, v_set(1.0f));
	return (vf)((vi)p + ((vi)t << 23));
}

/* Transposes VL vectors in place. */
INLINE void
v_transpose(vf r[VL])
{
#if LT_SIMD == 16
	__m512 t[16];
	__m512d u[16];
	int i, j;

	UNROLL
	for (i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
	}
	UNROLL
	for (i = 0; i < 16; i += 4) {
		UNROLL
		for (j = 0; j < 2; j++) {
			__m512d a = _mm512_castps_pd(t[i + j]);
			__m512d b = _mm512_castps_pd(t[i + j + 2]);

			u[i + 2 * j] = _mm512_unpacklo_pd(a, b);
			u[i + 2 * j + 1] = _mm512_unpackhi_pd(a, b);
		}
	}
	/* u[4 q + c] holds column 4 l + c of rows 4 q.. in 128-bit lane l */
	UNROLL
	for (j = 0; j < 4; j++) {
		__m512 a = _mm512_castpd_ps(u[j]);
		__m512 b = _mm512_castpd_ps(u[4 + j]);
		__m512 c = _mm512_castpd_ps(u[8 + j]);
		__m512 d = _mm512_castpd_ps(u[12 + j]);
		__m512 ab = _mm512_shuffle_f32x4(a, b, 0x44);
		__m512 cd = _mm512_shuffle_f32x4(c, d, 0x44);
		__m512 ef = _mm512_shuffle_f32x4(a, b, 0xee);
		__m512 gh = _mm512_shuffle_f32x4(c, d, 0xee);

		r[j] = (vf)_mm512_shuffle_f32x4(ab, cd, 0x88);
		r[4 + j] = (vf)_mm512_shuffle_f32x4(ab, cd, 0xdd);
		r[8 + j] = (vf)_mm512_shuffle_f32x4(ef, gh, 0x88);
		r[12 + j] = (vf)_mm512_shuffle_f32x4(ef, gh, 0xdd);
	}
#elif LT_SIMD == 8
	__m256 t[8], u[8];
	int i, j;

	UNROLL
	for (i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
	}
	UNROLL
	for (i = 0; i < 8; i += 4) {
		UNROLL
		for (j = 0; j < 2; j++) {
			u[i + 2 * j] = _mm256_shuffle_ps(t[i + j],
			    t[i + j + 2], 0x44);
			u[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j],
			    t[i + j + 2], 0xee);
		}
	}
	UNROLL
	for (j = 0; j < 4; j++) {
		r[j] = (vf)_mm256_permute2f128_ps(u[j], u[4 + j], 0x20);
		r[4 + j] = (vf)_mm256_permute2f128_ps(u[j], u[4 + j], 0x31);
	}
#else
	float s[VL][VL];
	int i, j;

	memcpy(s, r, sizeof(s));
	for (i = 0; i < VL; i++)
		for (j = 0; j < VL; j++)
			((float *)&r[i])[j] = s[j][i];
#endif
}
