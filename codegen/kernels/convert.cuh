/*
 * Element by element between f32 and bf16.  Any number of blocks.
 *
 *	accum_f32, accum_bf16   y = x, or y += x; y f32, x as the name says
 *	round_bf16              y = x to nearest even
 */
#pragma once

#include "codegen/kernels/lk.h"

LK_KERNEL(accum_f32, 256, 1, struct accum_args)
{
	const float *x = (const float *)a.x;

	for (i64 i = lk_index(); i < a.n; i += lk_stride())
		a.y[i] = a.add ? a.y[i] + x[i] : x[i];
}

LK_KERNEL(accum_bf16, 256, 1, struct accum_args)
{
	const u16 *x = (const u16 *)a.x;

	for (i64 i = lk_index(); i < a.n; i += lk_stride())
		a.y[i] = a.add ? a.y[i] + lk_bf(x[i]) : lk_bf(x[i]);
}

/* Four at a time where both sides are aligned for it; then what is left. */
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
