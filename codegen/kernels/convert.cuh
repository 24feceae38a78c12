/*
 * Element by element between f32 and bf16.  Any number of blocks.
 *
 *	accum_f32, accum_bf16   y = x, or y += x; y f32, x as the name says
 *	round_bf16              y = x to nearest even
 */
#pragma once

#include "codegen/kernels/lk.h"

/* Elements i..i+3, i a multiple of 4, of an aligned array. */
LK_FN float4
convert_read4(const float *x, i64 i)
{
	return lk_ldg4(x + i);
}

LK_FN float4
convert_read4(const u16 *x, i64 i)
{
	const uint2 h = *(const uint2 *)(x + i);

	return float4{lk_bflo(h.x), lk_bfhi(h.x), lk_bflo(h.y), lk_bfhi(h.y)};
}

/* Four elements at a time where both sides are aligned; then what is left. */
template <class T> LK_FN void
convert_accum(const accum_args &a)
{
	const T *x = (const T *)a.x;
	const u64 mask = 4 * sizeof(T) - 1;
	const bool aligned = ((u64)x & mask) == 0 && ((u64)a.y & 15) == 0;
	const i64 quads = aligned ? a.n / 4 : 0;

	for (i64 i = lk_index(); i < quads; i += lk_stride()) {
		float4 v = convert_read4(x, 4 * i);

		if (a.add) {
			const float4 y = lk_ldg4(a.y + 4 * i);

			v = float4{y.x + v.x, y.y + v.y, y.z + v.z, y.w + v.w};
		}
		lk_stg4(a.y + 4 * i, v);
	}
	for (i64 i = 4 * quads + lk_index(); i < a.n; i += lk_stride())
		a.y[i] = a.add ? a.y[i] + lk_float(x[i]) : lk_float(x[i]);
}

LK_KERNEL(accum_f32, 256, 1, struct accum_args)
{
	convert_accum<float>(a);
}

LK_KERNEL(accum_bf16, 256, 1, struct accum_args)
{
	convert_accum<u16>(a);
}

LK_KERNEL(round_bf16, 256, 1, struct round_args)
{
	const bool aligned = ((u64)a.x & 15) == 0 && ((u64)a.y & 7) == 0;
	const i64 quads = aligned ? a.n / 4 : 0;

	for (i64 i = lk_index(); i < quads; i += lk_stride()) {
		const float4 x = lk_ldg4(a.x + 4 * i);

		((uint2 *)a.y)[i] = uint2{lk_bf2(x.x, x.y), lk_bf2(x.z, x.w)};
	}
	for (i64 i = 4 * quads + lk_index(); i < a.n; i += lk_stride())
		a.y[i] = lk_tobf(a.x[i]);
}
