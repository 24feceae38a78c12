/*
 * Sums in an order that depends on sizes alone.
 *
 *	colsum        out[c] = sum of a column of partial sums; any number of
 *	              blocks
 *	sumsq_part    squares in double precision, in which the square of an
 *	              f32 is exact; grid: sumsq_blocks(n)
 *	sumsq_total   the parts' sum; one block
 *	amax_part     largest magnitude of bf16; grid: sumsq_blocks(n)
 *	amax_total    the largest of the parts; one block
 *	sum_f32       of a vector, in double precision; one block
 *	count         labels that are not `ignore`; one block
 *
 * The error of a sum of n doubles is below (n / 256 + 10) 2^-53 of the sum of
 * the magnitudes: nothing beside the last rounding to f32.
 */
#pragma once

#include "codegen/kernels/lk.h"

#define COLSUM_WIDTH 32 /* columns of a block */
#define COLSUM_PARTS 8  /* threads of a column: each adds every 8th row */
#define COLSUM_SMEM (COLSUM_WIDTH * COLSUM_PARTS * 4)

/* Few columns are many rows: a block takes a warp's width of columns, and its
 * warps share the rows. */
LK_KERNEL(colsum, COLSUM_WIDTH *COLSUM_PARTS, 1, struct colsum_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const int t = (int)threadIdx.x;

	for (i64 first = (i64)blockIdx.x * COLSUM_WIDTH; first < a.cols;
	    first += (i64)gridDim.x * COLSUM_WIDTH) {
		const i64 c = first + t % COLSUM_WIDTH;
		float sum = 0;

		if (c < a.cols)
			for (i64 b = t / COLSUM_WIDTH; b < a.blocks;
			    b += COLSUM_PARTS)
				sum += a.part[b * a.stride + c];
		lk_sts(s + 4 * (u32)t, sum);
		lk_sync();
		if (t < COLSUM_WIDTH && c < a.cols) {
			sum = a.add ? a.out[c] : 0;
			LK_UNROLL
			for (int p = 0; p < COLSUM_PARTS; p++)
				sum += lk_lds<float>(s + 4 *
				    (u32)(p * COLSUM_WIDTH + t));
			a.out[c] = sum;
		}
		lk_sync(); /* the parts are read */
	}
}

/* Sum over the 256 threads of a block, as a tree; thread 0 has it. */
LK_FN double
reduce_block(double x)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem), t = threadIdx.x;

	lk_sts(s + 8 * t, x);
	for (u32 half = 128; half > 0; half /= 2) {
		lk_sync();
		if (t < half) {
			x += lk_lds<double>(s + 8 * (t + half));
			lk_sts(s + 8 * t, x);
		}
	}
	return x;
}
#define REDUCE_SMEM (256 * 8) /* bytes of shared memory */

LK_KERNEL(sumsq_part, 256, 1, struct sumsq_args)
{
	double sum = 0;

	for (i64 i = lk_index(); i < a.n; i += lk_stride()) {
		const double x = (double)a.x[i];

		sum += x * x;
	}
	sum = reduce_block(sum);
	if (threadIdx.x == 0)
		a.part[blockIdx.x] = sum;
}

LK_KERNEL(sumsq_total, 256, 1, struct sumsq_total_args)
{
	double sum = 0;

	for (i64 i = threadIdx.x; i < a.n; i += 256)
		sum += a.part[i];
	sum = reduce_block(sum);
	if (threadIdx.x == 0)
		*a.out = (float)sum;
}

/* Largest over the 256 threads of a block; thread 0 has it.  Magnitudes are in
 * the order of their bits, NaN after infinity. */
LK_FN u32
reduce_top(u32 x)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem), t = threadIdx.x;

	lk_sts(s + 4 * t, x);
	for (u32 n = 128; n > 0; n /= 2) {
		lk_sync();
		if (t < n) {
			const u32 y = lk_lds<u32>(s + 4 * (t + n));

			x = y > x ? y : x;
			lk_sts(s + 4 * t, x);
		}
	}
	return x;
}

/* Two numbers at a time: arrays begin at a multiple of 4 bytes. */
LK_KERNEL(amax_part, 256, 1, struct amax_args)
{
	const u32 *pair = (const u32 *)a.x;
	u32 top = 0;

	for (i64 i = lk_index(); i < a.n / 2; i += lk_stride()) {
		const u32 lo = pair[i] << 16 & 0x7fffffff;
		const u32 hi = pair[i] & 0x7fff0000;
		const u32 both = lo > hi ? lo : hi;

		top = both > top ? both : top;
	}
	if (lk_index() == 0 && a.n % 2) {
		const u32 last = (u32)(a.x[a.n - 1] & 0x7fff) << 16;

		top = last > top ? last : top;
	}
	top = reduce_top(top);
	if (threadIdx.x == 0)
		a.part[blockIdx.x] = lk_u2f(top);
}

LK_KERNEL(amax_total, 256, 1, struct amax_total_args)
{
	u32 top = 0;

	for (i64 i = threadIdx.x; i < a.n; i += 256) {
		const u32 x = lk_f2u(a.part[i]);

		top = x > top ? x : top;
	}
	top = reduce_top(top);
	if (threadIdx.x == 0)
		*a.out = lk_u2f(top);
}

LK_KERNEL(sum_f32, 256, 1, struct sum_args)
{
	double sum = 0;

	for (i64 i = threadIdx.x; i < a.n; i += 256)
		sum += (double)a.x[i];
	sum = reduce_block(sum);
	if (threadIdx.x == 0)
		*a.out = a.add ? (float)((double)*a.out + sum) : (float)sum;
}

LK_KERNEL(count, 256, 1, struct count_args)
{
	double n = 0; /* whole numbers: exact */

	for (i64 i = threadIdx.x; i < a.n; i += 256)
		n += a.labels[i] != a.ignore;
	n = reduce_block(n);
	if (threadIdx.x == 0)
		*a.out = (float)n;
}
