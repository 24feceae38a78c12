/* Embeddings, sums over rows, fills; see rows.h. */
#include "runtime/cpu/rows.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/cpu/act.h"
#include "runtime/cpu/pool.h"
#include "runtime/runs.h"

/* The slice [lo, hi) of n that a part of the pool works on. */
struct slice {
	uint64_t lo, hi;
};

static struct slice
slice_of(uint64_t n, int part, int parts)
{
	uint64_t p = (uint64_t)part, q = (uint64_t)parts;

	return (struct slice){n * p / q, n * (p + 1) / q};
}

struct embed {
	uint64_t n, bytes;
	const char *table;
	const int32_t *index;
	char *out;
};

static void
embed_part(void *arg, int part, int parts)
{
	const struct embed *a = arg;
	struct slice s = slice_of(a->n, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++)
		memcpy(a->out + i * a->bytes,
		    a->table + (uint64_t)a->index[i] * a->bytes, a->bytes);
}

void
lt_embed(struct lt_pool *pool, uint64_t n, uint64_t bytes, const void *table,
    const int32_t *index, void *out)
{
	struct embed a = {n, bytes, table, index, out};

	lt_pool_run(pool, embed_part, &a);
}

struct round_rows {
	uint64_t n, width;
	const float *table;
	const int32_t *index;
	uint16_t *out;
};

LT_CLONES static void
round_rows_part(void *arg, int part, int parts)
{
	const struct round_rows *a = arg;
	struct slice s = slice_of(a->n, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++) {
		const float *x = a->table + (uint64_t)a->index[i] * a->width;
		uint16_t *y = a->out + i * a->width;

		#pragma omp simd
		for (uint64_t c = 0; c < a->width; c++)
			y[c] = lt_to_bf16(x[c]);
	}
}

void
lt_embed_round(struct lt_pool *pool, uint64_t n, uint64_t width,
    const float *table, const int32_t *index, uint16_t *out)
{
	struct round_rows a = {n, width, table, index, out};

	lt_pool_run(pool, round_rows_part, &a);
}

struct scatter {
	uint64_t n, rows, width;
	enum lt_dtype type;
	const void *d;
	const int32_t *index;
	float *table;
};

/* Each part owns a range of table rows and reads all indices in order. */
LT_CLONES static void
scatter_part(void *arg, int part, int parts)
{
	const struct scatter *a = arg;
	struct slice s = slice_of(a->rows, part, parts);
	const uint64_t w = a->width;

	for (uint64_t i = 0; i < a->n; i++) {
		uint64_t r = (uint64_t)a->index[i];
		float *y = a->table + r * w;

		if (r < s.lo || r >= s.hi)
			continue;
		if (a->type == LT_BF16)
			for (uint64_t c = 0; c < w; c++)
				y[c] += lt_from_bf16(
				    ((const uint16_t *)a->d)[i * w + c]);
		else
			for (uint64_t c = 0; c < w; c++)
				y[c] += ((const float *)a->d)[i * w + c];
	}
}

void
lt_embed_bwd(struct lt_pool *pool, uint64_t n, uint64_t rows, uint64_t width,
    enum lt_dtype type, const void *d, const int32_t *index, float *table)
{
	struct scatter a = {n, rows, width, type, d, index, table};

	lt_pool_run(pool, scatter_part, &a);
}

struct colsum {
	const float *part;
	uint64_t blocks, stride, cols;
	float *out;
	bool add;
};

LT_CLONES static void
colsum_part(void *arg, int part, int parts)
{
	const struct colsum *a = arg;
	struct slice s = slice_of(a->cols, part, parts);

	for (uint64_t c = s.lo; c < s.hi && !a->add; c++)
		a->out[c] = 0;
	for (uint64_t b = 0; b < a->blocks; b++)
		for (uint64_t c = s.lo; c < s.hi; c++)
			a->out[c] += a->part[b * a->stride + c];
}

