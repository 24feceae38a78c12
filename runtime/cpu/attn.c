/*
 * Attention: heads, threads, workspace.  The blocks are in attn_body.h.
 *
 * Forward packs keys (transposed) and values of as many kv heads as fit
 * PACK_FLOATS, then deals out (kv head, query head, block of queries).
 *
 * Backward has two ways that sum in the same order and so give the same bits.
 * `alone`: a thread takes a whole kv head and does dq, dk, dv of a pair of
 * blocks at once, five products.  `together`: all threads work on one kv head,
 * first by blocks of keys (dk, dv), then by blocks of queries (dq), seven
 * products.  The second when heads are too few to share out.
 */
#include "runtime/cpu/attn.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/cpu/attn_mask.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/pool.h"

#define PACK_FLOATS ((size_t)4 << 20)
#define SPAN_FLOATS ((size_t)160 << 10) /* of q, dout and dq */
#define LOG2E 1.44269504088896341f
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

struct job {
	const struct attn_kernel *kernel;
	struct lt_pool *pool;
	const struct lt_attn *p;
	struct attn_mask mask;
	const void *q, *k, *v, *dout;
	void *o, *dq, *dk, *dv;
	float *z;
	const float *delta;
	float *ws;
	uint32_t group; /* forward: kv heads packed at a time */
	bool merge;
	_Alignas(64) atomic_uint next;
};

static const struct attn_kernel *
vectors_for_cpu(void)
{
#if defined(__x86_64__)
	static const struct attn_kernel *const table[LT_CPU_LEVELS] = {
		&lt_attn_base, &lt_attn_avx2, &lt_attn_avx512,
		&lt_attn_avx512, &lt_attn_avx512, &lt_attn_avx512,
	};

	return table[lt_cpu_level()];
#else
	return &lt_attn_base;
#endif
}

static const struct attn_kernel *
kernel_for_cpu(const struct lt_attn *p)
{
#if defined(__x86_64__)
	static const struct attn_kernel *const table[LT_CPU_LEVELS] = {
		[LT_CPU_AVX512_BF16] = &lt_attn_dot,
		[LT_CPU_TILE_EMU] = &lt_attn_emu,
		[LT_CPU_AMX] = &lt_attn_amx,
	};

	if (p->type == LT_BF16 && table[lt_cpu_level()] != NULL)
		return table[lt_cpu_level()];
#else
	(void)p;
#endif
	return vectors_for_cpu();
}

static void
call(void (*f)(void))
{
	if (f != NULL)
		f();
}

/* Floats of a packed row; those of tiles, the most of any level, since the
 * workspace must not depend on it. */
static size_t
row_floats(const struct lt_attn *p)
{
	return ((size_t)p->d + 31) / 32 * 32;
}

/* Floats of a packed block. */
static size_t
step(const struct lt_attn *p)
{
	return AB * row_floats(p);
}

static size_t
padded_rows(uint32_t n)
{
	return ((size_t)n + AB - 1) / AB * AB;
}

/* Query head h of batch b, from row i on. */
static struct head
query_head(const struct job *j, const void *data, enum lt_dtype t, uint32_t b,
    uint32_t h, size_t i)
{
	size_t heads = (size_t)j->p->k * j->p->g;
	size_t at = ((b * (size_t)j->p->sq + i) * heads + h) * j->p->d;

	return (struct head){ (const char *)data + at * lt_dtype_size(t),
		heads * j->p->d, t };
}

static struct head
key_head(const struct job *j, const void *data, enum lt_dtype t, uint32_t b,
    uint32_t h, size_t i)
{
	size_t at = ((b * (size_t)j->p->sk + i) * j->p->k + h) * j->p->d;

	return (struct head){ (const char *)data + at * lt_dtype_size(t),
		(size_t)j->p->k * j->p->d, t };
}

static int
rows_of(uint32_t rows, uint32_t block)
{
	return MIN(rows - block * AB, AB);
}

/* ---- forward ---- */

static uint32_t
fwd_group(const struct lt_attn *p)
{
	size_t one = padded_rows(p->sk) * 2 * row_floats(p);
	size_t units = (size_t)p->b * p->k;

	if (one == 0)
		return MAX(units, 1);
	return MIN(MAX(PACK_FLOATS / one, 1), MAX(units, 1));
}

