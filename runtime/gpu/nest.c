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

/* Lengths and strides in bytes, or-ed: multiples of what this is. */
static uint64_t
bits_of(const struct lt_nest *x, size_t size)
{
	uint64_t all = x->len * size;

	for (int i = 0; i < x->rank; i++)
		all |= (x->src[i] | x->dst[i]) * size;
	return all;
}

/* Bytes of the largest unit for a copy. */
static size_t
unit_of(const struct lt_nest *x, size_t size, const void *dst, const void *src)
{
	uint64_t all = bits_of(x, size) | (uintptr_t)dst | (uintptr_t)src;

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

/* ---- sums ---- */

/* Sources as arguments have them; bit i of what is returned: src[i] is packed. */
static unsigned long long
list(const float *to[], int n, const struct lt_source src[])
{
	unsigned long long packed = 0;

	for (int i = 0; i < n; i++) {
		to[i] = (const float *)(const void *)src[i].at;
		packed |= src[i].packed ? 1ull << i : 0;
	}
	return packed;
}

/* In device memory, written where the stream comes to it; the next sum's is at
 * the same place. */
static const lk_source *
table_of(struct lt *rt, enum lt_stream s, int n, const struct lt_source src[])
{
	lk_source *table = lt_gpu_sources(rt, s);

	if (n > rt->ranks || !table)
		lt_gpu_fail(rt, LT_EXIT_INTERNAL, "a sum of %d arrays", n);
	for (int i = 0; i < n; i += LK_SOURCES_MAX) {
		struct nest_sources_args a = {.to = table + i,
		    .n = n - i < LK_SOURCES_MAX ? n - i : LK_SOURCES_MAX};

		a.packed = list(a.src, a.n, src + i);
		lt_gpu_run(rt, s, "nest_sources", 1, 1, 1, &a);
	}
	return table;
}

void
lt_gpu_nest_sum(struct lt *rt, enum lt_stream s, const struct lt_nest *x,
    float *dst, int n, const struct lt_source src[], enum lt_nest_op op)
{
	struct nest_sum_args a = {.dst = dst, .nsrc = n,
	    .add = op == LT_NEST_ADD, .max = op == LT_NEST_MAX};
	uint64_t all = bits_of(x, sizeof *dst) | (uintptr_t)dst;

	if (!x->rows || !x->len)
		return;
	for (int i = 0; i < n; i++)
		all |= (uintptr_t)src[i].at;
	if (n > LK_SOURCES_MAX)
		a.table = table_of(rt, s, n, src);
	else
		a.packed = list(a.src, n, src);
	a.nest = nest_of(x, all % 16 == 0 ? 4 : 1);
	lt_gpu_run(rt, s, all % 16 == 0 ? "nest_sum_16" : "nest_sum_4",
	    lt_gpu_blocks(rt, warps_of(&a.nest) * 32), 1, 1, &a);
}
