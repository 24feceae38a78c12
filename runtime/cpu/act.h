/*
 * Activations and their slopes, inline for generated kernels, and the mark
 * that has a function compiled for several instruction sets.
 */
#ifndef LT_RUNTIME_CPU_ACT_H
#define LT_RUNTIME_CPU_ACT_H

#include "runtime/cpu/vec.h"

#define FP8_FN static inline
#define FP8_BITS lt_bits
#define FP8_FLOAT lt_float
#include "runtime/fp8.h"

/* The best clone is chosen when the program starts.  Tests define it away. */
#if defined LT_CLONES
#elif defined __x86_64__ && defined __gnu_linux__ && \
    !defined __SANITIZE_ADDRESS__ && !defined __clang__
#define LT_CLONES \
	__attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define LT_CLONES
#endif

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