size_t
lt_attn_fwd_workspace(const struct lt_attn *p, int threads)
{
	size_t one = padded_rows(p->sk) * 2 * row_floats(p);

	(void)threads;
	return attn_mask_bytes(p) + fwd_group(p) * one * sizeof(float);
}

/* Packed keys of unit u of the group, then its values. */
static float *
fwd_keys(const struct job *j, uint32_t u)
{
	return j->ws + u * padded_rows(j->p->sk) * 2 * row_floats(j->p);
}

static float *
fwd_values(const struct job *j, uint32_t u)
{
	return fwd_keys(j, u) + padded_rows(j->p->sk) * row_floats(j->p);
}

static void
fwd_pack(const struct job *j, uint32_t first, uint32_t units, int me, int parts)
{
	const struct lt_attn *p = j->p;
	uint32_t blocks = j->mask.k.blocks, t;

	for (t = me; t < units * blocks; t += parts) {
		uint32_t u = t / blocks, block = t % blocks;
		uint32_t b = (first + u) / p->k, h = (first + u) % p->k;
		size_t i = (size_t)block * AB;

		j->kernel->pack_fwd(key_head(j, j->k, p->type, b, h, i),
		    key_head(j, j->v, p->type, b, h, i), rows_of(p->sk, block),
		    p->d, fwd_keys(j, u) + block * step(p),
		    fwd_values(j, u) + block * step(p));
	}
}

static void
fwd_block(const struct job *j, uint32_t unit, uint32_t u, uint32_t g,
    uint32_t block)
{
	const struct lt_attn *p = j->p;
	uint32_t b = unit / p->k, h = unit % p->k * p->g + g;
	size_t i = (size_t)block * AB, heads = (size_t)p->k * p->g;
	struct fwd_task t = {
		.mask = &j->mask, .b = b, .block = block,
		.rows = rows_of(p->sq, block),
		.d = p->d, .step = step(p),
		.q = query_head(j, j->q, p->type, b, h, i),
		.o = query_head(j, j->o, j->merge ? LT_F32 : p->type, b, h, i),
		.k = fwd_keys(j, u), .v = fwd_values(j, u),
		.z = j->z + (b * (size_t)p->sq + i) * heads + h,
		.z_stride = heads, .merge = j->merge,
	};

	j->kernel->fwd(&t);
}

/* Last blocks first: under a causal mask they are the longest. */
static void
fwd_part(void *arg, int me, int parts)
{
	struct job *j = arg;
	const struct lt_attn *p = j->p;
	uint32_t blocks = j->mask.q.blocks, all = p->b * p->k, first, t;

	call(j->kernel->begin);
	for (first = 0; first < all; first += j->group) {
		uint32_t units = MIN(all - first, j->group), each = units * p->g;

		fwd_pack(j, first, units, me, parts);
		lt_pool_barrier(j->pool);
		while ((t = atomic_fetch_add(&j->next, 1)) < blocks * each) {
			uint32_t u = t % each / p->g;

			fwd_block(j, first + u, u, t % p->g,
			    blocks - 1 - t / each);
		}
		lt_pool_barrier(j->pool);
		if (me == 0)
			atomic_store(&j->next, 0);
	}
	call(j->kernel->end);
}

static void
fwd(struct lt_pool *pool, const struct lt_attn *p, const void *q,
    const void *k, const void *v, void *o, float *z, void *ws, bool merge)
{
	struct job j = {
		.kernel = kernel_for_cpu(p), .pool = pool, .p = p,
		.q = q, .k = k, .v = v, .o = o, .z = z, .merge = merge,
		.ws = (float *)((char *)ws + attn_mask_bytes(p)),
		.group = fwd_group(p),
	};

	attn_mask_make(&j.mask, p, ws);
	lt_pool_run(pool, fwd_part, &j);
}

void
lt_attn_fwd(struct lt_pool *pool, const struct lt_attn *p, const void *q,
    const void *k, const void *v, void *o, float *z, void *ws)
{
	fwd(pool, p, q, k, v, o, z, ws, false);
}

