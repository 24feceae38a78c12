/* The loss head in chunks; see head.h. */
#include "runtime/cpu/head.h"

#include <math.h>
#include <string.h>

#include "runtime/cpu/gemm.h"
#include "runtime/cpu/pool.h"
#include "runtime/cpu/act.h"

static size_t
element(enum lt_dtype t)
{
	return t == LT_BF16 ? 2 : 4;
}

/* logits = h W */
static struct lt_gemm
gemm_logits(const struct lt_head *p, uint64_t n)
{
	return (struct lt_gemm){.m = (uint32_t)n, .n = (uint32_t)p->vocab,
	    .k = (uint32_t)p->width, .lda = p->width,
	    .ldb = p->rows_are_width ? p->vocab : p->width, .ldc = p->vocab,
	    .tb = !p->rows_are_width, .a = p->type, .b = p->w,
	    .c = LT_F32};
}

/* Elements between rows of dlogits: a row in bf16 takes half of its place. */
static uint64_t
dlogits_ld(const struct lt_head *p)
{
	return p->type == LT_BF16 ? 2 * p->vocab : p->vocab;
}

/* dh = dlogits W' */
static struct lt_gemm
gemm_dh(const struct lt_head *p, uint64_t n)
{
	return (struct lt_gemm){.m = (uint32_t)n, .n = (uint32_t)p->width,
	    .k = (uint32_t)p->vocab, .lda = dlogits_ld(p),
	    .ldb = p->rows_are_width ? p->vocab : p->width, .ldc = p->width,
	    .tb = p->rows_are_width, .a = p->type, .b = p->w,
	    .c = p->type};
}

/* dW += h' dlogits, or its transpose */
static struct lt_gemm
gemm_dw(const struct lt_head *p, uint64_t n, bool acc)
{
	bool w = p->rows_are_width;

	return (struct lt_gemm){
	    .m = (uint32_t)(w ? p->width : p->vocab),
	    .n = (uint32_t)(w ? p->vocab : p->width), .k = (uint32_t)n,
	    .lda = w ? p->width : dlogits_ld(p),
	    .ldb = w ? dlogits_ld(p) : p->width,
	    .ldc = w ? p->vocab : p->width, .ta = true, .acc = acc,
	    .a = p->type, .b = p->type, .c = LT_F32};
}

static size_t
largest(size_t a, size_t b)
{
	return a > b ? a : b;
}

static uint64_t
chunk_of(const struct lt_head *p)
{
	return p->chunk && p->chunk < p->tokens ? p->chunk : p->tokens;
}

size_t
lt_head_workspace(const struct lt_head *p, int threads)
{
	uint64_t n = chunk_of(p), last = p->tokens % n;
	size_t size = 0;

	for (int i = 0; i < 2; i++, n = last) {
		struct lt_gemm a = gemm_logits(p, n), b = gemm_dh(p, n);
		struct lt_gemm c = gemm_dw(p, n, true);

		if (!n)
			break;
		size = largest(size, lt_gemm_workspace(&a, threads));
		size = largest(size, lt_gemm_workspace(&b, threads));
		size = largest(size, lt_gemm_workspace(&c, threads));
	}
	return size;
}

struct rows {
	const struct lt_head *p;
	uint64_t n;
	float *logits;      /* becomes dlogits, row by row */
	float *nll;         /* one a row */
	const int32_t *labels;
	float dn;
	bool bwd;
};

/* The first half of row x becomes x * scale in bf16. */
static inline __attribute__((always_inline)) void
scale_to_half(float *x, uint64_t n, float scale)
{
	enum { AT_ONCE = 256 };
	uint16_t half[AT_ONCE];

	for (uint64_t c = 0; c < n; c += AT_ONCE) {
		uint64_t m = n - c < AT_ONCE ? n - c : AT_ONCE;

		#pragma omp simd
		for (uint64_t i = 0; i < m; i++)
			half[i] = lt_to_bf16(x[c + i] * scale);
		memcpy((char *)x + c * 2, half, m * 2);
	}
}

