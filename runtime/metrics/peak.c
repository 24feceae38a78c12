/* A short, calibrated matrix product. */
#include "config.h"

#include "runtime/metrics/peak.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/pool.h"
#include "runtime/metrics/metrics.h"

static const double BUDGET = 0.2; /* seconds */

struct probe {
	struct lt_pool *pool;
	struct lt_gemm g;
	void *a, *b, *c, *work;
};

static double
time_one(const struct probe *p)
{
	double t = lt_now();

	lt_gemm(p->pool, &p->g, p->a, p->b, p->c, NULL, p->work);
	return lt_now() - t;
}

static void *
zeroed(size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, size ? size : 64) != 0)
		return NULL;
	return memset(p, 0, size);
}

/* The best speed at size n within the time; *spent grows. */
static double
measure(struct lt_pool *pool, enum lt_dtype type, uint32_t n, double *spent)
{
	size_t elements = (size_t)n * n;
	struct probe p = {.pool = pool, .g = {.m = n, .n = n, .k = n,
	    .lda = n, .ldb = n, .ldc = n, .a = type, .b = type,
	    .c = LT_F32}};
	double best = 0;

	p.a = zeroed(elements * 4);
	p.b = zeroed(elements * 4);
	p.c = zeroed(elements * 4);
	p.work = zeroed(lt_gemm_workspace(&p.g, lt_pool_threads(pool)));
	for (int i = 0; p.a && p.b && p.c && p.work && i < 64; i++) {
		double t = time_one(&p), flops = 2.0 * n * n * n;

		*spent += t;
		if (i > 0 && t > 0 && flops / t > best) /* the first warms */
			best = flops / t;
		if (i > 0 && *spent > BUDGET)
			break;
	}
	free(p.a);
	free(p.b);
	free(p.c);
	free(p.work);
	return best;
}

double
lt_peak_measure(struct lt_pool *pool, bool bf16)
{
	enum lt_dtype type = bf16 ? LT_BF16 : LT_F32;
	double spent = BUDGET * 0.95, small, large, cost;

	small = measure(pool, type, 256, &spent);
	if (small <= 0)
		return 0;
	cost = 2 * 2.0 * 1024 * 1024 * 1024 / small; /* two runs */
	if (cost > BUDGET)
		return small;
	spent = 0;
	large = measure(pool, type, 1024, &spent);
	return large > small ? large : small;
}