void
lt_attn_step(struct lt_pool *pool, const struct lt_attn *p, const void *q,
    const void *k, const void *v, float *o, float *z, void *ws)
{
	fwd(pool, p, q, k, v, o, z, ws, true);
}

/* ---- delta ---- */

static void
delta_part(void *arg, int me, int parts)
{
	struct job *j = arg;
	size_t rows = (size_t)j->p->b * j->p->sq * j->p->k * j->p->g;
	size_t i = rows / parts * me + MIN(rows % parts, (size_t)me);
	size_t n = rows / parts + ((size_t)me < rows % parts);

	for (; n > 0; n--, i++)
		j->z[i] = j->kernel->dot(j->dout, j->o, i * j->p->d, j->p->d,
		    j->p->type);
}

void
lt_attn_delta(struct lt_pool *pool, const struct lt_attn *p, const void *dout,
    const void *o, float *delta)
{
	struct job j = {
		.kernel = vectors_for_cpu(), .p = p, .dout = dout,
		.o = (void *)o, .z = delta,
	};

	lt_pool_run(pool, delta_part, &j);
}

/* ---- backward ---- */

/* What one kv head needs; the last three only `alone`, for one query head. */
struct unit {
	float *k, *kt, *vt;
	float *q, *dout, *z2, *delta;
	float *dk, *dv, *dq;
};

static size_t
alone_floats(const struct lt_attn *p)
{
	size_t sq = padded_rows(p->sq), sk = padded_rows(p->sk);

	return sk * row_floats(p) * 5 + sq * row_floats(p) * 3 + sq * 2;
}

static size_t
together_floats(const struct lt_attn *p)
{
	size_t sq = padded_rows(p->sq), sk = padded_rows(p->sk);

	return sk * row_floats(p) * 3 + sq * row_floats(p) * 2 * p->g +
	    sq * 2 * p->g;
}

/* Time of the busiest thread, in products. */
static bool
work_alone(const struct lt_attn *p, int threads)
{
	uint64_t units = (uint64_t)p->b * p->k;

	return (units + threads - 1) / threads * 5 * threads <= units * 7;
}

/* Both ways fit, so that more threads never need more than their share. */
size_t
lt_attn_bwd_workspace(const struct lt_attn *p, int threads)
{
	size_t alone = alone_floats(p) * (threads > 0 ? threads : 1);

	return attn_mask_bytes(p) +
	    MAX(alone, together_floats(p)) * sizeof(float);
}

static struct unit
unit_at(const struct lt_attn *p, float *ws, uint32_t heads)
{
	size_t sq = padded_rows(p->sq), sk = padded_rows(p->sk);
	size_t d = row_floats(p);
	struct unit u;

	u.k = ws;
	u.kt = u.k + sk * d;
	u.vt = u.kt + sk * d;
	u.q = u.vt + sk * d;
	u.dout = u.q + sq * d * heads;
	u.z2 = u.dout + sq * d * heads;
	u.delta = u.z2 + sq * heads;
	u.dk = u.delta + sq * heads;
	u.dv = u.dk + sk * d;
	u.dq = u.dv + sk * d;
	return u;
}

static void
pack_keys(const struct job *j, const struct unit *u, uint32_t unit,
    uint32_t block)
{
	const struct lt_attn *p = j->p;
	uint32_t b = unit / p->k, h = unit % p->k;
	size_t i = (size_t)block * AB, at = block * step(p);

	j->kernel->pack_keys(key_head(j, j->k, p->type, b, h, i),
	    key_head(j, j->v, p->type, b, h, i), rows_of(p->sk, block), p->d,
	    u->k + at, u->kt + at, u->vt + at);
}

/* Rows of query head g of the unit, as packed head `to`.  A row that saw
 * nothing gets z = +inf here: its weights are zero wherever they are taken. */
