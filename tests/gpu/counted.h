/*
 * What a program's functions allocate, from the first step on: by these calls of
 * the trainer's own objects, not of libraries, for the linker wraps them (-Wl,
 * --wrap=malloc and so on; not aligned_alloc, which gives the emulator its
 * stacks); and of a device its memory and its events.
 */
#ifndef TESTS_GPU_COUNTED_H
#define TESTS_GPU_COUNTED_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/comm/comm.h"
#include "runtime/gpu/device.h"

static struct {
	const struct lt_program *program;
	bool unrehearsed; /* nothing is reserved: there will be allocations */
	atomic_long calls, allocations;
} counted;

static _Thread_local bool counts;

/* By rank, for a rank that fails leaves its step, and its thread, with it. */
enum { COUNTED_RANKS = 64 };
static struct {
	struct lt_device device;
	const struct lt_device *inner;
} counted_of[COUNTED_RANKS];

static const struct lt_device *
counted_inner(const struct lt_gpu *g)
{
	return counted_of[g->rt->rank].inner;
}

static void
note(const char *what, const void *caller)
{
	if (counts && atomic_fetch_add(&counted.allocations, 1) < 20)
		fprintf(stderr, "counted: %s from %p\n", what, caller);
}

#define WRAP(type, name, params, args)                                        \
	type __real_##name params;                                            \
	type __wrap_##name params;                                            \
	type __wrap_##name params                                             \
	{                                                                     \
		note(#name, __builtin_return_address(0));                     \
		return __real_##name args;                                    \
	}
WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(int, posix_memalign, (void **p, size_t to, size_t n), (p, to, n))

static int
counted_alloc(struct lt_gpu *g, uint64_t bytes, void **p)
{
	note("memory of the device", __builtin_return_address(0));
	return counted_inner(g)->alloc(g, bytes, p);
}

static void
counted_free(struct lt_gpu *g, void *p)
{
	note("memory of the device given back", __builtin_return_address(0));
	counted_inner(g)->free(g, p);
}

static struct lt_event *
counted_event(struct lt_gpu *g)
{
	note("an event", __builtin_return_address(0));
	return counted_inner(g)->event(g);
}

/* A kernel in the emulator may take what memory it wants. */
static void
counted_launch(struct lt_gpu *g, enum lt_stream s, int kernel,
    const unsigned grid[3], const void *args)
{
	bool emulated = g->rt->prog->device == LT_DEVICE_EMU;

	counts = !emulated;
	counted_inner(g)->launch(g, s, kernel, grid, args);
	counts = true;
}

static bool
rehearses(const struct lt *rt)
{
	return (rt->comm && rt->comm->rehearses) ||
	    (rt->gpu && rt->gpu->rehearses);
}

static void
count_device(struct lt_gpu *g)
{
	struct lt_device *d = &counted_of[g->rt->rank].device;

	if (g->rt->rank >= COUNTED_RANKS)
		abort();
	counted_of[g->rt->rank].inner = g->device;
	*d = *g->device;
	d->alloc = counted_alloc;
	d->free = counted_free;
	d->event = counted_event;
	d->launch = counted_launch;
	g->device = d;
}

static void
count_call(struct lt *rt, void (*call)(struct lt *))
{
	if (rehearses(rt)) {
		if (!counted.unrehearsed)
			call(rt);
		return;
	}
	if (rt->gpu)
		count_device(rt->gpu);
	counts = true;
	call(rt);
	counts = false;
	if (rt->gpu)
		rt->gpu->device = counted_inner(rt->gpu);
	atomic_fetch_add(&counted.calls, 1);
}

static void
counted_step(struct lt *rt)
{
	count_call(rt, counted.program->step);
}

static void
counted_eval(struct lt *rt)
{
	count_call(rt, counted.program->eval);
}

static void
counted_logits(struct lt *rt)
{
	count_call(rt, counted.program->logits);
}

/* Lets p, which is a copy of a program, be counted. */
static void
count_program(struct lt_program *p, const struct lt_program *program)
{
	counted.program = program;
	counted.unrehearsed = getenv("COUNTED_UNREHEARSED") != NULL;
	p->step = counted_step;
	p->eval = program->eval ? counted_eval : NULL;
	p->logits = program->logits ? counted_logits : NULL;
	if (counted.unrehearsed)
		p->rehearse = NULL;
}

/* Into the file that COUNTED names: "3 calls, 0 allocations". */
static void
count_report(void)
{
	const char *path = getenv("COUNTED");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (!f)
		return;
	fprintf(f, "%ld calls, %ld allocations\n", counted.calls,
	    counted.allocations);
	fclose(f);
}

#endif
