/* What the tests of the CPU kernels share: inputs, levels, errors. */
#ifndef TESTS_UNIT_KERNELS_H
#define TESTS_UNIT_KERNELS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/cpu.h"
#include "runtime/dtype.h"

/* Uniform in (-1, 1), reproducible. */
static inline double
rnd(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (double)(*state >> 8) / (1 << 23) - 1;
}

static inline void *
must_alloc(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);

	if (p == NULL)
		abort();
	memset(p, 0xff, (bytes + 64) / 64 * 64); /* NaN: unset shows */
	return p;
}

static inline double
get(const void *p, size_t i, enum lt_dtype t)
{
	uint32_t u;
	float f;

	if (t == LT_F32)
		return ((const float *)p)[i];
	u = (uint32_t)((const uint16_t *)p)[i] << 16;
	memcpy(&f, &u, 4);
	return f;
}

/* bf16 by truncation: any bf16 value will do as an input. */
static inline void
put(void *p, size_t i, enum lt_dtype t, double x)
{
	float f = (float)x;
	uint32_t u;

	if (t == LT_F32) {
		((float *)p)[i] = f;
		return;
	}
	memcpy(&u, &f, 4);
	((uint16_t *)p)[i] = u >> 16;
}

static inline void *
random_tensor(size_t n, enum lt_dtype t, uint32_t *state)
{
	void *p = must_alloc(n * lt_dtype_size(t));
	size_t i;

	for (i = 0; i < n; i++)
		put(p, i, t, rnd(state));
	return p;
}

/* Half a unit in the last place, relative: 8 and 24 bits of precision. */
static inline double
unit_roundoff(enum lt_dtype t)
{
	return t == LT_BF16 ? 0x1p-8 : 0x1p-24;
}

#endif