static void
pack_queries(const struct job *j, const struct unit *u, uint32_t unit,
    uint32_t g, uint32_t to, uint32_t block)
{
	const struct lt_attn *p = j->p;
	uint32_t b = unit / p->k, h = unit % p->k * p->g + g;
	size_t heads = (size_t)p->k * p->g, row = row_floats(p);
	size_t i = (size_t)block * AB, at = to * padded_rows(p->sq) + i;
	const float *z = j->z + (b * (size_t)p->sq + i) * heads + h;
	const float *delta = j->delta + (b * (size_t)p->sq + i) * heads + h;
	int rows = rows_of(p->sq, block), r;

	j->kernel->pack_queries(query_head(j, j->q, p->type, b, h, i),
	    query_head(j, j->dout, p->type, b, h, i), rows, p->d,
	    u->q + at * row, u->dout + at * row);
	for (r = 0; r < AB; r++) {
		bool none = r >= rows || z[r * heads] == -__builtin_inff();

		u->z2[at + r] = none ? __builtin_inff() : z[r * heads] * LOG2E;
		u->delta[at + r] = r < rows ? delta[r * heads] : 0;
	}
}

static struct bwd_head
head_of(const struct job *j, const struct unit *u, uint32_t unit, uint32_t to)
{
	size_t sq = padded_rows(j->p->sq), row = row_floats(j->p);

	return (struct bwd_head){
		.mask = &j->mask, .b = unit / j->p->k,
		.d = j->p->d, .step = step(j->p),
		.k = u->k, .kt = u->kt, .vt = u->vt,
		.q = u->q + to * sq * row, .dout = u->dout + to * sq * row,
		.z2 = u->z2 + to * sq, .delta = u->delta + to * sq,
	};
}

static enum lt_dtype
grad_type(const struct lt_attn *p)
{
	return p->acc ? LT_F32 : p->type;
}

static void
put_keys(const struct job *j, const float *in, void *out, uint32_t unit,
    uint32_t block)
{
	const struct lt_attn *p = j->p;

	j->kernel->unpack_keys(in, rows_of(p->sk, block), p->d,
	    key_head(j, out, grad_type(p), unit / p->k, unit % p->k,
	    (size_t)block * AB), p->acc);
}

static void
put_queries(const struct job *j, const float *in, uint32_t unit, uint32_t g,
    uint32_t block)
{
	const struct lt_attn *p = j->p;

	j->kernel->unpack_queries(in, rows_of(p->sq, block), p->d,
	    query_head(j, j->dq, grad_type(p), unit / p->k,
	    unit % p->k * p->g + g, (size_t)block * AB), p->acc);
}

/* Blocks of queries [from, to) against all keys. */
static void
alone_span(const struct job *j, const struct unit *u, const struct bwd_head *h,
    uint32_t from, uint32_t to)
{
	uint32_t nk = j->mask.k.blocks, i, n;

	for (n = 0; n < nk; n++)
		for (i = from; i < to; i++) {
			enum block_kind kind =
			    lt_attn_block(&j->mask, h->b, i, n);

			if (kind != BLOCK_EMPTY)
				j->kernel->bwd(h, i, n, kind,
				    u->dq + i * h->step, u->dk + n * h->step,
				    u->dv + n * h->step);
		}
}

/* As many queries at a time as stay in the second cache. */
static void
alone_head(const struct job *j, const struct unit *u, uint32_t unit, uint32_t g)
{
	uint32_t nq = j->mask.q.blocks, i;
	struct bwd_head h = head_of(j, u, unit, 0);
	uint32_t span = MAX(SPAN_FLOATS / (3 * h.step), 1);

	for (i = 0; i < nq; i++)
		pack_queries(j, u, unit, g, 0, i);
	memset(u->dq, 0, nq * h.step * sizeof(float));
	for (i = 0; i < nq; i += span)
		alone_span(j, u, &h, i, MIN(i + span, nq));
	for (i = 0; i < nq; i++)
		put_queries(j, u->dq + i * h.step, unit, g, i);
}

