/*
 * The innermost products on tiles; the file that includes this defines
 * GEMM_TILE_NAME and, for emulated tiles, LT_TILE_EMU, after simd.h.
 *
 * 2 x 2 accumulators: four loads feed four products.  The panel of B stays
 * in the first cache while panels of A pass by it.
 */
#include "runtime/cpu/gemm_tile.h"
#include "runtime/cpu/gemm_tile_round.h"
#include "runtime/cpu/tile.h"

static void
product(int steps, const uint16_t *a, const uint16_t *b, float *c, size_t ldc,
    bool add)
{
	size_t row = ldc * sizeof(float);
	int p;

	if (add) {
		T_LOAD(0, c, row);
		T_LOAD(1, c + 16, row);
		T_LOAD(2, c + 16 * ldc, row);
		T_LOAD(3, c + 16 * ldc + 16, row);
	} else {
		T_ZERO(0);
		T_ZERO(1);
		T_ZERO(2);
		T_ZERO(3);
	}
	for (p = 0; p < steps; p++) {
		T_PASS(4, a, 64);
		T_LOAD(6, b, 64);
		T_DOT(0, 4, 6);
		T_LOAD(7, b + TILE_STEP / 2, 64);
		T_DOT(1, 4, 7);
		T_PASS(5, a + TILE_STEP / 2, 64);
		T_DOT(2, 5, 6);
		T_DOT(3, 5, 7);
		a += TILE_STEP;
		b += TILE_STEP;
	}
	T_STORE(0, c, row);
	T_STORE(1, c + 16, row);
	T_STORE(2, c + 16 * ldc, row);
	T_STORE(3, c + 16 * ldc + 16, row);
}

#define LOAD(t0, t1, x, part)                                               \
	do {                                                                \
		T_LOAD(t0, x + (part) * TILE_STEP, 64);                     \
		T_LOAD(t1, x + (part) * TILE_STEP + TILE_STEP / 2, 64);     \
	} while (0)
#define DOTS()                                                              \
	do {                                                                \
		T_DOT(0, 4, 6);                                             \
		T_DOT(1, 4, 7);                                             \
		T_DOT(2, 5, 6);                                             \
		T_DOT(3, 5, 7);                                             \
	} while (0)

/* Small products first, from the first step to the last, then the large
 * ones on top: the small ones' roundings are 2^-8 of a sum's, so the whole is
 * rounded about as often as a sum of k products. */
static void
product_parts(int steps, const uint16_t *a, const uint16_t *b, float *c,
    size_t ldc)
{
	size_t row = ldc * sizeof(float), step = TILE_PARTS * TILE_STEP;
	int p;

	T_ZERO(0);
	T_ZERO(1);
	T_ZERO(2);
	T_ZERO(3);
	for (p = 0; p < steps; p++, a += step, b += step) {
		LOAD(4, 5, a, 2);
		LOAD(6, 7, b, 0);
		DOTS();
		LOAD(4, 5, a, 1);
		DOTS();
		LOAD(6, 7, b, 1);
		DOTS();
		LOAD(4, 5, a, 0);
		DOTS();
		LOAD(6, 7, b, 2);
		DOTS();
	}
	a -= steps * step;
	b -= steps * step;
	for (p = 0; p < steps; p++, a += step, b += step) {
		LOAD(4, 5, a, 0);
		LOAD(6, 7, b, 0);
		DOTS();
	}
	T_STORE(0, c, row);
	T_STORE(1, c + 16, row);
	T_STORE(2, c + 16 * ldc, row);
	T_STORE(3, c + 16 * ldc + 16, row);
}

static void
begin(void)
{
	T_BEGIN();
}

static void
end(void)
{
	T_END();
}

const struct gemm_tile GEMM_TILE_NAME = {
	.product = product,
	.product_parts = product_parts,
	.round = round_square,
	.round_a = { round_rows, round_cols },
	.round_b = { round_rows_paired, round_cols_paired },
	.begin = begin,
	.end = end,
};
