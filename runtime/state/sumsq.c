/*
 * Sums of squares, and the step that is not taken.
 *
 * x is cut into at most SHARES pieces that depend on n alone; each piece is
 * summed in LANES interleaved doubles, the lanes in order, the pieces in
 * order.  The square of an f32 is exact in a double, so fused or not makes
 * no difference: the result depends on nothing but the numbers.
 *
 * Error: n additions of doubles, each rounded by 2^-53 of a partial sum of
 * nonnegative terms: less than (n / LANES / SHARES + SHARES + LANES) 2^-53
 * of the result.
 */
#include "runtime/loong_rt.h"

#include <math.h>

#include "runtime/cpu/act.h"
#include "runtime/cpu/pool.h"

enum { SHARES = 256, LANES = 32, SHARE_MIN = 4096 };

struct sum {
	const float *x;
	uint64_t n, share; /* elements of a share, the last may be shorter */
	uint64_t shares;
	double part[SHARES];
};

LT_CLONES static double
sum_share(const float *x, uint64_t n)
{
	double lane[LANES] = {0}, sum = 0;
	uint64_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			lane[j] += (double)x[i + j] * (double)x[i + j];
	for (; i < n; i++)
		lane[i % LANES] += (double)x[i] * (double)x[i];
	for (int j = 0; j < LANES; j++)
		sum += lane[j];
	return sum;
}

static void
sum_part(void *arg, int part, int parts)
{
	struct sum *s = arg;

	for (uint64_t i = (uint64_t)part; i < s->shares;
	    i += (uint64_t)parts) {
		uint64_t lo = i * s->share;
		uint64_t n = s->n - lo < s->share ? s->n - lo : s->share;

		s->part[i] = sum_share(s->x + lo, n);
	}
}

double
lt_sumsq(struct lt *rt, uint64_t n, const float *x)
{
	struct sum s = {.x = x, .n = n};
	double sum = 0;

	s.share = (n / SHARES + LANES) / LANES * LANES;
	if (s.share < SHARE_MIN)
		s.share = SHARE_MIN;
	s.shares = (n + s.share - 1) / s.share;
	lt_pool_run(rt->pool, sum_part, &s);
	for (uint64_t i = 0; i < s.shares; i++)
		sum += s.part[i];
	return sum;
}

bool
lt_step_ok(struct lt *rt, float loss, float gnorm)
{
	rt->loss = loss;
	rt->gnorm = gnorm;
	rt->skipped = !(isfinite(loss) && isfinite(gnorm));
	return !rt->skipped;
}
