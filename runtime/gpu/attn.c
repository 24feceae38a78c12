/* Attention: which kernels, their grids, the ranges of documents. */
#include "config.h"

#include <stdio.h>

#include "runtime/gpu/attn_args.h"
#include "runtime/gpu/device.h"

/* Bytes that the ranges of queries' and keys' documents take. */
static uint64_t
span_bytes(const struct lt_attn *p)
{
	return (lt_attn_spans(p->b, p->sq) + lt_attn_spans(p->b, p->sk)) * 2 *
	    sizeof(int);
}

uint64_t
lt_gpu_attn_fwd_workspace(const struct lt_attn *p, int threads)
{
	(void)threads;
	return span_bytes(p);
}

uint64_t
lt_gpu_attn_bwd_workspace(const struct lt_attn *p, int threads)
{
	(void)threads;
	return span_bytes(p);
}

static void
find_spans(struct lt *rt, const int *doc, uint32_t b, uint32_t rows, int *span)
{
	enum { PER_BLOCK = ATTN_DOCS_THREADS / 32 };
	struct attn_docs_args a = {doc, span, (int)b, (int)rows};

	lt_gpu_run(rt, LT_COMPUTE, "attn_docs",
	    (lt_attn_spans(b, rows) + PER_BLOCK - 1) / PER_BLOCK, 1, 1, &a);
}

static void
begin(struct lt *rt, const struct lt_attn *p, struct attn_args *a)
{
	int *span = (int *)(void *)rt->arena[LT_WORK];

	if (p->type != LT_BF16 || !lt_attn_args(a, p))
		lt_gpu_fail(rt, LT_EXIT_INTERNAL, "no kernel for attention of "
		    "%u x %u rows, %u x %u heads of %u", p->sq, p->sk, p->k,
		    p->g, p->d);
	if (!p->qdoc)
		return;
	a->qspan = span;
	a->kspan = span + 2 * lt_attn_spans(p->b, p->sq);
	find_spans(rt, p->qdoc, p->b, p->sq, span);
	find_spans(rt, p->kdoc, p->b, p->sk,
	    span + 2 * lt_attn_spans(p->b, p->sq));
}

/* The kernel of that name for heads of d, over tiles of so many rows. */
static void
run(struct lt *rt, const char *name, const struct lt_attn *p,
    const struct attn_args *a, uint32_t rows, uint32_t heads, uint64_t parts)
{
	char full[64];

	snprintf(full, sizeof full, "attn_%s_sm80_d%u", name, p->d);
	lt_gpu_run(rt, LT_COMPUTE, full, ((uint64_t)rows + ATTN80_ROWS - 1) /
	    ATTN80_ROWS * parts, heads, p->b, a);
}

static void
forward(struct lt *rt, const struct lt_attn *p, struct attn_args *a,
    const void *q, const void *k, const void *v)
{
	a->q = q;
	a->k = k;
	a->v = v;
	run(rt, "fwd", p, a, p->sq, p->k * p->g, 1);
}

void
lt_gpu_attn_fwd(struct lt *rt, const struct lt_attn *p, const void *q,
    const void *k, const void *v, void *o, float *z)
{
	struct attn_args a;

	begin(rt, p, &a);
	a.o = o;
	a.z = z;
	forward(rt, p, &a, q, k, v);
}

void
lt_gpu_attn_step(struct lt *rt, const struct lt_attn *p, const void *q,
    const void *k, const void *v, float *o, float *z)
{
	struct attn_args a;

	begin(rt, p, &a);
	a.acc = o;
	a.z = z;
	forward(rt, p, &a, q, k, v);
}

void
lt_gpu_attn_bwd(struct lt *rt, const struct lt_attn *p, const void *dout,
    const void *q, const void *k, const void *v, const float *z,
    const float *delta, void *dq, void *dk, void *dv)
{
	struct attn_args a;

	begin(rt, p, &a);
	a.q = q;
	a.k = k;
	a.v = v;
	a.dout = dout;
	a.z = (float *)z; /* read only */
	a.delta = delta;
	a.dq = dq;
	a.dk = dk;
	a.dv = dv;
	run(rt, "bwd_keys", p, &a, p->sk, p->k, ATTN80_PARTS(p->d));
	run(rt, "bwd_queries", p, &a, p->sq, p->k * p->g, 1);
}
