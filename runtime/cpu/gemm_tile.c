/*
 * Matrix product on tiles, of bf16 or of f32 in three parts of bf16: packing,
 * blocking, threads, epilogue.
 *
 *	for chunks of rows, for strips of columns, for blocks of depth:
 *		all threads pack A[mc, kc] and B[kc, nc]; barrier
 *		each thread takes rectangles of C in turn and goes through
 *		them panel by panel
 *
 * The blocks of k are cut from k alone, so an element of C is the same sum in
 * the same order whoever computes it.  Between blocks of k an f32 C gathers in
 * C itself; a bf16 C in an f32 strip of the workspace, 32 x 32 by 32 x 32.
 * Packed panels have two buffers in turn: one barrier per block is enough.
 */
#include "runtime/cpu/gemm_tile.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* At most, by the type of elements; parts: tiles of bf16 for one of them. */
static const struct limits {
	uint32_t kc, mc, nc; /* depth of a block, rows of a chunk, columns of a
	                      * strip */
	uint32_t parts;
} limits[] = {
	[LT_F32] = { 384, 1024, 1024, TILE_PARTS },
	[LT_BF16] = { 768, 1024, 2048, 1 },
};

static uint32_t
ceil_div(uint32_t a, uint32_t b)
{
	return a / b + (a % b != 0);
}

/* Equal parts of n, none above `most`, each a multiple of `unit`. */
static uint32_t
equal_part(uint32_t n, uint32_t most, uint32_t unit)
{
	return ceil_div(ceil_div(n, ceil_div(n, most)), unit) * unit;
}

static bool
needs_strip(const struct lt_gemm *g)
{
	return g->c == LT_BF16 && g->k > limits[g->a].kc;
}

size_t
lt_gemm_tile_workspace(const struct lt_gemm *g)
{
	const struct limits *most = &limits[g->a];
	size_t mc = equal_part(g->m, most->mc, TILE_PANEL);
	size_t nc = equal_part(g->n, most->nc, TILE_PANEL);
	size_t bytes = 2 * (mc + nc) * equal_part(g->k, most->kc, 32) *
	    most->parts * sizeof(uint16_t);

	return needs_strip(g) ? bytes + mc * nc * sizeof(float) : bytes;
}

#if defined(__x86_64__)

#include <stdatomic.h>

#include "runtime/cpu/pool.h"

#define LT_SIMD 16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/tile_pack.h"
#include "runtime/cpu/tile_split.h"

/* One step of a panel (tile_pack.h, tile_split.h). */
typedef void pack_fn(const void *x, uint64_t ld, int n, int depth,
    uint16_t *out);

/* By type and by the way k lies: [0] contiguous, [1] down. */
static pack_fn *const pack_a[][2] = {
	[LT_F32] = { split_rows, split_cols },
	[LT_BF16] = { pack_rows, pack_cols },
};
static pack_fn *const pack_b[][2] = {
	[LT_F32] = { split_rows_paired, split_cols_paired },
	[LT_BF16] = { pack_rows_paired, pack_cols_paired },
};

struct job {
	const struct gemm_tile *tile;
	struct lt_pool *pool;
	const struct lt_gemm *g;
	const struct lt_gemm_epilogue *epi;
	const char *a, *b;
	char *c;
	uint16_t *packed[2]; /* panels of A, then of B */
	float *strip;        /* [panels of A][panels of B][32][32], or NULL */
	uint32_t kc, mc_max, nc_max, parts;
	atomic_uint next[3]; /* rectangles taken, by block number mod 3 */
};

struct block {
	uint32_t m0, mc, n0, nc, k0, kc;
	uint32_t steps, pm, pn; /* of k; panels of A and of B */
	uint32_t rect_m, rect_n; /* panels of one thread's bite */
	bool first, last;
	uint16_t *a, *b;
};

/* ---- packing ---- */

/* One side of a block: n rows or columns from x0 on. */
struct side {
	pack_fn *pack;
	const char *x;
	uint64_t ld, x0, k0;
	bool down; /* k goes down */
	uint32_t n, kc;
	uint16_t *out;
	size_t size, step; /* bytes of an element; of a packed step, elements */
};

/* Step p of panel i. */
static void
pack_step(const struct side *s, uint32_t i, uint32_t p)
{
	uint64_t row = s->x0 + i * TILE_PANEL, k = s->k0 + p;
	uint32_t steps = ceil_div(s->kc, 32), left = s->n - i * TILE_PANEL;

	s->pack(s->x + (s->down ? k * s->ld + row : row * s->ld + k) * s->size,
	    s->ld, MIN(left, (uint32_t)TILE_PANEL), MIN(s->kc - p, 32u),
	    s->out + ((size_t)i * steps + p / 32) * s->step);
}

/* Panels that stand together, a part for each thread, read as they lie in
 * memory: along k, or across panels. */
