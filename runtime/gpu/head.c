/* The loss head: logits of a chunk of tokens, their rows, the gradients. */
#include "config.h"

#include "runtime/gpu/device.h"

struct chunk {
	const struct lt_head *p;
	uint64_t at, n;        /* first token, and how many */
	const char *h;
	char *dh;
	struct head_args a;
};

uint64_t
lt_gpu_head_workspace(const struct lt_head *p, int threads)
{
	struct lt_gemm g = {.m = 1};

	(void)p;
	return lt_gpu_gemm_workspace(&g, threads);
}

static uint64_t
chunk_of(const struct lt_head *p)
{
	return p->chunk && p->chunk < p->tokens ? p->chunk : p->tokens;
}

/* logits = h W */
static struct lt_gemm
gemm_logits(const struct chunk *c)
{
	const struct lt_head *p = c->p;

	return (struct lt_gemm){.m = (uint32_t)c->n, .n = (uint32_t)p->vocab,
	    .k = (uint32_t)p->width, .lda = p->width,
	    .ldb = p->rows_are_width ? p->vocab : p->width, .ldc = p->vocab,
	    .tb = !p->rows_are_width, .a = p->type, .b = p->type, .c = LT_F32};
}

/* Elements between rows of dlogits: as bf16 they fill half of their row. */
static uint64_t
slope_stride(const struct lt_head *p)
{
	return p->type == LT_BF16 ? 2 * p->vocab : p->vocab;
}

/* dh = dlogits W^T */
static struct lt_gemm
gemm_dh(const struct chunk *c)
{
	const struct lt_head *p = c->p;

	return (struct lt_gemm){.m = (uint32_t)c->n, .n = (uint32_t)p->width,
	    .k = (uint32_t)p->vocab, .lda = slope_stride(p),
	    .ldb = p->rows_are_width ? p->vocab : p->width, .ldc = p->width,
	    .tb = p->rows_are_width, .a = p->type, .b = p->type,
	    .c = p->type};
}

/* dW = h^T dlogits, or its transpose */
static struct lt_gemm
gemm_dw(const struct chunk *c, bool acc)
{
	const struct lt_head *p = c->p;
	bool h_first = p->rows_are_width;
	uint64_t h = p->width, d = slope_stride(p);

	return (struct lt_gemm){.m = (uint32_t)(h_first ? p->width :
	    p->vocab), .n = (uint32_t)(h_first ? p->vocab : p->width),
	    .k = (uint32_t)c->n, .lda = h_first ? h : d,
	    .ldb = h_first ? d : h, .ldc = h_first ? p->vocab : p->width,
	    .ta = true, .acc = acc, .a = p->type, .b = p->type, .c = LT_F32};
}

static void
run_rows(struct lt *rt, const struct chunk *c, const char *kernel,
    const void *w, float *nll)
{
	struct lt_gemm g = gemm_logits(c);
	struct sum_args sum = {c->a.nll, nll, (long long)c->n, c->at > 0};

	lt_gpu_gemm(rt, &g, c->h, w, c->a.logits, NULL);
	lt_gpu_run(rt, LT_COMPUTE, kernel, c->n, 1, 1, &c->a);
	lt_gpu_run(rt, LT_COMPUTE, "sum_f32", 1, 1, 1, &sum);
}

/* The next chunk; false: there is none. */
static bool
next(struct chunk *c, const int32_t *labels, const void *h, void *dh)
{
	const struct lt_head *p = c->p;
	uint64_t off;

	c->at += c->n;
	if (c->at >= p->tokens)
		return false;
	c->n = chunk_of(p);
	if (c->n > p->tokens - c->at)
		c->n = p->tokens - c->at;
	off = c->at * p->width * lt_dtype_size(p->type);
	c->a.labels = labels + c->at;
	c->h = (const char *)h + off;
	c->dh = dh ? (char *)dh + off : NULL;
	return true;
}

static struct chunk
first(const struct lt_head *p, const float *dn, float *scratch)
{
	return (struct chunk){.p = p, .a = {.logits = scratch,
	    .nll = scratch + chunk_of(p) * p->vocab, .dn = dn,
	    .vocab = (long long)p->vocab, .ignore = p->ignore}};
}

void
lt_gpu_head(struct lt *rt, const struct lt_head *p, const void *h,
    const void *w, const int32_t *labels, float *nll, float *scratch)
{
	struct chunk c = first(p, NULL, scratch);

	while (next(&c, labels, h, NULL))
		run_rows(rt, &c, "head_rows", w, nll);
}

void
lt_gpu_head_bwd(struct lt *rt, const struct lt_head *p, const float *dn,
    const void *h, const void *w, const int32_t *labels, float *nll, void *dh,
    float *dw, bool add_dw, float *scratch)
{
	struct chunk c = first(p, dn, scratch);

	while (next(&c, labels, h, dh)) {
		struct lt_gemm g = gemm_dh(&c);
		const void *x = c.h, *d = c.a.logits;

		run_rows(rt, &c, p->type == LT_BF16 ? "head_rows_bwd_bf16" :
		    "head_rows_bwd", w, nll);
		lt_gpu_gemm(rt, &g, d, w, c.dh, NULL);
		g = gemm_dw(&c, add_dw || c.at > 0);
		lt_gpu_gemm(rt, &g, p->rows_are_width ? x : d,
		    p->rows_are_width ? d : x, dw, NULL);
	}
}
