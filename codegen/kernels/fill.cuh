/*
 * What is written from nothing.  Any number of blocks.
 *
 *	fill_f32, fill_bf16   x[i] = value (rounded)
 *	iota                  x[i] = global index of local element i
 *	rope_table            cosines and sines of the positions' angles, from
 *	                      double precision: exact at any position
 */
#pragma once

#include "codegen/kernels/lk.h"

LK_KERNEL(fill_f32, 256, 1, struct fill_args)
{
	float *x = (float *)a.x;

	for (i64 i = lk_index(); i < a.n; i += lk_stride())
		x[i] = a.value;
}

LK_KERNEL(fill_bf16, 256, 1, struct fill_args)
{
	u16 *x = (u16 *)a.x;

	for (i64 i = lk_index(); i < a.n; i += lk_stride())
		x[i] = lk_tobf(a.value);
}

LK_FN i64
fill_position(const lk_runs &at, i64 i)
{
	int r = 0;

	if (at.n == 0)
		return i;
	while (r + 1 < at.n && i >= at.len[r])
		i -= at.len[r++];
	return at.start[r] + i;
}

LK_KERNEL(iota, 256, 1, struct iota_args)
{
	for (i64 i = lk_index(); i < a.n; i += lk_stride())
		a.x[i] = (int)fill_position(a.at, i);
}

LK_KERNEL(rope_table, 256, 1, struct rope_table_args)
{
	const int half = a.d / 2;

	for (i64 i = lk_index(); i < a.n * half; i += lk_stride()) {
		const i64 row = i / half;
		const int j = (int)(i % half);
		const double turn = (double)fill_position(a.at, row) *
		    lk_pow(a.base, -2. * j / a.d);

		a.table[row * a.d + j] = (float)lk_cos(turn);
		a.table[row * a.d + half + j] = (float)lk_sin(turn);
	}
}