/* dlogits of the row of weights x, which sum to sum. */
static inline __attribute__((always_inline)) void
slope_row(const struct rows *a, float *x, float sum, bool counts, int32_t label)
{
	const uint64_t v = a->p->vocab;
	float scale = counts ? a->dn / sum : 0;
	float target = counts ? x[label] * scale - a->dn : 0;

	if (a->p->type == LT_BF16) {
		uint16_t half = lt_to_bf16(target);

		scale_to_half(x, v, scale);
		if (counts)
			memcpy((char *)x + (size_t)label * 2, &half, 2);
		return;
	}
	#pragma omp simd
	for (uint64_t c = 0; c < v; c++)
		x[c] *= scale;
	if (counts)
		x[label] = target;
}

LT_CLONES static void
softmax_rows(void *arg, int part, int parts)
{
	struct rows *a = arg;
	const uint64_t v = a->p->vocab;

	for (uint64_t r = a->n * (uint64_t)part / (uint64_t)parts;
	    r < a->n * (uint64_t)(part + 1) / (uint64_t)parts; r++) {
		float *x = a->logits + r * v;
		float max = -INFINITY, sum = 0, target;
		bool counts = a->labels[r] != a->p->ignore;

		#pragma omp simd reduction(max:max)
		for (uint64_t c = 0; c < v; c++)
			max = x[c] > max ? x[c] : max;
		target = counts ? x[a->labels[r]] : 0;
		#pragma omp simd reduction(+:sum)
		for (uint64_t c = 0; c < v; c++) {
			x[c] = lt_expf(x[c] - max);
			sum += x[c];
		}
		a->nll[r] = counts ? max + logf(sum) - target : 0;
		if (a->bwd)
			slope_row(a, x, sum, counts, a->labels[r]);
	}
}

static double
one_chunk(struct lt_pool *pool, const struct lt_head *p, struct rows *a,
    const void *h, const void *w, void *workspace)
{
	struct lt_gemm g = gemm_logits(p, a->n);
	double sum = 0;

	lt_gemm(pool, &g, h, w, a->logits, NULL, workspace);
	lt_pool_run(pool, softmax_rows, a);
	for (uint64_t i = 0; i < a->n; i++)
		sum += (double)a->nll[i];
	return sum;
}

static struct rows
layout(const struct lt_head *p, float *scratch)
{
	uint64_t n = chunk_of(p);
	struct rows a = {.p = p, .logits = scratch};

	a.nll = scratch + n * p->vocab;
	return a;
}

void
lt_head(struct lt_pool *pool, const struct lt_head *p, const void *h,
    const void *w, const int32_t *labels, float *nll, float *scratch,
    void *workspace)
{
	struct rows a = layout(p, scratch);
	double sum = 0;

	for (uint64_t at = 0; at < p->tokens; at += a.n) {
		a.n = chunk_of(p);
		if (a.n > p->tokens - at)
			a.n = p->tokens - at;
		a.labels = labels + at;
		sum += one_chunk(pool, p, &a, (const char *)h +
		    at * p->width * element(p->type), w, workspace);
	}
	*nll = (float)sum;
}

void
lt_head_bwd(struct lt_pool *pool, const struct lt_head *p, float dn,
    const void *h, const void *w, const int32_t *labels, float *nll, void *dh,
    float *dw, bool add_dw, float *scratch, void *workspace)
{
	struct rows a = layout(p, scratch);
	double sum = 0;

	a.bwd = true;
	a.dn = dn;
	for (uint64_t at = 0; at < p->tokens; at += a.n) {
		size_t off = at * p->width * element(p->type);
		struct lt_gemm g;

		a.n = chunk_of(p);
		if (a.n > p->tokens - at)
			a.n = p->tokens - at;
		a.labels = labels + at;
		sum += one_chunk(pool, p, &a, (const char *)h + off, w,
		    workspace);
		g = gemm_dh(p, a.n);
		lt_gemm(pool, &g, a.logits, w, (char *)dh + off, NULL,
		    workspace);
		g = gemm_dw(p, a.n, add_dw || at > 0);
		if (p->rows_are_width)
			lt_gemm(pool, &g, (const char *)h + off, a.logits, dw,
			    NULL, workspace);
		else
			lt_gemm(pool, &g, a.logits, (const char *)h + off, dw,
			    NULL, workspace);
	}
	*nll = (float)sum;
}
