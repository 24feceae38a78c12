/*
 * AdamW (Loshchilov and Hutter 2019), as runtime/state/adamw.c:
 *
 *	g = clip G        m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *	w -= rate m / (sqrt(v ifix2) + eps) + decay w
 *
 *	adamw          a whole tensor
 *	adamw_blocks   blocks of images: weights decay by their place
 *
 * rate = lr / (1 - b1^step), ifix2 = 1 / (1 - b2^step) and decay = lr wd are
 * read from the device's struct lk_step.  Nothing happens in a bad step.
 * Moves 28 bytes per element, 30 with the copy in bf16.  The copy is rounded
 * to nearest even, or at random: up with the probability that makes its mean
 * the weight; the random bits are a function of seed, step, tensor, element.
 * Any number of blocks.
 */
#pragma once

#include "codegen/kernels/lk.h"

struct adamw_step {
	float clip, rate, ifix2, decay;
	u32 key; /* of the random rounding */
};

LK_FN adamw_step
adamw_step_of(const adamw_args &a)
{
	const struct lk_step &s = *a.step;

	return {a.clip ? *a.clip : 1.f, s.rate, s.ifix2, s.decay,
	    lk_mix((u32)s.seed ^ lk_mix((u32)s.step ^ lk_mix(a.salt)))};
}

LK_FN u16
adamw_round(const adamw_args &a, const adamw_step &s, float w, i64 i)
{
	if (!a.random)
		return lk_tobf(w);
	return lk_tobf_random(w, lk_mix((u32)i ^ (u32)(i >> 32) ^ s.key));
}

LK_FN void
adamw_one(const adamw_args &a, const adamw_step &s, i64 i, bool decay)
{
	const float g = s.clip * a.g[i], w = a.w[i];
	const float m = a.b1 * a.m[i] + a.c1 * g;
	const float v = a.b2 * a.v[i] + a.c2 * (g * g);
	/* not (1 - decay) w: the sum would round a small decay away */
	const float x = w - (s.rate * m / (lk_sqrt(v * s.ifix2) + a.eps) +
	    (decay ? s.decay : 0) * w);

	a.m[i] = m;
	a.v[i] = v;
	a.w[i] = x;
	if (a.w16)
		a.w16[i] = adamw_round(a, s, x, i);
}

LK_KERNEL(adamw, 256, 1, struct adamw_args)
{
	const adamw_step s = adamw_step_of(a);

	if (a.result && a.result->bad)
		return;
	for (i64 i = lk_index(); i < a.n; i += lk_stride())
		adamw_one(a, s, i, a.decay);
}

/* Is this place of the image in one of the ranges? */
LK_FN bool
adamw_decays(const adamw_blocks_args &a, i64 at)
{
	int lo = 0, hi = a.nrange; /* the range, if any, is in lo..hi-1 */

	while (lo < hi) {
		const int mid = (lo + hi) / 2;

		if (at < a.range[mid].lo)
			hi = mid;
		else if (at >= a.range[mid].hi)
			lo = mid + 1;
		else
			return true;
	}
	return false;
}

LK_KERNEL(adamw_blocks, 256, 1, struct adamw_blocks_args)
{
	const adamw_step s = adamw_step_of(a.a);

	if (a.a.result && a.a.result->bad)
		return;
	for (i64 i = lk_index(); i < a.a.n; i += lk_stride())
		adamw_one(a.a, s, i,
		    adamw_decays(a, a.first + i % a.size));
}
