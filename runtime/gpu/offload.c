/*
 * Copies between a device and LT_HOST, each way on a stream of its own.  A copy
 * begins when the compute stream has come to where it was started, and the
 * compute stream goes on behind its finish when it is over; the host waits for
 * neither.
 *
 * Slots of a ring have an event each, and a copy has a slot to itself: who waits
 * for it waits for nothing else.  Where more are under way than there are slots,
 * the one that was first ends where the next begins.
 */
#include "config.h"

#include "runtime/comm/count.h"
#include "runtime/gpu/device.h"
#include "runtime/main/limits.h"
#include "runtime/main/report.h"

/* Copies are numbered modulo this: what a token holds, below LT_TOKEN_DONE. */
enum { NUMBERS = 1 << 30 };

static uint64_t
bit(uint32_t slot)
{
	return UINT64_C(1) << slot;
}

void
lt_gpu_copies_open(struct lt_gpu *g)
{
	for (int i = 0; i < LT_COPIES_MAX; i++)
		g->copy[i] = g->device->event(g);
}

void
lt_gpu_copies_close(struct lt_gpu *g)
{
	for (int i = 0; i < LT_COPIES_MAX; i++)
		if (g->copy[i])
			g->device->event_free(g, g->copy[i]);
}

static void
finish(struct lt_gpu *g, uint32_t slot)
{
	g->device->wait(g, LT_COMPUTE, g->copy[slot]);
	g->copying &= ~bit(slot);
}

lt_token
lt_gpu_host_start(struct lt *rt, void *dst, const void *src, uint64_t bytes)
{
	struct lt_gpu *g = rt->gpu;
	enum lt_stream s = lt_in_host(rt, dst) ? LT_OUT : LT_IN;
	uint32_t number = g->copies++ % NUMBERS, i = number % LT_COPIES_MAX;

	lt_count_copy(rt, dst, bytes);
	if (g->copying & bit(i))
		finish(g, i);
	g->copying |= bit(i);
	g->device->record(g, g->copy[i], LT_COMPUTE);
	g->device->wait(g, s, g->copy[i]);
	(g->device->copy_host ? g->device->copy_host : g->device->copy)(g, s,
	    dst, src, bytes);
	g->device->record(g, g->copy[i], s);
	return LT_TOKEN_HOST + number;
}

/* One whose slot has gone to a later copy was finished for that. */
void
lt_gpu_host_finish(struct lt *rt, lt_token t)
{
	struct lt_gpu *g = rt->gpu;
	uint32_t number = t - LT_TOKEN_HOST, i = number % LT_COPIES_MAX;
	uint32_t since = (g->copies - 1 - number) % NUMBERS;
	bool last = since < LT_COPIES_MAX;

	if (last ? !(g->copying & bit(i)) : since >= NUMBERS / 2)
		lt_gpu_fail(rt, LT_EXIT_INTERNAL,
		    "a copy is finished that is not under way");
	if (last)
		finish(g, i);
}
