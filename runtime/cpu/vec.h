/*
 * Elementary functions that compilers vectorise: inline, branch-free, plain
 * C.  gcc 12 and clang 14 turn a loop over them into vector code at -O3 with
 * -fno-math-errno -fno-trapping-math (no fast-math: infinities, NaN and
 * signed zeros are IEEE; only results below 2^-126 may lose bits).
 *
 *	            error, units in the last place    domain
 *	lt_expf     1.0                               all
 *	lt_logf     1.0                               all; log of x < 0 is NaN
 *	lt_tanhf    1.5                               all
 *	lt_erff     1.25                              all
 *
 * measured against libm in double over the whole range by the tests.
 */
#ifndef LT_RUNTIME_CPU_VEC_H
#define LT_RUNTIME_CPU_VEC_H

#include <stdint.h>
#include <string.h>

static inline uint32_t
lt_bits(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

static inline float
lt_float(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

static inline float
lt_from_bf16(uint16_t h)
{
	return lt_float((uint32_t)h << 16);
}

/* Round to nearest even; a NaN stays a (quiet) NaN. */
static inline uint16_t
lt_to_bf16(float x)
{
	uint32_t u = lt_bits(x);
	uint32_t r = u + 0x7fff + ((u >> 16) & 1);
	uint32_t nan = u | 0x400000;

	return (uint16_t)(((u & 0x7fffffff) > 0x7f800000 ? nan : r) >> 16);
}

/* e^x = 2^n e^r, |r| <= ln(2) / 2.  2^n goes on in two halves, so that the
 * ends of the range overflow and underflow as they should. */
static inline float
lt_expf(float x)
{
	float t, n, r, p;
	uint32_t i, half;

	x = x > 89.0f ? 89.0f : x;
	x = x < -104.0f ? -104.0f : x;
	t = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds */
	n = t - 12582912.0f;
	i = lt_bits(t) - 0x4b400000u;
	r = x - n * 0.693359375f; /* ln 2 in two parts, the first exact */
	r = r - n * -2.12194440e-4f;
	p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * (r * r) + r + 1.0f;
	half = (i + 256) / 2 - 128; /* i >= -256 */
	return p * lt_float((half + 127) << 23) *
	    lt_float((i - half + 127) << 23);
}

/* log x = e log 2 + log m, m in [sqrt(1/2), sqrt(2)). */
static inline float
lt_logf(float x)
{
	float tiny = x < 1.17549435e-38f ? 8388608.0f : 1.0f;
	uint32_t u = lt_bits(x * tiny), v = u - 0x3f3504f3u;
	float e = (float)((int32_t)v >> 23) - (tiny > 1.0f ? 23.0f : 0.0f);
	float f = lt_float((v & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
	float s = f * f, p, y;

	p = 7.0376836292e-2f;
	p = p * f - 1.1514610310e-1f;
	p = p * f + 1.1676998740e-1f;
	p = p * f - 1.2420140846e-1f;
	p = p * f + 1.4249322787e-1f;
	p = p * f - 1.6668057665e-1f;
	p = p * f + 2.0000714765e-1f;
	p = p * f - 2.4999993993e-1f;
	p = p * f + 3.3333331174e-1f;
	y = p * f * s + e * -2.12194440e-4f - 0.5f * s;
	y = f + y + e * 0.693359375f;
	y = x > 3.40282347e38f ? x : y;
	y = x == 0 ? -__builtin_inff() : y;
	return x >= 0 ? y : __builtin_nanf("");
}

static inline float
lt_tanhf(float x)
{
	float a = lt_float(lt_bits(x) & 0x7fffffffu), s = x * x, p, big;

	p = -5.70498872745e-3f;
	p = p * s + 2.06390887954e-2f;
	p = p * s - 5.37397155531e-2f;
	p = p * s + 1.33314422036e-1f;
	p = p * s - 3.33332819422e-1f;
	p = p * s * x + x;
	big = 1.0f - 2.0f / (lt_expf(2.0f * a) + 1.0f);
	big = lt_float(lt_bits(big) | (lt_bits(x) & 0x80000000u));
	return a < 0.625f ? p : big;
}

static inline float
lt_erff(float x)
{
	float a = lt_float(lt_bits(x) & 0x7fffffffu), s = x * x, r, u, p;

	r = -1.72853470e-5f * a + 3.83197126e-4f;
	u = -3.88396438e-3f * a + 2.42546219e-2f;
	r = r * s + u;
	r = r * a - 1.06777877e-1f;
	r = r * a - 6.34846687e-1f;
	r = r * a - 1.28717512e-1f;
	r = 1.0f - lt_expf(r * a - a);
	r = lt_float(lt_bits(r) | (lt_bits(x) & 0x80000000u));
	p = -5.96761703e-4f;
	p = p * s + 4.99119423e-3f;
	p = p * s - 2.67681349e-2f;
	p = p * s + 1.12819925e-1f;
	p = p * s - 3.76125336e-1f;
	p = p * s + 1.28379166e-1f;
	p = p * x + x;
	return a > 0.927734375f ? r : p;
}

#endif
