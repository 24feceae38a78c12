/* Tensors of fp8: rounding by blocks of both layouts, products by widening. */
#include "runtime/cpu/fp8.h"

#include <stdbool.h>

#include "runtime/cpu/act.h"
#include "runtime/cpu/pool.h"

enum { BLOCK = 64, CODES = 256 };

static int
format_of(enum lt_dtype t)
{
	return t == LT_E5M2 ? FP8_E5M2 : FP8_E4M3;
}

/* ---- rounding ---- */

struct rounding {
	const uint16_t *x;
	uint8_t *y, *t;
	uint64_t rows, cols;
	float inverse;
	int format;
};

/* A block of rows and columns, so that both sides are near in memory. */
static void
round_block(const struct rounding *r, uint64_t r0, uint64_t c0)
{
	uint64_t r1 = r0 + BLOCK < r->rows ? r0 + BLOCK : r->rows;
	uint64_t c1 = c0 + BLOCK < r->cols ? c0 + BLOCK : r->cols;

	for (uint64_t i = r0; i < r1; i++)
		for (uint64_t j = c0; j < c1; j++) {
			uint8_t code = (uint8_t)lt_fp8_code(lt_from_bf16(
			    r->x[i * r->cols + j]) * r->inverse, r->format);

			if (r->y)
				r->y[i * r->cols + j] = code;
			if (r->t)
				r->t[j * r->rows + i] = code;
		}
}

static void
round_part(void *arg, int part, int parts)
{
	const struct rounding *r = arg;
	uint64_t across = r->cols / BLOCK + (r->cols % BLOCK != 0);
	uint64_t n = (r->rows / BLOCK + (r->rows % BLOCK != 0)) * across;

	for (uint64_t i = (uint64_t)part; i < n; i += (uint64_t)parts)
		round_block(r, i / across * BLOCK, i % across * BLOCK);
}

void
lt_fp8_round(struct lt_pool *pool, enum lt_dtype type, uint64_t rows,
    uint64_t cols, const uint16_t *x, const float *scale, uint8_t *y,
    uint8_t *t)
{
	struct rounding r = {x, y, t, rows, cols, 1 / *scale,
		format_of(type)};

	lt_pool_run(pool, round_part, &r);
}

/* ---- products ---- */

struct widening {
	const uint8_t *x;
	uint16_t *y;
	uint64_t n;
	uint16_t number[CODES];
};

static void
widen_part(void *arg, int part, int parts)
{
	const struct widening *w = arg;
	uint64_t each = w->n / (uint64_t)parts + 1;
	uint64_t from = each * (uint64_t)part, to = from + each;

	for (uint64_t i = from; i < to && i < w->n; i++)
		w->y[i] = w->number[w->x[i]];
}

static void
widen(struct lt_pool *pool, enum lt_dtype type, uint64_t n, const void *x,
    const float *scale, void *y)
{
	struct widening w = {.x = x, .y = y, .n = n};

	for (unsigned i = 0; i < CODES; i++)
		w.number[i] = lt_to_bf16(lt_fp8_value(i, format_of(type)) *
		    *scale);
	lt_pool_run(pool, widen_part, &w);
}

/* From the first element that is read to the last. */
static uint64_t
extent(uint64_t rows, uint64_t cols, uint64_t ld)
{
	return (rows - 1) * ld + cols;
}

static uint64_t
extent_a(const struct lt_gemm *g)
{
	return g->ta ? extent(g->k, g->m, g->lda) : extent(g->m, g->k, g->lda);
}

static uint64_t
extent_b(const struct lt_gemm *g)
{
	return g->tb ? extent(g->n, g->k, g->ldb) : extent(g->k, g->n, g->ldb);
}

static uint64_t
room(uint64_t n)
{
	return (n * sizeof(uint16_t) + 63) / 64 * 64;
}

static struct lt_gemm
widened(const struct lt_gemm *g)
{
	struct lt_gemm w = *g;

	w.a = w.b = LT_BF16;
	return w;
}

size_t
lt_gemm_fp8_workspace(const struct lt_gemm *g, int threads)
{
	struct lt_gemm w = widened(g);
	size_t bytes = lt_gemm_workspace(&w, threads);

	if (__builtin_add_overflow(bytes, room(extent_a(g)), &bytes) ||
	    __builtin_add_overflow(bytes, room(extent_b(g)), &bytes))
		return SIZE_MAX;
	return bytes;
}

void
lt_gemm_fp8(struct lt_pool *pool, const struct lt_gemm *g, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *e, void *workspace)
{
	struct lt_gemm w = widened(g);
	char *wa = workspace, *wb = wa + room(extent_a(g));

	widen(pool, g->a, extent_a(g), a, e->scale_a, wa);
	widen(pool, g->b, extent_b(g), b, e->scale_b, wb);
	lt_gemm(pool, &w, wa, wb, c, e, wb + room(extent_b(g)));
}
