/*
 * Rows into tiles of bf16, one step of a panel at a time: 32 rows or columns
 * of a matrix, 32 deep, 2 KiB.  After simd.h, 16 lanes.
 *
 *	                    k is contiguous     k goes down
 *	tiles of A          pack_rows           pack_cols
 *	tiles of B          pack_rows_paired    pack_cols_paired
 *
 * of bf16; those of f32 are rounded by round_rows and so on.
 *
 * n rows or columns and `depth` of k are there (either may be 0 or less), the
 * rest becomes zeros.
 */
#ifndef LT_RUNTIME_CPU_TILE_PACK_H
#define LT_RUNTIME_CPU_TILE_PACK_H

#include "runtime/cpu/gemm_tile.h"
#include "runtime/cpu/halves.h"

typedef __m512i half32; /* 32 bf16 */

/* At most 32 elements from number i on, zeros after them. */
INLINE half32
load_half(const void *from, size_t i, int n, enum lt_dtype t)
{
	const uint16_t *p = (const uint16_t *)from + i;
	const float *f = (const float *)from + i;

	if (n <= 0)
		return _mm512_setzero_si512();
	if (t == LT_F32)
		return two_halves(load_floats(f, n),
		    load_floats(f + 16, n - 16));
	return n >= 32 ? _mm512_loadu_si512(p) :
	    _mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), p);
}

/* 16 rows of 16 pairs, transposed as pairs. */
INLINE void
transpose_pairs(half32 r[16])
{
	vf t[16];
	int i;

	UNROLL
	for (i = 0; i < 16; i++)
		t[i] = (vf)r[i];
	v_transpose(t);
	UNROLL
	for (i = 0; i < 16; i++)
		r[i] = (half32)t[i];
}

/* k is contiguous: rows as they are, to a tile of A. */
INLINE void
rows(const void *x, uint64_t ld, int n, int depth, uint16_t *out,
    enum lt_dtype t)
{
	int i;

	for (i = 0; i < TILE_PANEL; i++, out += 32) {
		half32 v = i < n ? load_half(x, i * ld, depth, t) :
		    _mm512_setzero_si512();

		_mm512_store_si512(out, v);
	}
}

/* k is contiguous: rows become columns of pairs, to a tile of B. */
INLINE void
rows_paired(const void *x, uint64_t ld, int n, int depth, uint16_t *out,
    enum lt_dtype t)
{
	int i, h;

	for (h = 0; h < TILE_PANEL; h += 16, out += TILE_STEP / 2) {
		half32 r[16];

		UNROLL
		for (i = 0; i < 16; i++)
			r[i] = h + i < n ?
			    load_half(x, (h + i) * ld, depth, t) :
			    _mm512_setzero_si512();
		transpose_pairs(r);
		UNROLL
		for (i = 0; i < 16; i++)
			_mm512_store_si512(out + i * 32, r[i]);
	}
}

/* Pairs of rows p and p + 1 of x: elements 0..15 and 16..31. */
INLINE void
pair_up(const void *x, uint64_t ld, int p, int n, int depth,
    enum lt_dtype t, half32 *low, half32 *high)
{
	static const _Alignas(64) uint16_t index[2][32] = {
		{ 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8,
		    40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15,
		    47 },
		{ 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23,
		    55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30,
		    62, 31, 63 },
	};
	half32 a = _mm512_setzero_si512(), b = a;

	if (p < depth)
		a = load_half(x, p * ld, n, t);
	if (p + 1 < depth)
		b = load_half(x, (p + 1) * ld, n, t);
	*low = _mm512_permutex2var_epi16(a,
	    _mm512_load_si512(index[0]), b);
	*high = _mm512_permutex2var_epi16(a,
	    _mm512_load_si512(index[1]), b);
}

/* k goes down: rows two by two, to a tile of B. */
INLINE void
cols_paired(const void *x, uint64_t ld, int n, int depth, uint16_t *out,
    enum lt_dtype t)
{
	int p;

	for (p = 0; p < 16; p++, out += 32) {
		half32 low, high;

		pair_up(x, ld, 2 * p, n, depth, t, &low, &high);
		_mm512_store_si512(out, low);
		_mm512_store_si512(out + TILE_STEP / 2, high);
	}
}

/* k goes down: columns become rows, to a tile of A. */
INLINE void
cols(const void *x, uint64_t ld, int n, int depth, uint16_t *out,
    enum lt_dtype t)
{
	half32 low[16], high[16];
	int p;

	UNROLL
	for (p = 0; p < 16; p++)
		pair_up(x, ld, 2 * p, n, depth, t, &low[p], &high[p]);
	transpose_pairs(low);
	transpose_pairs(high);
	UNROLL
	for (p = 0; p < 16; p++) {
		_mm512_store_si512(out + p * 32, low[p]);
		_mm512_store_si512(out + TILE_STEP / 2 + p * 32, high[p]);
	}
}

#define PACK(name)                                                          \
	INLINE void                                                         \
	pack_##name(const void *x, uint64_t ld, int n, int depth,           \
	    uint16_t *out)                                                  \
	{                                                                   \
		name(x, ld, n, depth, out, LT_BF16);                        \
	}                                                                   \
	INLINE void                                                         \
	round_##name(const void *x, uint64_t ld, int n, int depth,          \
	    uint16_t *out)                                                  \
	{                                                                   \
		name(x, ld, n, depth, out, LT_F32);                         \
	}
PACK(rows)
PACK(rows_paired)
PACK(cols)
PACK(cols_paired)
#undef PACK

#endif
