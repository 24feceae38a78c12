/*
 * Products of bf16 panels by the dot products of AVX512-BF16: a step of k is
 * two of its numbers, 16 sums wide.
 *
 * Sums of 8 rows and 32 columns stay in registers; a pair of A's numbers is
 * broadcast to 16 pairs of B's.  The instruction makes denormals zero.
 */
#include "runtime/cpu/gemm_tile.h"
#if defined(__x86_64__)
#define LT_SIMD 16
#define LT_SIMD_BF16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/gemm_tile_round.h"

enum { DOT_ROWS = 8 };

INLINE vf
dot(vf sum, half32 a, half32 b)
{
	return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

/* DOT_ROWS rows of a panel of A, `a` in its first tile, times a panel of B. */
INLINE void
product_rows(int steps, const uint16_t *a, const uint16_t *b, float *c,
    size_t ldc, bool add)
{
	vf sum[DOT_ROWS][2];
	int i, p;

	UNROLL
	for (i = 0; i < DOT_ROWS; i++) {
		sum[i][0] = add ? v_load(c + i * ldc) : v_set(0);
		sum[i][1] = add ? v_load(c + i * ldc + 16) : v_set(0);
	}
	for (; steps > 0; steps--, a += TILE_STEP, b += TILE_STEP) {
		for (p = 0; p < 16; p++) {
			half32 x = _mm512_load_si512(b + p * 32);
			half32 y = _mm512_load_si512(b + TILE_STEP / 2 +
			    p * 32);

			UNROLL
			for (i = 0; i < DOT_ROWS; i++) {
				int32_t pair;
				half32 z;

				memcpy(&pair, a + i * 32 + 2 * p, 4);
				z = _mm512_set1_epi32(pair);
				sum[i][0] = dot(sum[i][0], z, x);
				sum[i][1] = dot(sum[i][1], z, y);
			}
		}
	}
	UNROLL
	for (i = 0; i < DOT_ROWS; i++) {
		v_store(c + i * ldc, sum[i][0]);
		v_store(c + i * ldc + 16, sum[i][1]);
	}
}

static void
product(int steps, const uint16_t *a, const uint16_t *b, float *c, size_t ldc,
    bool add)
{
	int i;

	for (i = 0; i < TILE_PANEL; i += DOT_ROWS)
		product_rows(steps, a + i * 32, b, c + i * ldc, ldc, add);
}

static void
nothing(void)
{
}

const struct gemm_tile lt_gemm_tile_dot = {
	.product = product,
	.round = round_square,
	.round_a = { round_rows, round_cols },
	.round_b = { round_rows_paired, round_cols_paired },
	.begin = nothing,
	.end = nothing,
};

#include "runtime/cpu/simd_end.h"
#endif
