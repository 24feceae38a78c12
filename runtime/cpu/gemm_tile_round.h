/*
 * A square of sums rounded into C; panels of f32 rounded as they are packed.
 * After simd.h, 16 lanes.
 */
#ifndef LT_RUNTIME_CPU_GEMM_TILE_ROUND_H
#define LT_RUNTIME_CPU_GEMM_TILE_ROUND_H

#include "runtime/cpu/halves.h"
#include "runtime/cpu/tile_pack.h"

static void
round_square(const float *sum, uint16_t *c, size_t ldc, bool stream)
{
	int i;

	for (i = 0; i < TILE_PANEL; i++, sum += TILE_PANEL, c += ldc) {
		__m512i h = two_halves(v_load(sum), v_load(sum + 16));

		if (stream)
			_mm512_stream_si512((void *)c, h);
		else
			_mm512_storeu_si512(c, h);
	}
}

#endif
