/*
 * f32 rows into tiles of bf16, one step of a panel at a time, for products of
 * f32 on tiles.  After simd.h, 16 lanes.
 *
 * A float of 24 bits is the sum of three bf16 of 8: x = x0 + x1 + x2 exactly
 * (but for parts below the smallest bf16), |x1| <= 2^-8 |x|, |x2| <= 2^-17 |x|
 * since the first two are rounded to nearest.  Of the nine products of two
 * such sums, six are made (gemm_tile_body.h); the three left out come to at
 * most 2^-24 |x y| and a bit: what rounding the product to f32 may cost.
 * NaN stays NaN; an infinity, or 3.39e38 and more, becomes NaN.
 *
 * A step is TILE_PARTS times 2 KiB, the large part first.  Pair p of a tile
 * holds k = p and k = p + 16, on both sides, which spares shuffles.
 *
 *	                    k is contiguous     k goes down
 *	tiles of A          split_rows          split_cols
 *	tiles of B          split_rows_paired   split_cols_paired
 *
 * n rows or columns and `depth` of k are there (either may be 0 or less), the
 * rest becomes zeros.
 */
#ifndef LT_RUNTIME_CPU_TILE_SPLIT_H
#define LT_RUNTIME_CPU_TILE_SPLIT_H

#include "runtime/cpu/gemm_tile.h"
#include "runtime/cpu/halves.h"

/* Lanes of x are k = p, of y k = p + 16: row p of the tiles of all parts. */
INLINE void
split_pair(vf x, vf y, uint16_t *out)
{
	int part;

	UNROLL
	for (part = 0; part < TILE_PARTS; part++, out += TILE_STEP) {
		/* the last part has 8 bits and needs no rounding, which
		 * could carry a NaN into the sign */
		uint32_t half = part < TILE_PARTS - 1 ? 0x8000 : 0;
		vu low = ((vu)x + half) & 0xffff0000u;
		vu high = ((vu)y + half) & 0xffff0000u;

		_mm512_store_si512(out, (__m512i)(low >> 16 | high));
		x -= (vf)low;
		y -= (vf)high;
	}
}

/* x[i][0..15] for n rows i, and zeros */
INLINE void
load_square(const float *x, uint64_t ld, int rows, int cols, vf r[16])
{
	int i;

	UNROLL
	for (i = 0; i < 16; i++)
		r[i] = i < rows ? load_floats(x + i * ld, cols) : v_set(0);
}

/* k is contiguous, to tiles of A. */
INLINE void
split_rows(const void *from, uint64_t ld, int rows, int depth, uint16_t *out)
{
	const float *x = from;
	int i;

	for (i = 0; i < TILE_PANEL; i++, out += 32)
		if (i < rows)
			split_pair(load_floats(x + i * ld, depth),
			    load_floats(x + i * ld + 16, depth - 16), out);
		else
			split_pair(v_set(0), v_set(0), out);
}

/* k goes down, to tiles of B. */
INLINE void
split_cols_paired(const void *from, uint64_t ld, int cols, int depth,
    uint16_t *out)
{
	const float *x = from;
	int p, h;

	for (p = 0; p < 16; p++)
		for (h = 0; h < 2; h++) {
			int n = cols - h * 16;

			split_pair(
			    load_floats(x + p * ld + h * 16, p < depth ? n : 0),
			    load_floats(x + (p + 16) * ld + h * 16,
			        p + 16 < depth ? n : 0),
			    out + h * (TILE_STEP / 2) + p * 32);
		}
}

/* Two squares, turned about, to 16 rows of a tile. */
INLINE void
split_turned(vf a[16], vf b[16], uint16_t *out)
{
	int i;

	v_transpose(a);
	v_transpose(b);
	UNROLL
	for (i = 0; i < 16; i++)
		split_pair(a[i], b[i], out + i * 32);
}

/* k goes down, to tiles of A. */
INLINE void
split_cols(const void *from, uint64_t ld, int cols, int depth, uint16_t *out)
{
	const float *x = from;
	int h;

	for (h = 0; h < 2; h++, out += TILE_STEP / 2) {
		vf a[16], b[16];

		load_square(x + h * 16, ld, depth, cols - h * 16, a);
		load_square(x + 16 * ld + h * 16, ld, depth - 16,
		    cols - h * 16, b);
		split_turned(a, b, out);
	}
}

/* k is contiguous, to tiles of B. */
INLINE void
split_rows_paired(const void *from, uint64_t ld, int rows, int depth,
    uint16_t *out)
{
	const float *x = from;
	int h;

	for (h = 0; h < 2; h++, out += TILE_STEP / 2) {
		vf a[16], b[16];

		load_square(x + h * 16 * ld, ld, rows - h * 16, depth, a);
		load_square(x + h * 16 * ld + 16, ld, rows - h * 16,
		    depth - 16, b);
		split_turned(a, b, out);
	}
}

#endif
