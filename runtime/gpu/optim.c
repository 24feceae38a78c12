/* Norms, magnitudes and updates. */
#include "config.h"

#include "runtime/gpu/device.h"
#include "runtime/gpu/nest.h"

enum { PARTS = 256 }; /* sumsq_blocks is at most that */

uint64_t
lt_gpu_sumsq_workspace(int n)
{
	return (uint64_t)n * PARTS * sizeof(double);
}

/* The parts of all arrays one after the other, then their sum. */
void
lt_gpu_sumsq(struct lt *rt, int n, const struct lt_gpu_array *x, float *out)
{
	double *part = (double *)(void *)rt->arena[LT_WORK];
	struct sumsq_total_args total = {part, out, 0};

	for (int i = 0; i < n; i++) {
		struct sumsq_args a = {x[i].x, part + total.n,
		    (long long)x[i].n};
		int blocks = sumsq_blocks(a.n);

		lt_gpu_run(rt, LT_COMPUTE, "sumsq_part", (uint64_t)blocks, 1,
		    1, &a);
		total.n += blocks;
	}
	lt_gpu_run(rt, LT_COMPUTE, "sumsq_total", 1, 1, 1, &total);
}

uint64_t
lt_gpu_amax_workspace(void)
{
	return PARTS * sizeof(float);
}

void
lt_gpu_amax(struct lt *rt, uint64_t n, const uint16_t *x, float *out)
{
	float *part = (float *)(void *)rt->arena[LT_WORK];
	struct amax_args a = {x, part, (long long)n};
	int blocks = sumsq_blocks(a.n);
	struct amax_total_args total = {part, out, blocks};

	lt_gpu_run(rt, LT_COMPUTE, "amax_part", (uint64_t)blocks, 1, 1, &a);
	lt_gpu_run(rt, LT_COMPUTE, "amax_total", 1, 1, 1, &total);
}

static struct adamw_args
args_of(struct lt *rt, uint64_t n, float *w, const float *g, float *m,
    float *v, const float *clip)
{
	const struct lt_recipe *r = &rt->prog->recipe;

	return (struct adamw_args){.w = w, .m = m, .v = v, .g = g,
	    .clip = clip, .step = lt_gpu_step(rt),
	    .result = lt_gpu_result(rt), .n = (long long)n,
	    .b1 = (float)r->beta1, .c1 = (float)(1 - r->beta1),
	    .b2 = (float)r->beta2, .c2 = (float)(1 - r->beta2),
	    .eps = (float)r->eps};
}

void
lt_gpu_adamw(struct lt *rt, uint64_t n, float *w, const float *g, float *m,
    float *v, uint16_t *w16, const float *clip, bool decay)
{
	struct adamw_args a = args_of(rt, n, w, g, m, v, clip);

	a.w16 = w16;
	a.decay = decay;
	lt_gpu_run(rt, LT_COMPUTE, "adamw", lt_gpu_blocks(rt, n), 1, 1, &a);
}

/* Where this rank's block of an image begins, and its length. */
static void
find_block(struct lt *rt, const struct lt_flat *f, struct adamw_blocks_args *a)
{
	uint64_t number = 0, blocks = 1;

	for (int i = 0; i < f->n; i++) {
		uint64_t ranks = (uint64_t)rt->prog->axis_size[f->axis[i]];

		number = number * ranks + (uint64_t)rt->coord[f->axis[i]];
		blocks *= ranks;
	}
	a->size = (long long)(f->image / blocks);
	a->first = (long long)number * a->size;
}

void
lt_gpu_adamw_blocks(struct lt *rt, const struct lt_flat *f,
    const struct lt_range *decay, int n, float *w, const float *g, float *m,
    float *v, const float *clip)
{
	struct adamw_blocks_args a = {.nrange = n};

	if (n > LK_RANGES_MAX)
		lt_gpu_fail(rt, LT_EXIT_INTERNAL, "%s: weights decay in more "
		    "than %d parts", f->name, LK_RANGES_MAX);
	find_block(rt, f, &a);
	a.a = args_of(rt, (uint64_t)a.size * f->layers, w, g, m, v, clip);
	for (int i = 0; i < n; i++) {
		a.range[i].lo = (long long)decay[i].lo;
		a.range[i].hi = (long long)decay[i].hi;
	}
	lt_gpu_run(rt, LT_COMPUTE, "adamw_blocks", lt_gpu_blocks(rt,
	    (uint64_t)a.a.n), 1, 1, &a);
}
