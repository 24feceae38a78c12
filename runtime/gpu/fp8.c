/* Tensors of fp8: rounding, and products for a device without them. */
#include "config.h"

#include "runtime/gpu/device.h"
#include "runtime/gpu/fp8.h"
#include "runtime/gpu/nest.h"

enum { TILE = 128 };

/* FP8_E4M3 or FP8_E5M2 of runtime/fp8.h */
static int
format_of(enum lt_dtype t)
{
	return t == LT_E5M2;
}

void
lt_gpu_fp8_round(struct lt *rt, enum lt_dtype type, uint64_t rows,
    uint64_t cols, const uint16_t *x, const float *scale, uint8_t *y,
    uint8_t *t)
{
	struct fp8_round_args a = {x, scale, y, t, (long long)rows,
		(long long)cols, format_of(type)};

	lt_gpu_run(rt, LT_COMPUTE, "fp8_round", ((rows + TILE - 1) / TILE) *
	    ((cols + TILE - 1) / TILE), 1, 1, &a);
}

/* ---- products ---- */

/* As many of n rows of so many numbers as there is room for in bf16; all if the
 * product's rows are not those in memory. */
static uint32_t
rows_at_once(uint32_t n, uint64_t ld, bool whole)
{
	uint64_t most = LT_GPU_FP8_ROOM / (2 * ld);

	return whole || n <= most ? n : most ? (uint32_t)most : 1;
}

/* Rows of A and B that are widened together. */
static void
pieces(const struct lt_gemm *p, uint32_t *m, uint32_t *n)
{
	*m = rows_at_once(p->m, p->lda, p->ta);
	*n = rows_at_once(p->n, p->ldb, !p->tb);
}

static uint64_t
room(uint64_t n)
{
	return (n * 2 + 255) / 256 * 256;
}

static uint64_t
room_a(const struct lt_gemm *p, uint32_t m)
{
	return room((p->ta ? p->k : m) * p->lda);
}

static uint64_t
room_b(const struct lt_gemm *p, uint32_t n)
{
	return room((p->tb ? n : p->k) * p->ldb);
}

uint64_t
lt_gpu_fp8_workspace(const struct lt_gemm *p)
{
	uint32_t m, n;

	if (!lt_is_fp8(p->a) || !p->m || !p->n || !p->k)
		return 0;
	pieces(p, &m, &n);
	return room_a(p, m) + room_b(p, n);
}

static void
widen(struct lt *rt, enum lt_dtype type, uint64_t n, const void *x,
    const float *scale, void *y)
{
	struct fp8_widen_args a = {x, scale, y, (long long)n,
		format_of(type)};

	lt_gpu_run(rt, LT_COMPUTE, "fp8_widen", lt_gpu_blocks(rt, n / 4 + 1),
	    1, 1, &a);
}

/* The product's element (m0, n0) and what goes with it. */
static char *
move(const struct lt_gemm *p, uint64_t m0, uint64_t n0, char *c,
    struct lt_gemm_epilogue *e)
{
	if (e->resid)
		e->resid = (const char *)e->resid + (m0 * e->ldr + n0) *
		    lt_dtype_size(e->resid_type);
	if (e->bias)
		e->bias = (const char *)e->bias + n0 *
		    lt_dtype_size(e->bias_type);
	return c + (m0 * p->ldc + n0) * lt_dtype_size(p->c);
}

/* Columns from n0 on, whose B is in bf16 at wb. */
static void
multiply(struct lt *rt, const struct lt_gemm *p, const void *a, const char *wb,
    char *c, const struct lt_gemm_epilogue *e, char *wa, uint64_t n0)
{
	struct lt_gemm w = *p;
	uint32_t m, n;

	pieces(p, &m, &n);
	w.a = w.b = LT_BF16;
	w.n = p->n - n0 < n ? (uint32_t)(p->n - n0) : n;
	for (uint64_t m0 = 0; m0 < p->m; m0 += m) {
		struct lt_gemm_epilogue x = *e;
		char *at = move(p, m0, n0, c, &x);

		w.m = p->m - m0 < m ? (uint32_t)(p->m - m0) : m;
		widen(rt, p->a, (p->ta ? p->k : w.m) * p->lda,
		    (const char *)a + m0 * p->lda, e->scale_a, wa);
		lt_gpu_gemm(rt, &w, wa, wb, at, &x);
	}
}

void
lt_gpu_fp8_gemm(struct lt *rt, const struct lt_gemm *p, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *e, char *work)
{
	uint32_t m, n;
	char *wb;

	pieces(p, &m, &n);
	wb = work + room_a(p, m);
	for (uint64_t n0 = 0; n0 < p->n; n0 += n) {
		uint64_t rows = p->n - n0 < n ? p->n - n0 : n;

		widen(rt, p->b, (p->tb ? rows : p->k) * p->ldb,
		    (const char *)b + n0 * p->ldb, e->scale_b, wb);
		multiply(rt, p, a, wb, c, e, work, n0);
	}
}
