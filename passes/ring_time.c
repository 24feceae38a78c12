/*
 * Seconds that a ring of backward steps takes, by the figures of the plan.
 *
 * With n windows of m steps, c the seconds of a step and a hop of B bytes
 * taking latency + B / (the speed of its axis),
 *
 *	window = m c + (m-1) max(0, inner hop - c)
 *	ring   = n window + (n-1) max(0, outer hop - window) + home
 *
 * for hops carry what travels and its gradients while a block is worked on,
 * and only the last one, of gradients, has nothing to hide behind.
 */
#include "config.h"

#include "passes/ring.h"

#include "ir/flops.h"
#include "plan/machine.h"

static double
hop(const struct ring *r, const struct machine *x, int level, double bytes)
{
	int axis = r->axis[level];

	if (axis < 0 || bytes == 0)
		return 0;
	return x->latency + bytes /
	    (machine_axis_crosses(r->m, x, axis) ? x->inter : x->intra);
}

static double
more(double a, double b)
{
	return a > b ? a - b : 0;
}

double
ring_seconds(const struct ring *r, bool queries)
{
	struct machine x = machine_of(r->m);
	struct ring_block b = ring_block(r, queries);
	double block = (double)b.block, sums = (double)b.sums;
	int outer = r->axis[OUTER] >= 0;
	int64_t n = r->steps[OUTER] + (outer ? r->back : 0);
	int64_t m = r->steps[INNER] + (outer ? 0 : r->back);
	double work = op_flops(r->m, r->op) / x.flops;
	double step = work / (double)(n * m), window;

	if (!queries && r->reach)
		return work + hop(r, &x, INNER, sums);
	window = (double)m * step + (double)(m - 1) *
	    more(hop(r, &x, INNER, block + sums), step);
	return (double)n * window + (double)(n - 1) *
	    more(hop(r, &x, OUTER, block + sums), window) +
	    (n * m > 1 ? hop(r, &x, outer ? OUTER : INNER, sums) : 0);
}
