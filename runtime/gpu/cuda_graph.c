/*
 * A step as a CUDA graph, by capture of the rank's streams.
 *
 * All of them take part: they fork from the compute stream at the beginning and
 * join it at the end.  A call that fails meanwhile spoils the capture and ends
 * nothing, for nothing has happened on the device.
 */
#include "config.h"

#include <stdio.h>

#include "runtime/gpu/cuda.h"

bool
lt_cuda_spoil(struct lt_gpu *g, int result, const char *what)
{
	struct lt_cuda *c = g->self;
	char buf[256];

	if (!c->capturing)
		return false;
	if (!*c->spoiled)
		snprintf(c->spoiled, sizeof c->spoiled, "%s: %s", what,
		    result ? lt_cu_text(c->cu, result, buf) :
		    "not in a graph");
	return true;
}

/* From the compute stream to the others, and back. */
static void
fork_streams(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	g->device->record(g, c->fork[0], LT_COMPUTE);
	for (int i = 1; i < LT_STREAMS; i++)
		if (lt_gpu_has(g, i))
			g->device->wait(g, (enum lt_stream)i, c->fork[0]);
}

static void
join_streams(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	for (int i = 1; i < LT_STREAMS; i++) {
		if (!lt_gpu_has(g, i))
			continue;
		g->device->record(g, c->fork[i], (enum lt_stream)i);
		g->device->wait(g, LT_COMPUTE, c->fork[i]);
	}
}

void
lt_cuda_rehearsed(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	for (int i = 0; i < LT_STREAMS; i++) {
		if (!lt_gpu_has(g, i))
			continue;
		c->fork[i] = g->device->event(g);
		if (!lt_progress_reserve(g, (enum lt_stream)i, g->counted[i]))
			lt_gpu_fail(g->rt, LT_EXIT_FAIL, "out of memory");
	}
}

bool
lt_cuda_capture(struct lt_gpu *g, char why[512])
{
	struct lt_cuda *c = g->self;
	char buf[256];
	int r;

	r = c->cu->capture(c->stream[LT_COMPUTE], LT_CU_CAPTURE_THREAD);
	if (r) {
		snprintf(why, 512, "%s", lt_cu_text(c->cu, r, buf));
		return false;
	}
	c->capturing = true;
	*c->spoiled = '\0';
	lt_progress_capture(g);
	fork_streams(g);
	return true;
}

bool
lt_cuda_captured(struct lt_gpu *g, char why[512])
{
	struct lt_cuda *c = g->self;
	lt_cu_graph made = NULL;
	int r;

	join_streams(g);
	r = c->cu->capture_end(c->stream[LT_COMPUTE], &made);
	if (r)
		(void)lt_cuda_spoil(g, r, "ending the capture");
	else if ((r = c->cu->graph_make(&c->graph, made, 0)) != 0)
		(void)lt_cuda_spoil(g, r, "making a graph");
	c->capturing = false;
	if (made)
		(void)c->cu->graph_free(made);
	lt_progress_captured(g, !*c->spoiled);
	if (!*c->spoiled)
		return true;
	if (!r)
		(void)c->cu->exec_free(c->graph);
	c->graph = NULL;
	snprintf(why, 512, "%s", c->spoiled);
	return false;
}

/* The streams have nothing to do, so nobody else writes their numbers. */
void
lt_cuda_replay(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	lt_progress_replay(g);
	c->replays = true;
	lt_cuda_must(g, c->cu->graph_launch(c->graph,
	    c->stream[LT_COMPUTE]), "launching the graph of a step");
}

void
lt_cuda_replayed(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	if (c->replays)
		lt_progress_replayed(g);
	c->replays = false;
}

void
lt_cuda_graph_close(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	if (c->graph)
		(void)c->cu->exec_free(c->graph);
	for (int i = 0; i < LT_STREAMS; i++)
		if (c->fork[i])
			g->device->event_free(g, c->fork[i]);
}
