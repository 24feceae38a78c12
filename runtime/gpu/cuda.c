/* NVIDIA GPUs as a device. */
#include "config.h"

#include "runtime/gpu/cuda.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/comm/comm.h"
#include "runtime/gpu/nccl.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"

enum { OLDEST_ARCH = 80 };

static struct lt_cuda *
of(struct lt_gpu *g)
{
	return g->self;
}

static lt_cu_ptr
address(const void *x)
{
	return (lt_cu_ptr)(uintptr_t)x;
}

/* ---- failing ---- */

/* Kernels are for many statements: of the one at work. */
static struct lt_passed
launch_of(const struct lt_gpu *g, int kernel)
{
	const struct lt_kernel *k = &g->rt->prog->kernel[kernel];

	return (struct lt_passed){.name = k->name,
	    .source = g->rt->source ? g->rt->source : k->where};
}

/* "attn_fwd (gqa.lt:20)" */
static void
name_launch(struct lt_passed x, char text[256])
{
	snprintf(text, 256, "%s%s%s%s", x.name, x.source ? " (" : "",
	    x.source ? x.source : "", x.source ? ")" : "");
}

/* " in kernel attn_fwd (..)": the one that the stream has not got past. */
static void
name_kernel(struct lt_gpu *g, char text[300])
{
	const struct lt_passed *x = lt_progress_next(g, LT_COMPUTE);
	char name[256];

	text[0] = '\0';
	if (!x)
		return;
	name_launch(*x, name);
	snprintf(text, 300, " in kernel %s", name);
}

_Noreturn void
lt_cuda_fail(struct lt_gpu *g, int result, const char *what)
{
	const struct lt_cuda *c = of(g);
	char kernel[300], buf[256];

	name_kernel(g, kernel);
	if (result == LT_CU_ECC)
		lt_gpu_fail(g->rt, LT_EXIT_FAIL, "GPU %d, %s: its memory has "
		    "an error that ECC cannot correct, found %s%s; the last "
		    "checkpoint is whole, and this GPU has to be reset or "
		    "replaced", c->ordinal, c->name, what, kernel);
	lt_gpu_fail(g->rt, LT_EXIT_INTERNAL, "GPU %d, %s: %s%s: %s",
	    c->ordinal, c->name, what, kernel, lt_cu_text(c->cu, result, buf));
}

/* ---- opening ---- */

/* Ranks that are threads have one each or share the first; a process has the GPU that its launcher
 * counts for it. */
static int
choose_gpu(const struct lt *rt, int count)
{
	static const char *const local[] = {"LOCAL_RANK",
		"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
		"SLURM_LOCALID"};

	for (size_t i = 0; rt->run && rt->run->processes &&
	    i < sizeof local / sizeof *local; i++) {
		const char *s = getenv(local[i]);

		if (s && *s)
			return (int)(strtol(s, NULL, 10) % count);
	}
	if (rt->run && rt->run->processes)
		return rt->rank % count;
	return rt->ranks > count ? 0 : rt->rank;
}

static int
describe(struct lt_gpu *g)
{
	struct lt_cuda *c = of(g);
	int major = 0, minor = 0, device = 0, n = 0, r;
	char buf[256];

	r = c->cu->count(&n);
	g->devices = n;
	c->ordinal = n > 0 ? choose_gpu(g->rt, n) : 0;
	r = r ? r : c->cu->get(&device, c->ordinal);
	r = r ? r : c->cu->name(c->name, sizeof c->name, device);
	r = r ? r : c->cu->uuid(c->uuid, device);
	r = r ? r : c->cu->attribute(&major, LT_CU_MAJOR, device);
	r = r ? r : c->cu->attribute(&minor, LT_CU_MINOR, device);
	r = r ? r : c->cu->attribute(&g->processors, LT_CU_PROCESSORS,
	    device);
	g->arch = 10 * major + minor;
	r = r ? r : c->cu->retain(&c->context, device);
	r = r ? r : c->cu->set_current(c->context);
	if (r)
		return lt_fail(LT_EXIT_CONFIG, "rank %d: GPU %d cannot be "
		    "used: %s", g->rt->rank, c->ordinal,
		    lt_cu_text(c->cu, r, buf));
	if (g->arch < OLDEST_ARCH)
		return lt_fail(LT_EXIT_CONFIG, "rank %d: GPU %d, %s, is sm_%d; "
		    "sm_%d is the oldest that trainers are made for",
		    g->rt->rank, c->ordinal, c->name, g->arch, OLDEST_ARCH);
	return LT_OK;
}

