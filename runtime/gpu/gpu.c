/* A rank's device: opening it, finding kernels, the words of a step. */
#include "config.h"

#include "runtime/gpu/device.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/comm/comm.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"

static const struct lt_device *const devices[] = {
	[LT_DEVICE_CPU] = NULL,
	[LT_DEVICE_CUDA] = &lt_device_cuda,
	[LT_DEVICE_EMU] = &lt_device_emu,
};
enum { DEVICES = sizeof devices / sizeof *devices };

_Noreturn void
lt_gpu_fail(struct lt *rt, int code, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (rt->comm)
		lt_comm_fail(rt->comm, code, "%s", text);
	lt_fail(code, "%s", text);
	fflush(NULL);
	_Exit(code);
}

/* ---- kernels ---- */

static const struct lt_unit *
unit_of(const struct lt_program *p, int kernel)
{
	return &p->unit[p->kernel[kernel].unit];
}

static bool
is_for(const struct lt_gpu *g, int kernel)
{
	const struct lt_unit *u = unit_of(g->rt->prog, kernel);

	return g->arch >= u->arch_min && g->arch <= u->arch_max;
}

/* Kernels of this architecture by name, insertion by insertion: they are few
 * and nearly in order. */
static int
sort_kernels(struct lt_gpu *g)
{
	const struct lt_program *p = g->rt->prog;

	g->sorted = calloc((size_t)p->nkernel + 1, sizeof *g->sorted);
	if (!g->sorted)
		return LT_EXIT_FAIL;
	for (int i = 0; i < p->nkernel; i++) {
		int at = g->nsorted;

		if (!is_for(g, i))
			continue;
		for (; at > 0 && strcmp(p->kernel[g->sorted[at - 1]].name,
		    p->kernel[i].name) > 0; at--)
			g->sorted[at] = g->sorted[at - 1];
		g->sorted[at] = i;
		g->nsorted++;
	}
	return LT_OK;
}

