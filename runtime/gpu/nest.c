/* Boxes: units as large as everything is aligned for. */
#include "config.h"

#include "runtime/gpu/nest.h"

static void
packed(const struct lt_nest *x, uint64_t stride[])
{
	uint64_t n = x->len;

	for (int i = x->rank - 1; i >= 0; n *= x->n[i--])
		stride[i] = n;
}

struct lt_nest
lt_nest_to_packed(const struct lt_nest *x)
{
	struct lt_nest y = *x;

	packed(x, y.dst);
	return y;
}

struct lt_nest
lt_nest_from_packed(const struct lt_nest *x)
{
	struct lt_nest y = *x;

	packed(x, y.src);
	return y;
}

/* In units of `per` elements. */
static struct lk_nest
nest_of(const struct lt_nest *x, uint64_t per)
{
	struct lk_nest y = {.rank = x->rank, .rows = (long long)x->rows,
	    .len = (long long)(x->len / per)};

	for (int i = 0; i < x->rank; i++) {
		y.n[i] = (long long)x->n[i];
		y.src[i] = (long long)(x->src[i] / per);
		y.dst[i] = (long long)(x->dst[i] / per);
	}
	return y;
}

/* Bytes of the largest unit: 16, 4 or the element's. */
static size_t
unit_of(const struct lt_nest *x, size_t size, const void *dst, const void *src)
{
	uint64_t all = (uintptr_t)dst | (uintptr_t)src | x->len * size;

	for (int i = 0; i < x->rank; i++)
		all |= (x->src[i] | x->dst[i]) * size;
	return all % 16 == 0 ? 16 : all % 4 == 0 ? 4 : 2;
}

/* A warp takes up to 1024 units of a row. */
static uint64_t
warps_of(const struct lk_nest *x)
{
	return (uint64_t)x->rows * (((uint64_t)x->len + 1023) / 1024);
}

void
lt_gpu_nest_copy(struct lt *rt, enum lt_stream s, const struct lt_nest *x,
    size_t size, void *dst, const void *src)
{
	size_t unit = unit_of(x, size, dst, src);
	struct nest_copy_args a = {src, dst, nest_of(x, unit / size)};

	if (!x->rows || !x->len)
		return;
	if (x->rank == 0) {
		rt->gpu->device->copy(rt->gpu, s, dst, src, x->len * size);
		return;
	}
	lt_gpu_run(rt, s, unit == 16 ? "nest_copy_16" : unit == 4 ?
	    "nest_copy_4" : "nest_copy_2", lt_gpu_blocks(rt,
	    warps_of(&a.nest) * 32), 1, 1, &a);
}

void
lt_gpu_nest_sum(struct lt *rt, enum lt_stream s, const struct lt_nest *x,
    float *dst, int n, const struct lt_source src[], bool add)
{
	struct nest_sum_args a = {.dst = dst, .nest = nest_of(x, 1),
	    .nsrc = n, .add = add};

	if (n > LK_SOURCES_MAX)
		lt_gpu_fail(rt, LT_EXIT_CONFIG, "sums over more than %d ranks "
		    "are not for GPUs", LK_SOURCES_MAX);
	for (int i = 0; i < n; i++) {
		a.src[i] = (const float *)(const void *)src[i].at;
		a.packed |= src[i].packed ? 1ull << i : 0;
	}
	if (x->rows && x->len)
		lt_gpu_run(rt, s, "nest_sum", lt_gpu_blocks(rt,
		    warps_of(&a.nest) * 32), 1, 1, &a);
}
