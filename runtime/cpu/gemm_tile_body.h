/*
 * The innermost product on tiles; the file that includes this defines
 * GEMM_TILE_NAME and, for emulated tiles, LT_TILE_EMU.
 *
 * 2 x 2 accumulators: four loads feed four products.  The panel of B stays
 * in the first cache while panels of A go by.
 */
#include "runtime/cpu/gemm_tile.h"
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
		T_LOAD(4, a, 64);
		T_LOAD(6, b, 64);
		T_DOT(0, 4, 6);
		T_LOAD(7, b + TILE_STEP / 2, 64);
		T_DOT(1, 4, 7);
		T_LOAD(5, a + TILE_STEP / 2, 64);
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
	.begin = begin,
	.end = end,
};