static void
pack_side(const struct side *s, int me, int parts)
{
	uint32_t panels = ceil_div(s->n, TILE_PANEL), i, p;
	uint32_t from = (uint64_t)panels * me / parts;
	uint32_t to = (uint64_t)panels * (me + 1) / parts;

	if (s->down) {
		for (p = 0; p < s->kc; p += 32)
			for (i = from; i < to; i++)
				pack_step(s, i, p);
		return;
	}
	for (i = from; i < to; i++)
		for (p = 0; p < s->kc; p += 32)
			pack_step(s, i, p);
}

static void
pack_block(const struct job *j, const struct block *b, int me, int parts)
{
	const struct lt_gemm *g = j->g;
	size_t size = lt_dtype_size(g->a), step = j->parts * TILE_STEP;
	struct side a = { pack_a[g->a][g->ta], j->a, g->lda, b->m0, b->k0, g->ta,
		b->mc, b->kc, b->a, size, step };
	struct side n = { pack_b[g->a][!g->tb], j->b, g->ldb, b->n0, b->k0, !g->tb,
		b->nc, b->kc, b->b, size, step };

	pack_side(&a, me, parts);
	pack_side(&n, me, parts);
}

/* ---- results ---- */

INLINE vf
load_some(const float *p, int n)
{
	return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

INLINE vf
get_some(const void *p, size_t i, enum lt_dtype t, int n)
{
	__m256i h;

	if (t != LT_BF16)
		return load_some((const float *)p + i, n);
	h = _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1),
	    (const uint16_t *)p + i);
	return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
}

INLINE void
put_some(void *p, size_t i, enum lt_dtype t, vf v, int n)
{
	_Alignas(32) uint16_t h[16];

	if (t != LT_BF16) {
		_mm512_mask_storeu_ps((float *)p + i,
		    (__mmask16)((1u << n) - 1), (__m512)v);
		return;
	}
	v_to_bf16(h, v);
	_mm256_mask_storeu_epi16((uint16_t *)p + i,
	    (__mmask16)((1u << n) - 1), _mm256_load_si256((__m256i *)h));
}

/* c = sum (+ c) (+ bias) (+ resid), any part of a 32 x 32 square */
INLINE void
finish_type(const struct job *j, const struct block *b, const float *sum,
    uint32_t i0, uint32_t n0, int rows, int cols, enum lt_dtype t, bool add)
{
	static const struct lt_gemm_epilogue none;
	const struct lt_gemm_epilogue *e = b->last && j->epi ? j->epi : &none;
	int i, c;

	for (i = 0; i < rows; i++) {
		size_t at = (i0 + i) * j->g->ldc + n0;

		for (c = 0; c < cols; c += 16) {
			int n = MIN(cols - c, 16);
			vf v = v_load(sum + i * TILE_PANEL + c);

			if (add)
				v += get_some(j->c, at + c, t, n);
			if (e->bias != NULL)
				v += get_some(e->bias, n0 + c, e->bias_type, n);
			if (e->resid != NULL)
				v += get_some(e->resid, (i0 + i) * e->ldr + n0 +
				    c, e->resid_type, n);
			put_some(j->c, at + c, t, v, n);
		}
	}
}

static void
finish(const struct job *j, const struct block *b, const float *sum,
    uint32_t i0, uint32_t n0, int rows, int cols, bool add)
{
	if (j->g->c == LT_BF16)
		finish_type(j, b, sum, i0, n0, rows, cols, LT_BF16, false);
	else if (add)
		finish_type(j, b, sum, i0, n0, rows, cols, LT_F32, true);
	else
		finish_type(j, b, sum, i0, n0, rows, cols, LT_F32, false);
}

/* A whole square of bf16 and nothing to add. */
static void
round_square(const float *sum, uint16_t *c, uint64_t ldc)
{
	int i;

	for (i = 0; i < TILE_PANEL; i++, sum += TILE_PANEL, c += ldc) {
		v_to_bf16(c, v_load(sum));
		v_to_bf16(c + 16, v_load(sum + 16));
	}
}

/* out = (out +) A panel times B panel; a product of parts adds nothing. */
static void
multiply(const struct job *j, const struct block *b, const uint16_t *pa,
    const uint16_t *pb, float *out, size_t ld, bool add)
{
	if (j->parts == 1)
		j->tile->product(b->steps, pa, pb, out, ld, add);
	else
		j->tile->product_parts(b->steps, pa, pb, out, ld);
}

