/* Rows out of a block of attention.  Included after simd.h by the kernels. */
#include <math.h>

#include "runtime/cpu/attn_kernel.h"

#define LOG2E 1.44269504088896341f
#define LN2 0.693147180559945309f
#define NOTHING (-104) /* e to that is 0 */
#define NEVER (-1e30f) /* running maximum of a row that saw nothing yet */

/* One row of d elements out: y = x * a (+ y). */
INLINE void
put_row(const float *x, float a, int d, void *y, size_t at, enum lt_dtype t,
    bool add)
{
	int j;

	for (j = 0; j + VL <= d; j += VL) {
		vf v = v_load(x + j) * v_set(a);

		if (add)
			v += v_get(y, at + j, t);
		v_put(y, at + j, t, v);
	}
	for (; j < d; j++)
		f_put(y, at + j, t,
		    x[j] * a + (add ? f_get(y, at + j, t) : 0));
}

/* o <- o - share (o - x a) */
INLINE void
merge_row(const float *x, float a, int d, float share, float *o)
{
	int j;

	for (j = 0; j + VL <= d; j += VL) {
		vf v = v_get(o, j, LT_F32);

		v -= v_set(share) * (v - v_load(x + j) * v_set(a));
		v_put(o, j, LT_F32, v);
	}
	for (; j < d; j++)
		o[j] -= share * (o[j] - x[j] * a);
}

/*
 * o and z of row r of the block, from its sum of weighted values, or their
 * merge into what is there:
 *	o <- o - sigmoid(zb - z) (o - ob),  z <- z - logsigmoid(z - zb)
 */
static void
finish_row(const struct fwd_task *t, int r, const float *row, float max,
    float sum)
{
	float *z = t->z + r * t->z_stride;
	bool empty = max == NEVER && sum == 0; /* not NaN */
	float zb = empty ? -INFINITY : (max + log2f(sum)) * LN2;
	float a = empty ? 0 : 1 / sum, gap, e;
	float *o = (float *)t->o.data + r * t->o.stride;

	if (!t->merge || *z == -INFINITY) {
		put_row(row, a, t->d, (void *)t->o.data, r * t->o.stride,
		    t->o.type, false);
		*z = zb;
		return;
	}
	gap = zb - *z;
	if (empty || gap < NOTHING)
		return;
	e = expf(-fabsf(gap));
	*z = fmaxf(*z, zb) + log2f(1 + e) * LN2; /* absolute error 2^-24 */
	merge_row(row, a, t->d, gap > 0 ? 1 / (1 + e) : e / (1 + e), o);
}
