/* Small kernels by name: fills, conversions, embeddings, sums. */
#include "config.h"

#include <math.h>

#include "runtime/gpu/device.h"
#include "runtime/gpu/nest.h"

enum { THREADS = 256 };

uint64_t
lt_gpu_blocks(const struct lt *rt, uint64_t n)
{
	uint64_t blocks = (n + THREADS - 1) / THREADS;
	uint64_t most = (uint64_t)rt->gpu->processors * 8;

	return blocks < most ? blocks : most;
}

/* One thread per element, or as many as the device holds. */
static void
each(struct lt *rt, const char *name, uint64_t n, const void *args)
{
	lt_gpu_run(rt, LT_COMPUTE, name, lt_gpu_blocks(rt, n), 1, 1, args);
}

/* ---- memory ---- */

void
lt_gpu_copy(struct lt *rt, void *dst, const void *src, uint64_t bytes)
{
	if (bytes && dst != src)
		rt->gpu->device->copy(rt->gpu, LT_COMPUTE, dst, src, bytes);
}

/* Two loops around a row; the common units of both sides. */
static struct lt_nest
rows_of(uint64_t rows, uint64_t len, uint64_t src, uint64_t dst)
{
	return (struct lt_nest){.rank = 1, .n = {rows}, .src = {src},
	    .dst = {dst}, .rows = rows, .len = len};
}

void
lt_gpu_copy_rows(struct lt *rt, void *dst, uint64_t dst_stride,
    const void *src, uint64_t src_stride, uint64_t bytes, uint64_t rows)
{
	struct lt_nest x = rows_of(rows, bytes / 2, src_stride / 2,
	    dst_stride / 2);

	lt_gpu_nest_copy(rt, LT_COMPUTE, &x, 2, dst, src);
}

void
lt_gpu_add_rows(struct lt *rt, float *dst, uint64_t dst_stride,
    const float *src, uint64_t src_stride, uint64_t n, uint64_t rows)
{
	struct lt_nest x = rows_of(rows, n, src_stride, dst_stride);
	struct lt_source s = {(const char *)src, 0};

	lt_gpu_nest_sum(rt, LT_COMPUTE, &x, dst, 1, &s, LT_NEST_ADD);
}

void
lt_gpu_zero(struct lt *rt, void *x, uint64_t bytes)
{
	if (bytes)
		rt->gpu->device->zero(rt->gpu, LT_COMPUTE, x, bytes);
}

void
lt_gpu_set(struct lt *rt, float *x, float value, uint64_t n)
{
	struct fill_args a = {x, (long long)n, value};

	if (value == 0 && !signbit(value))
		lt_gpu_zero(rt, x, n * sizeof *x);
	else
		each(rt, "fill_f32", n, &a);
}

/* ---- tables ---- */

void
lt_gpu_embed(struct lt *rt, uint64_t n, uint64_t bytes, const void *table,
    const int32_t *index, void *out)
{
	uintptr_t all = bytes | (uintptr_t)table | (uintptr_t)out;
	int unit = all % 16 == 0 ? 16 : 2;
	struct embed_args a = {table, index, out, (long long)n,
	    (int)(bytes / (uint64_t)unit)};

	each(rt, unit == 16 ? "embed_16" : "embed_2", n * 32, &a);
}

/* As many slices of the table as the device has room for. */
void
lt_gpu_embed_bwd(struct lt *rt, uint64_t n, uint64_t rows, uint64_t width,
    enum lt_dtype type, const void *d, const int32_t *index, float *dtable)
{
	enum { COLUMNS = 1024 };
	uint64_t pieces = (width + COLUMNS - 1) / COLUMNS;
	uint64_t want = (uint64_t)rt->gpu->processors * 4 / pieces + 1;
	uint64_t slice = (rows + want - 1) / want;
	struct embed_bwd_args a = {d, index, dtable, (long long)n, (int)rows,
	    (int)width, (int)slice};

	if (rows)
		lt_gpu_run(rt, LT_COMPUTE, type == LT_BF16 ? "embed_bwd_bf16" :
		    "embed_bwd_f32", (rows + slice - 1) / slice, pieces, 1,
		    &a);
}

static struct lk_runs
runs_of(const struct lt_runs *runs, uint64_t *n)
{
	struct lk_runs r = {.n = (int)runs->n};

	*n = 0;
	for (uint32_t i = 0; i < runs->n; i++) {
		r.start[i] = (long long)runs->r[i].start;
		r.len[i] = (long long)runs->r[i].len;
		*n += runs->r[i].len;
	}
	return r;
}

void
lt_gpu_iota(struct lt *rt, int32_t *x, const struct lt_runs *runs)
{
	uint64_t n;
	struct iota_args a = {.x = x, .at = runs_of(runs, &n)};

	a.n = (long long)n;
	each(rt, "iota", n, &a);
}

void
lt_gpu_rope_table(struct lt *rt, float *table, const struct lt_runs *runs,
    uint64_t d, double base)
{
	uint64_t n;
	struct rope_table_args a = {.table = table, .at = runs_of(runs, &n),
	    .base = base, .d = (int)d};

	a.n = (long long)n;
	each(rt, "rope_table", n * (d / 2), &a);
}

/* ---- elements ---- */

void
lt_gpu_accum(struct lt *rt, uint64_t n, enum lt_dtype type, const void *x,
    float *y, bool add)
{
	struct accum_args a = {x, y, (long long)n, add};

	each(rt, type == LT_BF16 ? "accum_bf16" : "accum_f32", n, &a);
}

void
lt_gpu_round(struct lt *rt, uint64_t n, const float *w, uint16_t *w16)
{
	struct round_args a = {w, w16, (long long)n};

	each(rt, "round_bf16", n, &a);
}

void
lt_gpu_colsum(struct lt *rt, const float *part, uint64_t blocks,
    uint64_t stride, uint64_t cols, float *out, bool add)
{
	struct colsum_args a = {part, out, (long long)blocks,
	    (long long)stride, (long long)cols, add};

	each(rt, "colsum", 8 * cols, &a); /* 8 threads a column */
}

/* ---- single numbers ---- */

void
lt_gpu_sum(struct lt *rt, uint64_t n, const float *x, float *out)
{
	struct sum_args a = {x, out, (long long)n, 0};

	lt_gpu_run(rt, LT_COMPUTE, "sum_f32", 1, 1, 1, &a);
}

void
lt_gpu_count(struct lt *rt, uint64_t n, const int32_t *labels,
    int64_t ignore, float *out)
{
	struct count_args a = {labels, out, (long long)n, (int)ignore};

	lt_gpu_run(rt, LT_COMPUTE, "count", 1, 1, 1, &a);
}

void
lt_gpu_recip(struct lt *rt, const float *x, float *y)
{
	struct scalar_args a = {x, y, 0};

	lt_gpu_run(rt, LT_COMPUTE, "recip", 1, 1, 1, &a);
}

void
lt_gpu_clip(struct lt *rt, const float *x, float max, float *y)
{
	struct scalar_args a = {x, y, max};

	lt_gpu_run(rt, LT_COMPUTE, "clip", 1, 1, 1, &a);
}
