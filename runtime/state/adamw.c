/*
 * AdamW (Loshchilov and Hutter 2019), the update of ir/interp/optim.c in f32:
 *
 *	g = clip G        m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *	w -= lr (m / fix1 / (sqrt(v / fix2) + eps) + wd w),  fixN = 1 - bN^step
 *
 * One pass that moves 28 bytes per element, 30 with the bf16 copy, and is
 * bound by that.  Every element is computed alone, by operations that IEEE
 * rounds one way, in one order (no contraction): the result does not depend
 * on threads, vector width or instruction set.
 */
#if defined __clang__
#pragma STDC FP_CONTRACT OFF
#endif
#include "runtime/loong_rt.h"

#include <math.h>

#include "runtime/cpu/act.h"
#include "runtime/cpu/pool.h"
#include "runtime/state/slice.h"

/* Constants of one step; what is per step is computed in double. */
struct adamw {
	float clip, b1, c1, b2, c2; /* cN = 1 - bN */
	float rate, ifix2, eps;     /* lr / fix1, 1 / fix2 */
	float decay;                /* lr wd, or 0 */
};

struct update {
	struct adamw a;
	uint64_t n;
	float *w, *m, *v;
	const float *g;
	uint16_t *w16;
};

static inline float
step_one(const struct adamw *a, float w, float grad, float *m, float *v)
{
	float g = a->clip * grad;
	float m1 = a->b1 * *m + a->c1 * g;
	float v1 = a->b2 * *v + a->c2 * (g * g);

	*m = m1;
	*v = v1;
	/* not (1 - decay) w: the sum would round a small decay away */
	return w - (a->rate * m1 / (sqrtf(v1 * a->ifix2) + a->eps) +
	    a->decay * w);
}

LT_CLONES static void
update_plain(struct adamw a, uint64_t n, float *restrict w,
    const float *restrict g, float *restrict m, float *restrict v)
{
	for (uint64_t i = 0; i < n; i++)
		w[i] = step_one(&a, w[i], g[i], &m[i], &v[i]);
}

LT_CLONES static void
update_cast(struct adamw a, uint64_t n, float *restrict w,
    const float *restrict g, float *restrict m, float *restrict v,
    uint16_t *restrict w16)
{
	for (uint64_t i = 0; i < n; i++) {
		float x = step_one(&a, w[i], g[i], &m[i], &v[i]);

		w[i] = x;
		w16[i] = lt_to_bf16(x);
	}
}

static void
update_part(void *arg, int part, int parts)
{
	const struct update *u = arg;
	struct slice s = slice_of(u->n, part, parts);
	uint64_t i = s.lo, n = s.hi - s.lo;

	if (u->w16 != NULL)
		update_cast(u->a, n, u->w + i, u->g + i, u->m + i, u->v + i,
		    u->w16 + i);
	else
		update_plain(u->a, n, u->w + i, u->g + i, u->m + i, u->v + i);
}

static struct adamw
adamw_of(const struct lt *rt, float clip, bool decay)
{
	const struct lt_recipe *r = &rt->prog->recipe;
	double step = rt->step > 0 ? (double)rt->step : 1;

	return (struct adamw){
		.clip = clip,
		.b1 = (float)r->beta1,
		.c1 = (float)(1 - r->beta1),
		.b2 = (float)r->beta2,
		.c2 = (float)(1 - r->beta2),
		.rate = (float)(rt->lr / (1 - pow(r->beta1, step))),
		.ifix2 = (float)(1 / (1 - pow(r->beta2, step))),
		.eps = (float)r->eps,
		.decay = decay ? (float)(rt->lr * r->wd) : 0,
	};
}

void
lt_adamw(struct lt *rt, uint64_t n, float *w, const float *g, float *m,
    float *v, uint16_t *w16, float clip, bool decay)
{
	struct update u = {adamw_of(rt, clip, decay), n, w, m, v, g, w16};

	lt_pool_run(rt->pool, update_part, &u);
}