static int
open_streams(struct lt_gpu *g)
{
	struct lt_cuda *c = of(g);
	char buf[256];
	int r = LT_CU_OK;

	for (int i = 0; !r && i < LT_STREAMS; i++)
		if (lt_gpu_has(g, i))
			r = c->cu->stream_new(&c->stream[i],
			    LT_CU_NON_BLOCKING);
	r = r ? r : lt_progress_open(g);
	return r ? lt_fail(LT_EXIT_CONFIG, "rank %d: GPU %d: no streams: %s",
	    g->rt->rank, c->ordinal, lt_cu_text(c->cu, r, buf)) : LT_OK;
}

static void
cuda_close(struct lt_gpu *g)
{
	struct lt_cuda *c = of(g);

	(void)c->cu->set_current(c->context);
	lt_cuda_graph_close(g);
	lt_blas_close(c->blas);
	lt_cuda_unload(g);
	for (int i = 0; i < LT_STREAMS; i++)
		if (c->stream[i])
			(void)c->cu->stream_free(c->stream[i]);
	lt_progress_close(g);
	if (c->context)
		(void)c->cu->release(c->ordinal);
	free(c);
	g->self = NULL;
}

static int
cuda_open(struct lt_gpu *g)
{
	struct lt_cuda *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	g->self = c;
	c->cu = lt_cu_load(&rc);
	if (!c->cu) {
		free(c);
		return rc;
	}
	rc = describe(g);
	rc = rc ? rc : open_streams(g);
	rc = rc ? rc : lt_cuda_load(g);
	if (rc)
		cuda_close(g);
	else
		c->blas = lt_blas_open();
	return rc;
}

/* ---- memory ---- */

static uint64_t
cuda_available(struct lt_gpu *g)
{
	size_t left = 0;

	lt_cuda_must(g, of(g)->cu->mem_info(&left, &(size_t){0}),
	    "asking for the free memory");
	return left;
}

static int
cuda_alloc(struct lt_gpu *g, uint64_t bytes, void **p)
{
	struct lt_cuda *c = of(g);
	lt_cu_ptr at = 0;
	int r = c->cu->mem_alloc(&at, bytes);

	*p = (void *)(uintptr_t)at;
	if (r == LT_CU_NO_MEMORY)
		return LT_EXIT_CONFIG;
	lt_cuda_must(g, r, "allocating memory");
	lt_cuda_must(g, c->cu->fill(at, 0, bytes, c->stream[LT_COMPUTE]),
	    "clearing memory");
	return LT_OK;
}

/* What is still enqueued may touch it; an error has been told, or will be. */
static void
cuda_free(struct lt_gpu *g, void *p)
{
	(void)of(g)->cu->set_current(of(g)->context);
	for (int i = 0; i < LT_STREAMS; i++)
		if (of(g)->stream[i])
			(void)of(g)->cu->stream_sync(of(g)->stream[i]);
	(void)of(g)->cu->mem_free(address(p));
}

/* Locked in memory: copies to other memory are not under way by themselves. */
static int
cuda_alloc_host(struct lt_gpu *g, uint64_t bytes, void **p)
{
	struct lt_cuda *c = of(g);
	int r = c->cu->host_alloc(p, bytes, LT_CU_HOST_PORTABLE);

	if (r == LT_CU_NO_MEMORY)
		return LT_EXIT_CONFIG;
	lt_cuda_must(g, r, "allocating memory of the host");
	memset(*p, 0, bytes);
	return LT_OK;
}