/* Square (pi, pn) of the block. */
static void
square(const struct job *j, const struct block *b, uint32_t pi, uint32_t pn)
{
	_Alignas(64) float sum[TILE_PANEL * TILE_PANEL];
	const struct lt_gemm *g = j->g;
	size_t panel = (size_t)b->steps * j->parts * TILE_STEP;
	const uint16_t *pa = b->a + pi * panel, *pb = b->b + pn * panel;
	uint32_t i0 = b->m0 + pi * TILE_PANEL, n0 = b->n0 + pn * TILE_PANEL;
	int rows = MIN(b->mc - pi * TILE_PANEL, (uint32_t)TILE_PANEL);
	int cols = MIN(b->nc - pn * TILE_PANEL, (uint32_t)TILE_PANEL);
	bool whole = rows == TILE_PANEL && cols == TILE_PANEL;
	bool plain = j->epi == NULL || !b->last;
	bool add = g->acc || !b->first;
	float *part = j->strip == NULL ? NULL :
	    j->strip + ((size_t)pi * (j->nc_max / TILE_PANEL) + pn) * TILE_PANEL * TILE_PANEL;

	if (g->c == LT_F32 && whole && plain && (j->parts == 1 || !add)) {
		multiply(j, b, pa, pb, (float *)j->c + i0 * g->ldc + n0, g->ldc,
		    add);
		return;
	}
	if (part != NULL && !b->last) {
		multiply(j, b, pa, pb, part, TILE_PANEL, !b->first);
		return;
	}
	if (part == NULL)
		part = sum;
	multiply(j, b, pa, pb, part, TILE_PANEL, part != sum && !b->first);
	if (g->c == LT_BF16 && whole && plain)
		round_square(part, (uint16_t *)j->c + i0 * g->ldc + n0, g->ldc);
	else
		finish(j, b, part, i0, n0, rows, cols, add);
}

/* ---- blocks ---- */

/* As large as the second cache likes, then smaller until there are enough
 * for the threads to end together. */
static void
choose_rects(struct block *b, int parts)
{
	uint32_t want = parts > 1 ? 4 * parts : 1;
	uint32_t tm = MIN(b->pm, 8u), tn = b->pn;

	while (ceil_div(b->pm, tm) * ceil_div(b->pn, tn) < want && tn > 4)
		tn = (tn + 1) / 2;
	while (ceil_div(b->pm, tm) * ceil_div(b->pn, tn) < want && tm > 1)
		tm = (tm + 1) / 2;
	b->rect_m = tm;
	b->rect_n = tn;
}

static void
run_block(const struct job *j, const struct block *b, atomic_uint *next)
{
	uint32_t across = ceil_div(b->pn, b->rect_n);
	uint32_t rects = ceil_div(b->pm, b->rect_m) * across, t, i, n;

	while ((t = atomic_fetch_add(next, 1)) < rects) {
		uint32_t i0 = t / across * b->rect_m;
		uint32_t j0 = t % across * b->rect_n;
		uint32_t i1 = MIN(i0 + b->rect_m, b->pm);
		uint32_t j1 = MIN(j0 + b->rect_n, b->pn);

		for (n = j0; n < j1; n++)
			for (i = i0; i < i1; i++)
				square(j, b, i, n);
	}
}

static void
run_depth(struct job *j, struct block *b, unsigned *turn, int me, int parts)
{
	const struct lt_gemm *g = j->g;

	for (b->k0 = 0; b->k0 < g->k; b->k0 += j->kc, ++*turn) {
		b->kc = MIN(g->k - b->k0, j->kc);
		b->steps = ceil_div(b->kc, 32);
		b->first = b->k0 == 0;
		b->last = b->k0 + b->kc == g->k;
		b->a = j->packed[*turn % 2];
		b->b = b->a + (size_t)j->mc_max * j->kc * j->parts;
		pack_block(j, b, me, parts);
		lt_pool_barrier(j->pool);
		/* everyone is past the block before this one */
		if (me == 0)
			atomic_store(&j->next[(*turn + 2) % 3], 0);
		run_block(j, b, &j->next[*turn % 3]);
	}
}

static void
part(void *arg, int me, int parts)
{
	struct job *j = arg;
	const struct lt_gemm *g = j->g;
	unsigned turn = 0;
	struct block b;

	j->tile->begin();
	for (b.m0 = 0; b.m0 < g->m; b.m0 += j->mc_max)
		for (b.n0 = 0; b.n0 < g->n; b.n0 += j->nc_max) {
			b.mc = MIN(g->m - b.m0, j->mc_max);
			b.nc = MIN(g->n - b.n0, j->nc_max);
			b.pm = ceil_div(b.mc, TILE_PANEL);
			b.pn = ceil_div(b.nc, TILE_PANEL);
			choose_rects(&b, parts);
			run_depth(j, &b, &turn, me, parts);
		}
	j->tile->end();
}

void
lt_gemm_tile(const struct gemm_tile *tile, struct lt_pool *pool,
    const struct lt_gemm *g, const void *a, const void *b, void *c,
    const struct lt_gemm_epilogue *epi, void *workspace)
{
	const struct limits *most = &limits[g->a];
	struct job j = {
		.tile = tile, .pool = pool, .g = g, .epi = epi,
		.a = a, .b = b, .c = c,
		.kc = equal_part(g->k, most->kc, 32),
		.mc_max = equal_part(g->m, most->mc, TILE_PANEL),
		.nc_max = equal_part(g->n, most->nc, TILE_PANEL),
		.parts = most->parts,
	};
	size_t half = (size_t)(j.mc_max + j.nc_max) * j.kc * j.parts;

	if (epi != NULL && epi->bias == NULL && epi->resid == NULL)
		j.epi = NULL;
	j.packed[0] = workspace;
	j.packed[1] = j.packed[0] + half;
	if (needs_strip(g))
		j.strip = (float *)(j.packed[1] + half);
	lt_pool_run(pool, part, &j);
}

#include "runtime/cpu/simd_end.h"
#endif