int
lt_gpu_find(struct lt *rt, const char *name)
{
	const struct lt_gpu *g = rt->gpu;
	int lo = 0, hi = g->nsorted;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		int c = strcmp(rt->prog->kernel[g->sorted[mid]].name, name);

		if (c == 0)
			return g->sorted[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

int
lt_gpu_kernel(struct lt *rt, const char *name)
{
	int k = lt_gpu_find(rt, name);

	if (k < 0)
		lt_gpu_fail(rt, LT_EXIT_INTERNAL, "the program has no kernel "
		    "%s for sm_%d", name, rt->gpu->arch);
	return k;
}

/* ---- launches ---- */

void
lt_gpu_launch(struct lt *rt, int kernel, const unsigned grid[3],
    const void *args)
{
	if (grid[0] && grid[1] && grid[2])
		rt->gpu->device->launch(rt->gpu, LT_COMPUTE, kernel, grid,
		    args);
}

void
lt_gpu_run(struct lt *rt, enum lt_stream s, const char *name, uint64_t x,
    uint64_t y, uint64_t z, const void *args)
{
	const unsigned grid[3] = {(unsigned)x, (unsigned)y, (unsigned)z};
	int k = lt_gpu_kernel(rt, name);

	if (x > INT32_MAX || y > UINT16_MAX || z > UINT16_MAX)
		lt_gpu_fail(rt, LT_EXIT_INTERNAL, "%s: a grid of %llu x %llu "
		    "x %llu blocks", name, (unsigned long long)x,
		    (unsigned long long)y, (unsigned long long)z);
	if (x && y && z)
		rt->gpu->device->launch(rt->gpu, s, k, grid, args);
}

/* ---- the words of a step ---- */

const struct lk_step *
lt_gpu_step(struct lt *rt)
{
	return (const struct lk_step *)(void *)rt->gpu->words;
}

struct lk_result *
lt_gpu_result(struct lt *rt)
{
	return (struct lk_result *)(void *)
	    (rt->gpu->words + sizeof(struct lk_step));
}

static size_t
words_size(void)
{
	return (sizeof(struct lk_step) + sizeof(struct lk_result) +
	    sizeof(lk_source) - 1) / sizeof(lk_source) * sizeof(lk_source);
}

static size_t
table_size(const struct lt *rt)
{
	return rt->ranks > LK_SOURCES_MAX ?
	    (size_t)rt->ranks * sizeof(lk_source) : 0;
}

lk_source *
lt_gpu_sources(struct lt *rt, enum lt_stream s)
{
	char *at = rt->gpu->words + words_size();

	if (!table_size(rt))
		return NULL;
	return (lk_source *)(void *)(at + s * table_size(rt));
}

static void
upload_words(struct lt *rt)
{
	const struct lt_recipe *r = &rt->prog->recipe;
	double step = rt->step > 0 ? (double)rt->step : 1;
	struct lt_gpu_words *w = &rt->gpu->host;

	*w = (struct lt_gpu_words){.step = {
		.lr = rt->lr, .step = rt->step, .seed = rt->seed,
		.rate = (float)(rt->lr / (1 - pow(r->beta1, step))),
		.ifix2 = (float)(1 / (1 - pow(r->beta2, step))),
		.decay = (float)(rt->lr * r->wd),
		.training = rt->training,
	}};

	_Static_assert(sizeof *w == sizeof w->step + sizeof w->result,
	    "no gap between the words");
	rt->gpu->device->upload(rt->gpu, rt->gpu->words, w, sizeof *w);
}

void
lt_gpu_begin(struct lt *rt)
{
	if (rt->gpu)
		upload_words(rt);
}

void
lt_gpu_check(struct lt *rt, const float *loss, const float *gnorm)
{
	struct result_args a = {loss, gnorm, lt_gpu_result(rt)};

	lt_gpu_run(rt, LT_COMPUTE, "step_check", 1, 1, 1, &a);
}

static struct lk_result
fetch_result(struct lt *rt)
{
	struct lk_result *r = &rt->gpu->host.result;

	rt->gpu->device->download(rt->gpu, r, lt_gpu_result(rt), sizeof *r);
	return *r;
}

void
lt_gpu_fetch(struct lt *rt)
{
	struct lk_result r = fetch_result(rt);

	rt->loss = r.loss;
	rt->gnorm = r.gnorm;
	rt->skipped = r.bad;
}

/* What becomes a graph has no results yet. */
void
lt_gpu_return(struct lt *rt, const float *loss, const float *gnorm)
{
	struct result_args args = {loss, gnorm, lt_gpu_result(rt)};

	lt_gpu_run(rt, LT_COMPUTE, "step_return", 1, 1, 1, &args);
	if (!rt->gpu->graph.begun)
		lt_gpu_fetch(rt);
}

void
lt_gpu_eval_return(struct lt *rt, const float *nll, const float *count)
{
	struct result_args args = {nll, count, lt_gpu_result(rt)};
	struct lk_result r;

	lt_gpu_run(rt, LT_COMPUTE, "eval_return", 1, 1, 1, &args);
	r = fetch_result(rt);
	rt->eval_nll += r.eval_nll;
	rt->eval_count += r.eval_count;
}

/* ---- opening ---- */

/* Of the lanes of all moves; those of the host are the same for everybody. */
static int
choose_streams(struct lt_gpu *g)
{
	const struct lt_program *p = g->rt->prog;

	g->streams = 1u << LT_COMPUTE | 1u << LT_OUT | 1u << LT_IN;
	for (int i = 0; i < p->nmove; i++) {
		if (p->move[i].lane >= LT_LANES_MAX)
			return lt_fail(LT_EXIT_INTERNAL, "%s is on lane %d; "
			    "devices have %d", p->move[i].name,
			    p->move[i].lane, LT_LANES_MAX);
		g->streams |= 1u << lt_stream_of(p->move[i].lane);
	}
	return LT_OK;
}

/* Multiprocessors left to the kernels that exchange data: --sm-margin, or a
 * sixteenth where there is somebody to exchange with.  One remains. */
static int
margin_of(const struct lt_gpu *g)
{
	int64_t n = g->rt->run ? g->rt->run->opt.sm_margin : -1;

	if (n < 0)
		n = g->rt->ranks > 1 ? g->processors / 16 : 0;
	return n < g->processors ? (int)n : g->processors - 1;
}

int
lt_gpu_open(struct lt *rt)
{
	unsigned kind = rt->prog->device;
	struct lt_gpu *g;
	void *words;
	int rc;

	if (kind == LT_DEVICE_CPU)
		return LT_OK;
	if (kind >= DEVICES || !devices[kind])
		return lt_fail(LT_EXIT_CONFIG, "this runtime has no device "
		    "of the kind that the program is for");
	g = calloc(1, sizeof *g);
	if (!g)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	*g = (struct lt_gpu){.device = devices[kind], .rt = rt};
	rc = choose_streams(g);
	rc = rc ? rc : g->device->open(g);
	if (rc) {
		free(g);
		return rc;
	}
	rt->gpu = g;
	g->margin = margin_of(g);
	lt_gpu_copies_open(g);
	rc = sort_kernels(g);
	if (rc)
		return lt_fail(rc, "out of memory");
	rc = g->device->alloc(g, words_size() +
	    LT_STREAMS * table_size(rt), &words);
	if (rc)
		return lt_fail(rc, "rank %d: no memory on the device",
		    rt->rank);
	g->words = words;
	return LT_OK;
}

void
lt_gpu_close(struct lt *rt)
{
	struct lt_gpu *g = rt->gpu;

	if (!g)
		return;
	if (g->words)
		g->device->free(g, g->words);
	lt_gpu_copies_close(g);
	g->device->close(g);
	free(g->sorted);
	free(g);
	rt->gpu = NULL;
}