static void
cuda_free_host(struct lt_gpu *g, void *p)
{
	(void)of(g)->cu->set_current(of(g)->context);
	(void)of(g)->cu->host_free(p);
}

static void
cuda_copy_host(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	struct lt_cuda *c = of(g);

	lt_cuda_must(g, s == LT_OUT ?
	    c->cu->download(dst, address(src), bytes, c->stream[s]) :
	    c->cu->upload(address(dst), src, bytes, c->stream[s]),
	    "copying between the GPU and the host");
}

/* What waits for other ranks may wait for ever: somebody has to look whether
 * anything is still done. */
static void
watch(struct lt_gpu *g, enum lt_stream s)
{
	const struct timespec nap = {0, 50000};
	double begin = lt_now(), looked = begin;
	uint64_t done = lt_progress_sum(g);
	int r;

	while ((r = of(g)->cu->stream_query(of(g)->stream[s])) ==
	    LT_CU_NOT_READY) {
		nanosleep(&nap, NULL);
		if (lt_now() < looked + 0.1)
			continue;
		looked = lt_now();
		if (done != lt_progress_sum(g))
			begin = looked;
		done = lt_progress_sum(g);
		lt_nccl_check(g->rt, looked - begin);
	}
	lt_cuda_must(g, r, "computing");
}

static void
wait_for(struct lt_gpu *g, enum lt_stream s)
{
	if (g->rt->comm && g->rt->comm->nccl)
		watch(g, s);
	else
		lt_cuda_must(g, of(g)->cu->stream_sync(of(g)->stream[s]),
		    "computing");
}

static void
cuda_synchronize(struct lt_gpu *g)
{
	for (int i = 0; i < LT_STREAMS; i++)
		if (lt_gpu_has(g, i))
			wait_for(g, (enum lt_stream)i);
}

static void
cuda_upload(struct lt_gpu *g, void *dst, const void *src, uint64_t bytes)
{
	lt_cuda_must(g, of(g)->cu->upload(address(dst), src, bytes,
	    of(g)->stream[LT_COMPUTE]), "copying to the GPU");
	wait_for(g, LT_COMPUTE);
}

static void
cuda_download(struct lt_gpu *g, void *dst, const void *src, uint64_t bytes)
{
	lt_cuda_must(g, of(g)->cu->download(dst, address(src), bytes,
	    of(g)->stream[LT_COMPUTE]), "copying from the GPU");
	wait_for(g, LT_COMPUTE);
	lt_cuda_replayed(g);
}

static void
cuda_copy(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	lt_cuda_must(g, of(g)->cu->copy(address(dst), address(src), bytes,
	    of(g)->stream[s]), "copying on the GPU");
}

static void
cuda_zero(struct lt_gpu *g, enum lt_stream s, void *x, uint64_t bytes)
{
	lt_cuda_must(g, of(g)->cu->fill(address(x), 0, bytes,
	    of(g)->stream[s]), "clearing memory of the GPU");
}

/* ---- launching ---- */

static void
cuda_launch(struct lt_gpu *g, enum lt_stream s, int kernel,
    const unsigned grid[3], const void *args)
{
	const struct lt_kernel *k = &g->rt->prog->kernel[kernel];
	struct lt_cuda *c = of(g);
	void *argv[] = {(void *)(uintptr_t)args};
	char name[256], what[400];
	int r;

	if (!c->function[kernel])
		lt_gpu_fail(g->rt, LT_EXIT_INTERNAL, "kernel %s is not for "
		    "sm_%d", k->name, g->arch);
	r = c->cu->launch(c->function[kernel], grid[0], grid[1], grid[2],
	    k->threads, 1, 1, k->smem, c->stream[s], argv, NULL);
	if (r && !c->capturing) {
		name_launch(launch_of(g, kernel), name);
		snprintf(what, sizeof what, "launching %s, %u x %u x %u "
		    "blocks of %u threads", name, grid[0], grid[1], grid[2],
		    k->threads);
		lt_cuda_fail(g, r, what);
	}
	lt_cuda_must(g, r, k->name);
	if (s == LT_COMPUTE)
		lt_progress_count(g, s, launch_of(g, kernel));
}

