/*
 * fp8: to numbers of 8 bits and back.
 *
 *	fp8_round   y = codes of x / scale, t = the same with rows and columns
 *	            exchanged; grid: a block for each 128 x 128 numbers
 *	fp8_widen   y = number * scale in bf16; any number of blocks
 *
 * A thread of fp8_round makes the codes of 4 columns, one word.  For t it puts
 * them into shared memory, word w of row r at w ^ r / 4, so that neither the
 * lanes of a warp that write a row nor those that read 4 rows each of a column
 * of words meet in a bank.
 */
#pragma once

#include "codegen/kernels/lk_fp8.h"

enum { FP8_TILE = 128, FP8_WORDS = FP8_TILE / 4, FP8_WARPS = 8 };

/* 4 columns of row r from c on; beyond the matrix 0. */
LK_FN u32
fp8_word(const fp8_round_args &a, float inverse, i64 r, i64 c)
{
	const u16 *x = a.x + r * a.cols + c;
	u32 word = 0;

	if (r >= a.rows || c >= a.cols)
		return 0;
	if (a.cols % 4 == 0 && ((u64)a.x & 7) == 0) {
		const uint2 h = *(const uint2 *)x;

		return lt_fp8_code(lk_bflo(h.x) * inverse, a.format) |
		    lt_fp8_code(lk_bfhi(h.x) * inverse, a.format) << 8 |
		    lt_fp8_code(lk_bflo(h.y) * inverse, a.format) << 16 |
		    lt_fp8_code(lk_bfhi(h.y) * inverse, a.format) << 24;
	}
	for (int i = 0; i < 4 && c + i < a.cols; i++)
		word |= lt_fp8_code(lk_bf(x[i]) * inverse, a.format) <<
		    8 * i;
	return word;
}

/* The 4 codes of a word at y[at] and behind it, as far as `left` reaches;
 * whole: all 4, and at is a multiple of 4. */
LK_FN void
fp8_store(unsigned char *y, i64 at, u32 word, i64 left, bool whole)
{
	if (whole) {
		*(u32 *)(y + at) = word;
		return;
	}
	for (int i = 0; i < 4 && i < left; i++)
		y[at + i] = (unsigned char)(word >> 8 * i);
}

/* Byte j of 4 words, as one. */
LK_FN u32
fp8_column(const u32 (&w)[4], int j)
{
	return (w[0] >> 8 * j & 255) | (w[1] >> 8 * j & 255) << 8 |
	    (w[2] >> 8 * j & 255) << 16 | (w[3] >> 8 * j & 255) << 24;
}

/* What lies in shared memory, by columns: a lane has 4 rows. */
LK_FN void
fp8_turned(const fp8_round_args &a, u32 s, i64 r0, i64 c0)
{
	const i64 r = r0 + 4 * lk_lane();

	for (int g = lk_warp(); g < FP8_WORDS && r < a.rows; g += FP8_WARPS) {
		u32 w[4];

		LK_UNROLL
		for (int i = 0; i < 4; i++)
			w[i] = lk_lds<u32>(s + 4 * (u32)(FP8_WORDS *
			    (4 * lk_lane() + i) + (g ^ lk_lane())));
		LK_UNROLL
		for (int j = 0; j < 4; j++)
			if (c0 + 4 * g + j < a.cols)
				fp8_store(a.t, (c0 + 4 * g + j) * a.rows + r,
				    fp8_column(w, j), a.rows - r,
				    a.rows % 4 == 0);
	}
}

LK_KERNEL(fp8_round, 256, 1, struct fp8_round_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const i64 across = (a.cols + FP8_TILE - 1) / FP8_TILE;
	const i64 r0 = blockIdx.x / across * FP8_TILE;
	const i64 c0 = blockIdx.x % across * FP8_TILE;
	const float inverse = 1 / *a.scale;

	for (int i = lk_warp(); i < FP8_TILE; i += FP8_WARPS) {
		const i64 r = r0 + i, c = c0 + 4 * lk_lane();
		const u32 word = fp8_word(a, inverse, r, c);

		if (a.y && r < a.rows && c < a.cols)
			fp8_store(a.y, r * a.cols + c, word, a.cols - c,
			    a.cols % 4 == 0);
		if (a.t)
			lk_sts(s + 4 * (u32)(FP8_WORDS * i +
			    (lk_lane() ^ i / 4)), word);
	}
	if (!a.t)
		return;
	lk_sync();
	fp8_turned(a, s, r0, c0);
}

LK_KERNEL(fp8_widen, 256, 1, struct fp8_widen_args)
{
	const float scale = *a.scale;
	const i64 words = ((u64)a.x & 3) == 0 ? a.n / 4 : 0;

	for (i64 i = lk_index(); i < words; i += lk_stride()) {
		const u32 w = ((const u32 *)a.x)[i];

		((uint2 *)a.y)[i] = uint2{
		    lk_bf2(lt_fp8_value(w & 255, a.format) * scale,
		    lt_fp8_value(w >> 8 & 255, a.format) * scale),
		    lk_bf2(lt_fp8_value(w >> 16 & 255, a.format) * scale,
		    lt_fp8_value(w >> 24, a.format) * scale)};
	}
	for (i64 i = 4 * words + lk_index(); i < a.n; i += lk_stride())
		a.y[i] = lk_tobf(lt_fp8_value(a.x[i], a.format) * scale);
}
