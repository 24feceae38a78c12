/*
 * Single numbers: one block of one warp each, thread 0 works.
 *
 *	recip         y = 1 / x, 0 for 0
 *	clip          y = x > max ? max / x : 1; 1 if max is not positive
 *	step_check    a step whose loss or norm is not finite is bad
 *	step_return   what the host reads after a step
 *	eval_return   what evaluation adds up
 */
#pragma once

#include "codegen/kernels/lk.h"

LK_KERNEL(recip, 32, 1, struct scalar_args)
{
	if (threadIdx.x == 0)
		*a.y = *a.x != 0 ? 1 / *a.x : 0;
}

LK_KERNEL(clip, 32, 1, struct scalar_args)
{
	if (threadIdx.x == 0)
		*a.y = a.max > 0 && *a.x > a.max ? a.max / *a.x : 1;
}

LK_KERNEL(step_check, 32, 1, struct result_args)
{
	if (threadIdx.x == 0 &&
	    !(lk_finite(*a.a) && (!a.b || lk_finite(*a.b))))
		a.result->bad = 1;
}

LK_KERNEL(step_return, 32, 1, struct result_args)
{
	if (threadIdx.x == 0) {
		a.result->loss = *a.a;
		a.result->gnorm = *a.b;
	}
}

LK_KERNEL(eval_return, 32, 1, struct result_args)
{
	if (threadIdx.x == 0) {
		a.result->eval_nll += (double)*a.a;
		a.result->eval_count += (double)*a.b;
	}
}