/* ---- events ---- */

static struct lt_event *
new_event(struct lt_gpu *g, unsigned flags)
{
	lt_cu_event e = NULL;

	lt_cuda_must(g, of(g)->cu->event_new(&e, flags), "making an event");
	return (struct lt_event *)(void *)e;
}

static struct lt_event *
cuda_event(struct lt_gpu *g)
{
	return new_event(g, LT_CU_NO_TIMING);
}

static struct lt_event *
cuda_timer(struct lt_gpu *g)
{
	return new_event(g, 0);
}

static double
cuda_elapsed(struct lt_gpu *g, const struct lt_event *from,
    const struct lt_event *to)
{
	float ms = 0;

	lt_cuda_must(g, of(g)->cu->event_elapsed(&ms,
	    (lt_cu_event)(uintptr_t)from, (lt_cu_event)(uintptr_t)to),
	    "measuring time");
	return (double)ms * 1e-3;
}

static void
cuda_event_free(struct lt_gpu *g, struct lt_event *e)
{
	(void)of(g)->cu->set_current(of(g)->context);
	(void)of(g)->cu->event_free((lt_cu_event)(void *)e);
}

static void
cuda_record(struct lt_gpu *g, struct lt_event *e, enum lt_stream s)
{
	lt_cuda_must(g, of(g)->cu->event_record((lt_cu_event)(void *)e,
	    of(g)->stream[s]), "recording an event");
}

static void
cuda_wait(struct lt_gpu *g, enum lt_stream s, struct lt_event *e)
{
	lt_cuda_must(g, of(g)->cu->stream_wait(of(g)->stream[s],
	    (lt_cu_event)(void *)e, 0), "waiting for an event");
}

static void
cuda_tensor_map(struct lt_gpu *g, lk_tmap *to, const void *base, int rank,
    const uint64_t size[], const uint64_t stride[], const uint32_t box[],
    bool swizzle)
{
	static const uint32_t step[5] = {1, 1, 1, 1, 1};
	uint64_t bytes[5] = {0};

	for (int i = 0; i + 1 < rank; i++)
		bytes[i] = 2 * stride[i];
	lt_cuda_must(g, of(g)->cu->tensor_map(to, LT_CU_TMAP_BF16,
	    (uint32_t)rank, (void *)(uintptr_t)base, size, bytes, box, step, 0,
	    swizzle ? LT_CU_TMAP_SWIZZLE_128B : 0, LT_CU_TMAP_L2_128B, 0),
	    "describing a tensor");
}

const struct lt_device lt_device_cuda = {
	.name = "CUDA",
	.open = cuda_open, .close = cuda_close,
	.alloc = cuda_alloc, .free = cuda_free, .available = cuda_available,
	.upload = cuda_upload, .download = cuda_download,
	.alloc_host = cuda_alloc_host, .free_host = cuda_free_host,
	.copy_host = cuda_copy_host,
	.copy = cuda_copy, .zero = cuda_zero, .launch = cuda_launch,
	.gemm = lt_blas_gemm,
	.event = cuda_event, .event_free = cuda_event_free,
	.record = cuda_record, .wait = cuda_wait,
	.timer = cuda_timer, .elapsed = cuda_elapsed,
	.rehearsed = lt_cuda_rehearsed, .capture = lt_cuda_capture, .captured = lt_cuda_captured,
	.replay = lt_cuda_replay,
	.synchronize = cuda_synchronize, .tensor_map = cuda_tensor_map,
};
