/*
 * attn_docs: the range of the document ids of every ATTN_GRAIN rows.
 *
 *	doc   [b, rows] int       span  [b, ceil(rows / ATTN_GRAIN)] of (lo, hi)
 *	grid  one warp for a range, four warps to a block
 */
#pragma once

#include "codegen/kernels/lk.h"

LK_KERNEL(attn_docs, ATTN_DOCS_THREADS, 1, struct attn_docs_args)
{
	const int lane = threadIdx.x & 31, n = (a.rows + ATTN_GRAIN - 1) / ATTN_GRAIN;
	const i64 i = (i64)blockIdx.x * (ATTN_DOCS_THREADS / 32) + (threadIdx.x >> 5);
	int row = (int)(i % n) * ATTN_GRAIN + lane;

	if (i >= (i64)a.b * n)
		return;
	row = row < a.rows ? row : a.rows - 1;
	int lo = a.doc[i / n * a.rows + row], hi = lo;

	for (int m = 16; m > 0; m >>= 1) {
		const int x = lk_shfl_xor_i(lo, m), y = lk_shfl_xor_i(hi, m);

		lo = x < lo ? x : lo;
		hi = y > hi ? y : hi;
	}
	if (lane == 0) {
		a.span[2 * i] = lo;
		a.span[2 * i + 1] = hi;
	}
}
