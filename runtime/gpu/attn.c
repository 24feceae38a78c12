/*
 * Attention: which kernels, their grids, the ranges of documents.  Those for
 * sm_90a go first where the program has them and the device is one; everything
 * else is done by those for sm_80 and later.
 */
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

/* ---- sm_90a ---- */

/* What the keys and values of the heads at work together take at most, or their
 * queries and do: they stay in the 50 MiB of an H100's L2 cache. */
static const uint64_t section_bytes = (uint64_t)32 << 20;

/* Heads, of those of all batch items, that go together: `shared` of them have
 * so many rows of two operands. */
static int
section_of(const struct lt_attn *p, uint64_t all, uint64_t rows,
    uint64_t shared)
{
	uint64_t one = rows * p->d * 2 * 2;
	uint64_t n = one < section_bytes ? section_bytes / one * shared :
	    shared;

	return (int)(n < all ? n : all);
}

/* Blocks of a grid that goes over all tiles: one a multiprocessor, for they take
 * all of its registers, and none for those that are left to others. */
static uint64_t
blocks_of(const struct lt *rt, uint64_t all)
{
	uint64_t n = (uint64_t)(rt->gpu->processors - rt->gpu->margin);

	return all < n ? all : n;
}

/* [b, rows, heads, d], in boxes of 64 columns of `box` rows of one head. */
static void
make_map(struct lt *rt, lk_tmap *map, const void *x, const struct lt_attn *p,
    uint32_t heads, uint32_t rows, uint32_t box)
{
	const uint64_t row = (uint64_t)heads * p->d;
	const uint64_t size[] = {p->d, heads, rows, p->b};
	const uint64_t stride[] = {p->d, row, row * rows};
	const uint32_t boxes[] = {64, 1, box, 1};

	rt->gpu->device->tensor_map(rt->gpu, map, x, 4, size, stride, boxes,
	    true);
}

/* Boxes of so many rows of queries and of keys. */
static struct attn_tma_args
tma_args(struct lt *rt, const struct lt_attn *p, const struct attn_args *at,
    uint32_t q_rows, uint32_t k_rows)
{
	struct attn_tma_args a = {.at = *at};
	uint32_t heads = p->k * p->g;

	make_map(rt, &a.q, at->q, p, heads, p->sq, q_rows);
	make_map(rt, &a.k, at->k, p, p->k, p->sk, k_rows);
	make_map(rt, &a.v, at->v, p, p->k, p->sk, k_rows);
	if (at->dout)
		make_map(rt, &a.dout, at->dout, p, heads, p->sq, q_rows);
	return a;
}

/* A kernel over the tiles of `box` queries of all query heads. */
static void
over_queries(struct lt *rt, const char *kernel, const struct lt_attn *p,
    struct attn_tma_args *a, uint32_t box)
{
	uint64_t heads = (uint64_t)p->b * p->k * p->g;
	uint64_t tiles = ((uint64_t)p->sq + box - 1) / box;

	a->section = section_of(p, heads, p->sk, p->g);
	lt_gpu_run(rt, LT_COMPUTE, kernel, blocks_of(rt, tiles * heads), 1, 1,
	    a);
}

static void
forward_tma(struct lt *rt, const char *kernel, const struct lt_attn *p,
    const struct attn_args *at)
{
	struct attn_tma_args a =
	    tma_args(rt, p, at, ATTN90_BQ, ATTN90_BK(p->d));

	over_queries(rt, kernel, p, &a, ATTN90_BQ);
}

static void
bwd_queries_tma(struct lt *rt, const char *kernel, const struct lt_attn *p,
    const struct attn_args *at)
{
	struct attn_tma_args a =
	    tma_args(rt, p, at, ATTN90_DQ_BQ, ATTN90_DQ_BK);

	over_queries(rt, kernel, p, &a, ATTN90_DQ_BQ);
}

static void
bwd_keys_tma(struct lt *rt, const char *kernel, const struct lt_attn *p,
    const struct attn_args *at)
{
	uint32_t box = ATTN90_BWD_BK(p->d);
	struct attn_tma_args a = tma_args(rt, p, at, ATTN90_BWD_BQ, box);
	uint64_t heads = (uint64_t)p->b * p->k;
	uint64_t tiles = ((uint64_t)p->sk + box - 1) / box;

	a.section = section_of(p, heads, (uint64_t)p->sq * p->g, 1);
	lt_gpu_run(rt, LT_COMPUTE, kernel, blocks_of(rt, tiles * heads), 1, 1,
	    &a);
}

/* The program's kernel of that name for sm_90a, if it is one for these sizes:
 * a tensor map is of something. */
static bool
find_sm90(struct lt *rt, const char *kernel, const struct lt_attn *p,
    char *name, size_t size)
{
	snprintf(name, size, "attn_%s_sm90_d%u", kernel, p->d);
	return p->sq > 0 && p->sk > 0 && p->b > 0 && lt_gpu_find(rt, name) >= 0;
}

/* ---- the calls ---- */

static void
forward(struct lt *rt, const struct lt_attn *p, struct attn_args *a,
    const void *q, const void *k, const void *v)
{
	char tma[64];

	a->q = q;
	a->k = k;
	a->v = v;
	if (find_sm90(rt, "fwd", p, tma, sizeof tma))
		forward_tma(rt, tma, p, a);
	else
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
	char tma[64];

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
	if (find_sm90(rt, "bwd_keys", p, tma, sizeof tma))
		bwd_keys_tma(rt, tma, p, &a);
	else
		run(rt, "bwd_keys", p, &a, p->sk, p->k, ATTN80_PARTS(p->d));
	if (find_sm90(rt, "bwd_queries", p, tma, sizeof tma))
		bwd_queries_tma(rt, tma, p, &a);
	else
		run(rt, "bwd_queries", p, &a, p->sq, p->k * p->g, 1);
}
