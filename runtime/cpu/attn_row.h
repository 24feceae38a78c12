/* Rows out of a block of attention.  Included after simd.h by the kernels. */
#include <math.h>

#include "runtime/cpu/attn_kernel.h"

#define LOG2E 1.44269504088896341f
#define LN2 0.693147180559945309f
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
	float share = 1, a = empty ? 0 : 1 / sum, gap;
	float *o = (float *)t->o.data + r * t->o.stride;
	int c;

	if (!t->merge || *z == -INFINITY) {
		put_row(row, a, t->d, (void *)t->o.data, r * t->o.stride,
		    t->o.type, false);
		*z = zb;
		return;
	}
	if (empty)
		return;
	gap = zb - *z;
	share = gap > 0 ? 1 / (1 + expf(-gap)) : expf(gap) / (1 + expf(gap));
	*z = gap > 0 ? zb + log1pf(expf(-gap)) : *z + log1pf(expf(gap));
	for (c = 0; c < t->d; c++)
		o[c] -= share * (o[c] - row[c] * a);
}
