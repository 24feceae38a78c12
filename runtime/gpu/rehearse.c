/*
 * A rehearsal on a device: the program goes through its functions on one that
 * enqueues nothing.  What is chosen once (products), made once (events) or grows
 * (messages) is there afterwards, and it is known how many kernels a step has.
 */
#include "config.h"

#include "runtime/comm/comm.h"
#include "runtime/gpu/device.h"
#include "runtime/main/run.h"

static void
launch(struct lt_gpu *g, enum lt_stream s, int kernel, const unsigned grid[3],
    const void *args)
{
	(void)kernel;
	(void)grid;
	(void)args;
	g->counted[s] += s == LT_COMPUTE;
}

static void
copy(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	(void)g;
	(void)s;
	(void)dst;
	(void)src;
	(void)bytes;
}

static void
zero(struct lt_gpu *g, enum lt_stream s, void *x, uint64_t bytes)
{
	(void)g;
	(void)s;
	(void)x;
	(void)bytes;
}

static void
transfer(struct lt_gpu *g, void *dst, const void *src, uint64_t bytes)
{
	(void)g;
	(void)dst;
	(void)src;
	(void)bytes;
}

static void
mark(struct lt_gpu *g, struct lt_event *e, enum lt_stream s)
{
	(void)g;
	(void)e;
	(void)s;
}

static void
follow(struct lt_gpu *g, enum lt_stream s, struct lt_event *e)
{
	(void)g;
	(void)s;
	(void)e;
}

static struct lt_device
quiet(const struct lt_device *d)
{
	struct lt_device q = *d;

	q.launch = launch;
	q.copy = copy;
	q.copy_host = d->copy_host ? copy : NULL;
	q.zero = zero;
	q.upload = q.download = transfer;
	q.record = mark;
	q.wait = follow;
	return q;
}

void
lt_gpu_rehearse(struct lt *rt, bool eval, bool logits)
{
	struct lt_gpu *g = rt->gpu;
	const struct lt_device *d = g->device;
	struct lt_device q = quiet(d);

	g->device = &q;
	g->rehearses = true;
	rt->prog->step(rt);
	if (d->rehearsed)
		d->rehearsed(g);
	if (eval)
		rt->prog->eval(rt);
	if (logits)
		rt->prog->logits(rt);
	g->rehearses = false;
	g->device = d;
}
