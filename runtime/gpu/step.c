/*
 * A step as one thing for the device.
 *
 * What a step enqueues is always the same: sizes, places and order are the
 * plan's, and what changes from step to step (learning rate, step, seed) is in
 * memory of the device.  So where the backend has graphs, the first step is
 * enqueued as it is, the second becomes a graph, and that is what happens in it
 * and in all after it.  The first, although everything of ours is there since the
 * rehearsal, because libraries make themselves ready in it: NCCL its connections,
 * the driver and cuBLASLt kernels that nobody has used yet, and not all of that
 * can be done in a capture.
 *
 * Not so where the host takes part in a step: where ranks that are threads
 * exchange by copies, and wait for each other's calls; and where somebody wants
 * to know when which kernel is enqueued.
 */
#include "config.h"

#include "runtime/comm/comm.h"
#include "runtime/gpu/device.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"

enum { TRIES = 3 };

static bool
wants_graph(const struct lt *rt)
{
	const struct lt_gpu *g = rt->gpu;

	return g->device->capture && !rt->run->opt.no_graph &&
	    !rt->run->trace && !rt->watch && g->graph.tries < TRIES &&
	    (rt->ranks == 1 || rt->comm->on_device);
}

/* What a step sends is counted when it is enqueued. */
static void
enqueue_and_count(struct lt *rt, struct lt_count *step)
{
	struct lt_count *c = lt_count_of(rt), all;

	all = *c;
	*c = (struct lt_count){.on = all.on};
	rt->prog->step(rt);
	*step = *c;
	*c = all;
}

/* The step as a graph, which has not happened yet; false: nothing has, and it
 * has to be enqueued as it is. */
static bool
make_graph(struct lt *rt)
{
	struct lt_gpu *g = rt->gpu;
	char why[512];

	g->graph.tries++;
	g->graph.begun = true;
	if (g->device->capture(g, why)) {
		enqueue_and_count(rt, &g->graph.sent);
		g->graph.ready = g->device->captured(g, why);
	}
	g->graph.begun = false;
	if (!g->graph.ready && g->graph.tries == TRIES)
		lt_note("graph      none, kernels are started one by one: %s",
		    why);
	return g->graph.ready;
}

void
lt_gpu_run_step(struct lt *rt)
{
	struct lt_gpu *g = rt->gpu;
	bool first = g && g->graph.steps++ == 0;

	if (!g || first || !wants_graph(rt) ||
	    (!g->graph.ready && !make_graph(rt))) {
		rt->prog->step(rt);
		return;
	}
	g->device->replay(g);
	lt_count_join(lt_count_of(rt), &g->graph.sent);
	lt_gpu_fetch(rt);
}