void
lt_colsum(struct lt_pool *pool, const float *part, uint64_t blocks,
    uint64_t stride, uint64_t cols, float *out, bool add)
{
	struct colsum a = {part, blocks, stride, cols, out, add};

	lt_pool_run(pool, colsum_part, &a);
}

struct accum {
	uint64_t n;
	enum lt_dtype type;
	const void *x;
	float *y;
	bool add;
};

LT_CLONES static void
accum_part(void *arg, int part, int parts)
{
	const struct accum *a = arg;
	struct slice s = slice_of(a->n, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++) {
		float x = a->type == LT_BF16 ?
		    lt_from_bf16(((const uint16_t *)a->x)[i]) :
		    ((const float *)a->x)[i];

		a->y[i] = a->add ? a->y[i] + x : x;
	}
}

void
lt_accum(struct lt_pool *pool, uint64_t n, enum lt_dtype type, const void *x,
    float *y, bool add)
{
	struct accum a = {n, type, x, y, add};

	lt_pool_run(pool, accum_part, &a);
}

struct fill {
	float *x, value;
	uint64_t n;
};

LT_CLONES static void
fill_part(void *arg, int part, int parts)
{
	const struct fill *a = arg;
	struct slice s = slice_of(a->n, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++)
		a->x[i] = a->value;
}

void
lt_set(struct lt_pool *pool, float *x, float value, uint64_t n)
{
	struct fill a = {x, value, n};

	lt_pool_run(pool, fill_part, &a);
}

void
lt_iota(int32_t *x, const struct lt_runs *at)
{
	for (uint32_t i = 0; i < at->n; i++)
		for (uint64_t j = 0; j < at->r[i].len; j++)
			*x++ = (int32_t)(at->r[i].start + j);
}

float
lt_count(uint64_t n, const int32_t *labels, int64_t ignore)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < n; i++)
		count += labels[i] != ignore;
	return (float)count;
}

struct amax {
	const uint16_t *x;
	uint64_t n;
	_Atomic uint32_t top;
};

/* Magnitudes are in the order of their bits, NaN after infinity. */
LT_CLONES static uint16_t
top_of(const uint16_t *x, uint64_t n)
{
	uint16_t top = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint16_t h = x[i] & 0x7fff;

		top = h > top ? h : top;
	}
	return top;
}

static void
amax_part(void *arg, int part, int parts)
{
	struct amax *a = arg;
	struct slice s = slice_of(a->n, part, parts);
	uint32_t top = top_of(a->x + s.lo, s.hi - s.lo);
	uint32_t old = atomic_load(&a->top);

	while (top > old && !atomic_compare_exchange_weak(&a->top, &old, top))
		continue;
}

void
lt_amax(struct lt_pool *pool, uint64_t n, const uint16_t *x, float *out)
{
	struct amax a = {.x = x, .n = n};

	lt_pool_run(pool, amax_part, &a);
	*out = lt_from_bf16((uint16_t)a.top);
}

void
lt_rope_table(float *table, const struct lt_runs *at, uint64_t d, double base)
{
	for (uint64_t j = 0; j < d / 2; j++) {
		double f = pow(base, -2.0 * (double)j / (double)d);
		float *row = table;

		for (uint32_t i = 0; i < at->n; i++)
			for (uint64_t k = 0; k < at->r[i].len; k++, row += d) {
				double p = (double)(at->r[i].start + k);

				row[j] = (float)cos(p * f);
				row[d / 2 + j] = (float)sin(p * f);
			}
	}
}

struct round {
	uint64_t n;
	const float *w;
	uint16_t *w16;
};

LT_CLONES static void
round_part(void *arg, int part, int parts)
{
	const struct round *a = arg;
	struct slice s = slice_of(a->n, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++)
		a->w16[i] = lt_to_bf16(a->w[i]);
}

void
lt_round(struct lt_pool *pool, uint64_t n, const float *w, uint16_t *w16)
{
	struct round a = {n, w, w16};

	lt_pool_run(pool, round_part, &a);
}
