/*
 * Copies between a device and LT_HOST, each way on a stream of its own.  A copy
 * begins when the compute stream has come to where it was started, and the
 * compute stream goes on behind its finish when it is over; the host waits for
 * neither.
 */
#include "config.h"

#include "runtime/comm/count.h"
#include "runtime/gpu/device.h"
#include "runtime/main/limits.h"
#include "runtime/main/report.h"

lt_token
lt_gpu_host_start(struct lt *rt, void *dst, const void *src, uint64_t bytes)
{
	struct lt_gpu *g = rt->gpu;
	enum lt_stream s = lt_in_host(rt, dst) ? LT_OUT : LT_IN;
	uint32_t i = g->copies++ % LT_COPIES_MAX;

	lt_count_copy(rt, dst, bytes);
	if (!g->copy[i])
		g->copy[i] = g->device->event(g);
	g->device->record(g, g->copy[i], LT_COMPUTE);
	g->device->wait(g, s, g->copy[i]);
	(g->device->copy_host ? g->device->copy_host : g->device->copy)(g, s,
	    dst, src, bytes);
	g->device->record(g, g->copy[i], s);
	return LT_TOKEN_HOST + i;
}

void
lt_gpu_host_finish(struct lt *rt, lt_token t)
{
	struct lt_gpu *g = rt->gpu;

	if (t - LT_TOKEN_HOST >= LT_COPIES_MAX || !g->copy[t - LT_TOKEN_HOST])
		lt_gpu_fail(rt, LT_EXIT_INTERNAL,
		    "a copy is finished that was not started");
	g->device->wait(g, LT_COMPUTE, g->copy[t - LT_TOKEN_HOST]);
}
