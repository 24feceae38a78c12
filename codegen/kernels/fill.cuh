/*
 * fill: x[i] = value
 *   x      n elements, f32, or bf16 (fill_bf16: the value is rounded)
 *   grid   any number of blocks
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