static void
alone_part(void *arg, int me, int parts)
{
	struct job *j = arg;
	const struct lt_attn *p = j->p;
	struct unit u = unit_at(p, j->ws + me * alone_floats(p), 1);
	size_t block = step(p);
	uint32_t nk = j->mask.k.blocks, unit, g, n;

	(void)parts;
	call(j->kernel->begin);
	while ((unit = atomic_fetch_add(&j->next, 1)) < p->b * p->k) {
		for (n = 0; n < nk; n++)
			pack_keys(j, &u, unit, n);
		memset(u.dk, 0, nk * block * sizeof(float));
		memset(u.dv, 0, nk * block * sizeof(float));
		for (g = 0; g < p->g; g++)
			alone_head(j, &u, unit, g);
		for (n = 0; n < nk; n++) {
			put_keys(j, u.dk + n * block, j->dk, unit, n);
			put_keys(j, u.dv + n * block, j->dv, unit, n);
		}
	}
	call(j->kernel->end);
}

/* dk and dv of one block of keys. */
static void
together_keys(const struct job *j, const struct unit *u, uint32_t unit,
    uint32_t n)
{
	_Alignas(64) float dk[AB * LT_ATTN_D_MAX], dv[AB * LT_ATTN_D_MAX];
	uint32_t nq = j->mask.q.blocks, g, i;
	size_t bytes = step(j->p) * sizeof(float);

	memset(dk, 0, bytes);
	memset(dv, 0, bytes);
	for (g = 0; g < j->p->g; g++) {
		struct bwd_head h = head_of(j, u, unit, g);

		for (i = 0; i < nq; i++) {
			enum block_kind kind =
			    lt_attn_block(&j->mask, h.b, i, n);

			if (kind != BLOCK_EMPTY)
				j->kernel->bwd(&h, i, n, kind, NULL, dk, dv);
		}
	}
	put_keys(j, dk, j->dk, unit, n);
	put_keys(j, dv, j->dv, unit, n);
}

static void
together_queries(const struct job *j, const struct unit *u, uint32_t unit,
    uint32_t g, uint32_t i)
{
	_Alignas(64) float dq[AB * LT_ATTN_D_MAX];
	struct bwd_head h = head_of(j, u, unit, g);
	uint32_t nk = j->mask.k.blocks, n;

	memset(dq, 0, step(j->p) * sizeof(float));
	for (n = 0; n < nk; n++) {
		enum block_kind kind = lt_attn_block(&j->mask, h.b, i, n);

		if (kind != BLOCK_EMPTY)
			j->kernel->bwd(&h, i, n, kind, dq, NULL, NULL);
	}
	put_queries(j, dq, unit, g, i);
}

static void
together_part(void *arg, int me, int parts)
{
	struct job *j = arg;
	const struct lt_attn *p = j->p;
	struct unit u = unit_at(p, j->ws, p->g);
	uint32_t nq = j->mask.q.blocks, nk = j->mask.k.blocks;
	uint32_t unit, t, rows = nq * p->g;

	call(j->kernel->begin);
	for (unit = 0; unit < p->b * p->k; unit++) {
		for (t = me; t < nk; t += parts)
			pack_keys(j, &u, unit, t);
		for (t = me; t < rows; t += parts)
			pack_queries(j, &u, unit, t / nq, t / nq, t % nq);
		lt_pool_barrier(j->pool);
		while ((t = atomic_fetch_add(&j->next, 1)) < nk + rows) {
			if (t < nk)
				together_keys(j, &u, unit, t);
			else
				together_queries(j, &u, unit, (t - nk) / nq,
				    nq - 1 - (t - nk) % nq);
		}
		lt_pool_barrier(j->pool);
		if (me == 0)
			atomic_store(&j->next, 0);
	}
	call(j->kernel->end);
}

void
lt_attn_bwd(struct lt_pool *pool, const struct lt_attn *p, const void *dout,
    const void *q, const void *k, const void *v, const float *z,
    const float *delta, void *dq, void *dk, void *dv, void *ws)
{
	struct job j = {
		.kernel = kernel_for_cpu(p), .pool = pool, .p = p,
		.q = q, .k = k, .v = v, .dout = dout,
		.dq = dq, .dk = dk, .dv = dv,
		.z = (float *)z, .delta = delta,
		.ws = (float *)((char *)ws + attn_mask_bytes(p)),
	};

	attn_mask_make(&j.mask, p, ws);
	lt_pool_run(pool, work_alone(p, lt_pool_threads(pool)) ? alone_part :
	    together_part, &j);
}
