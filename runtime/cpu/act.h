/*
 * Activations and their slopes, inline for generated kernels, and the mark
 * that has a function compiled for several instruction sets.
 */
#ifndef LT_RUNTIME_CPU_ACT_H
#define LT_RUNTIME_CPU_ACT_H

#include <math.h>

#include "runtime/cpu/vec.h"

/* The best clone is chosen when the program starts.  Tests define it away. */
#if defined LT_CLONES
#elif defined __x86_64__ && defined __gnu_linux__ && \
    !defined __SANITIZE_ADDRESS__ && !defined __clang__
#define LT_CLONES \
	__attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define LT_CLONES
#endif

/*
 * x as a number of fp8 times 2^k: k >= -100 is the smallest with which amax is
 * not beyond the largest number of the format, 1.75 2^top; fractions have
 * `bits` bits from 2^bottom on; ties to even.  All results are numbers of
 * bf16.  With amax >= 2^100 (infinite, NaN) x is what it was.
 */
static inline float
lt_fp8(float x, float amax, int bits, int top, int bottom)
{
	int32_t k = (int32_t)((lt_bits(amax) + 0x1fffff) >> 23) - 127 - top;
	int32_t e = (int32_t)(lt_bits(x) >> 23 & 255) - 127, step;
	float most, y;

	k = k < -100 ? -100 : k > 112 ? 112 : k;
	step = (e < bottom + k ? bottom + k : e) - bits;
	step = step > 112 ? 112 : step;
	most = 1.75f * lt_float((uint32_t)(top + k > 127 ? 254 : top + k + 127)
	    << 23);
	y = rintf(x * lt_float((uint32_t)(127 - step) << 23)) *
	    lt_float((uint32_t)(127 + step) << 23);
	y = y > most ? most : y < -most ? -most : y;
	return amax < 0x1p100f ? y : x;
}

static inline float
lt_e4m3(float x, float amax)
{
	return lt_fp8(x, amax, 3, 8, -6);
}

static inline float
lt_e5m2(float x, float amax)
{
	return lt_fp8(x, amax, 2, 15, -14);
}

static inline float
lt_sigmoidf(float x)
{
	return 1.0f / (1.0f + lt_expf(-x));
}

static inline float
lt_silu_slopef(float x)
{
	float s = lt_sigmoidf(x);

	return s * (1.0f + x * (1.0f - s));
}

static inline float
lt_geluf(float x)
{
	return 0.5f * x * (1.0f + lt_erff(x * 0.70710678118654752f));
}

/* Phi(x) + x phi(x) */
static inline float
lt_gelu_slopef(float x)
{
	return 0.5f * (1.0f + lt_erff(x * 0.70710678118654752f)) +
	    x * 0.39894228040143268f * lt_expf(-0.5f * x * x);
}

static inline float
lt_gelu_tanhf(float x)
{
	float t = lt_tanhf(0.79788456080286536f *
	    (x + 0.044715f * x * x * x));

	return 0.5f * x * (1.0f + t);
}

static inline float
lt_gelu_tanh_slopef(float x)
{
	float t = lt_tanhf(0.79788456080286536f *
	    (x + 0.044715f * x * x * x));

	return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) *
	    0.79788456080286536f * (1.0f + 0.134145f * x * x);
}

#endif
