/*
 * Matrix product on tiles, of bf16 or of f32 in three parts of bf16: packing,
 * blocking, threads, epilogue.
 *
 *	for strips of columns, for blocks of depth:
 *		all threads pack B[kc, nc]; barrier
 *		each thread takes rectangles of C in turn, packs its rows of A
 *		and goes through them: some depth of a panel of B stays in the
 *		first cache while the panels of A, which stay in the second,
 *		go past it
 *
 * With few rows each thread packs the panels of B that it alone will use, some
 * at a time, and nobody waits for anybody.
 *
 * The blocks of k, and what of them is done at a time, are cut from k alone,
 * so an element of C is the same sum in the same order whoever computes it.
 * Between blocks of k an f32 C gathers in C itself; a bf16 C in an f32 strip
 * of the workspace, 32 x 32 by 32 x 32.  Packed panels of B have two buffers
 * in turn: one barrier per block is enough.
 */
#include "runtime/cpu/gemm_tile.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

enum {
	ROWS = 16,             /* panels of A a thread holds, at most */
	ROWS_BYTES = 768 << 10, /* and their bytes, unless they are all */
	COLS = 8,               /* panels of B it packs for itself, at most */
	COLS_BYTES = 256 << 10,
	AHEAD = 32,            /* of k, fetched before it is packed */
	STREAM_BYTES = 1 << 20
};

/* By type of elements: depth of a block at most, and of what is done of it at
 * a time; columns of a strip; tiles of bf16 for one of elements. */
static const struct limits {
	uint32_t kc, sub, nc, parts;
} limits[] = {
	[LT_F32] = { 512, 512, 1024, TILE_PARTS },
	[LT_BF16] = { 1536, 512, 1536, 1 },
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

/* Elements of a packed panel. */
static size_t
panel_size(const struct lt_gemm *g)
{
	return (size_t)equal_part(g->k, limits[g->a].kc, 32) * TILE_PANEL *
	    limits[g->a].parts;
}

/* Panels of A a thread takes at a time. */
static uint32_t
rows_most(const struct lt_gemm *g)
{
	uint32_t pm = ceil_div(g->m, TILE_PANEL);
	uint32_t most = ROWS_BYTES / (panel_size(g) * sizeof(uint16_t));

	return MIN(pm, pm <= ROWS ? ROWS : MIN(most, (uint32_t)ROWS));
}

/* Panels of B a thread packs for itself at a time. */
static uint32_t
cols_most(const struct lt_gemm *g)
{
	uint32_t most = COLS_BYTES / (panel_size(g) * sizeof(uint16_t));

	return most < 1 ? 1 : MIN(most, (uint32_t)COLS);
}

/* What one thread has for itself: panels of A, of B, sums. */
static size_t
own_bytes(const struct lt_gemm *g)
{
	size_t rows = rows_most(g);

	return (rows + cols_most(g)) * panel_size(g) * sizeof(uint16_t) +
	    rows * TILE_PANEL * TILE_PANEL * sizeof(float);
}

size_t
lt_gemm_tile_workspace(const struct lt_gemm *g, int threads)
{
	size_t nc = equal_part(g->n, limits[g->a].nc, TILE_PANEL);
	size_t bytes = 2 * nc / TILE_PANEL * panel_size(g) * sizeof(uint16_t);
	size_t strip = 0;

	bytes += own_bytes(g) * (threads > 0 ? threads : 1);
	if (needs_strip(g) && (__builtin_mul_overflow(nc * sizeof(float),
	    ((size_t)g->m + 31) / 32 * 32, &strip) ||
	    __builtin_add_overflow(bytes, strip, &bytes)))
		return SIZE_MAX;
	return bytes;
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
	uint16_t *packed[2]; /* panels of B */
	char *own;           /* own_bytes() for each thread */
	float *strip;        /* [panels of A][panels of B][32][32], or NULL */
	uint32_t kc, sub, nc_max, parts, rows, cols;
	bool stream;         /* C is large: written past the caches */
	atomic_uint next[3]; /* rectangles taken, by block number mod 3 */
};

struct block {
	uint32_t n0, nc, k0, kc;
	uint32_t steps, pm, pn; /* of k; panels of A and of B */
	uint32_t rect_m, rect_n; /* panels of one thread's bite */
	bool first, last;
	uint16_t *b;
};

/* A thread's own: panels [i0, i1) of A, where they are packed. */
struct own {
	uint16_t *a, *b;
	float *sum; /* [32][32] for each panel of A */
	uint32_t i0, i1, k0;
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

/* 32 short rows are too many for the processor to see them come. */
static void
fetch_step(const char *x, uint64_t row)
{
	int i;

	for (i = 0; i < 32; i++, x += row) {
		__builtin_prefetch(x);
		__builtin_prefetch(x + 64);
	}
}

/* Step p of panel i. */
static void
pack_step(const struct side *s, uint32_t i, uint32_t p)
{
	uint64_t row = s->x0 + i * TILE_PANEL, k = s->k0 + p;
	uint32_t steps = ceil_div(s->kc, 32), left = s->n - i * TILE_PANEL;

	if (p + 32 + AHEAD <= s->kc && left >= TILE_PANEL)
		fetch_step(s->x + (s->down ? (k + AHEAD) * s->ld + row :
		    row * s->ld + k + AHEAD) * s->size, s->ld * s->size);
	s->pack(s->x + (s->down ? k * s->ld + row : row * s->ld + k) * s->size,
	    s->ld, MIN(left, (uint32_t)TILE_PANEL), MIN(s->kc - p, 32u),
	    s->out + ((size_t)i * steps + p / 32) * s->step);
}

/* Panels [from, to), read as they lie in memory: along k, or across panels. */
static void
pack_side(const struct side *s, uint32_t from, uint32_t to)
{
	uint32_t i, p;

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

static struct side
side_b(const struct job *j, const struct block *b, uint16_t *out)
{
	const struct lt_gemm *g = j->g;

	return (struct side){ pack_b[g->b][!g->tb], j->b, g->ldb, b->n0, b->k0,
		!g->tb, b->nc, b->kc, out, lt_dtype_size(g->b),
		j->parts * TILE_STEP };
}

static size_t
panel(const struct job *j, const struct block *b)
{
	return (size_t)b->steps * j->parts * TILE_STEP;
}

/* Panels [i0, i1) of A for this block. */
static void
take_rows(const struct job *j, const struct block *b, struct own *own,
    uint32_t i0, uint32_t i1)
{
	const struct lt_gemm *g = j->g;
	struct side a = { pack_a[g->a][g->ta], j->a, g->lda, i0 * TILE_PANEL,
		b->k0, g->ta, g->m - i0 * TILE_PANEL, b->kc, own->a,
		lt_dtype_size(g->a), j->parts * TILE_STEP };

	if (own->i0 == i0 && own->i1 == i1 && own->k0 == b->k0)
		return;
	pack_side(&a, 0, i1 - i0);
	own->i0 = i0;
	own->i1 = i1;
	own->k0 = b->k0;
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

/* A whole square of f32 past the caches. */
static void
copy_square(const float *sum, float *c, size_t ldc)
{
	int i;

	for (i = 0; i < TILE_PANEL; i++, sum += TILE_PANEL, c += ldc) {
		_mm512_stream_ps(c, (__m512)v_load(sum));
		_mm512_stream_ps(c + 16, (__m512)v_load(sum + 16));
	}
}

/* Where the sums of a square gather. */
struct target {
	float *sum;
	size_t ld;
	bool add, in_c; /* to what is there; this is C, nothing is left to do */
	bool whole;
	int rows, cols;
};

/* C's lines, on their way while the sums are made. */
static void
fetch_square(const struct job *j, const struct block *b, uint32_t i,
    uint32_t n)
{
	const struct lt_gemm *g = j->g;
	size_t size = lt_dtype_size(g->c);
	const char *c = j->c + (i * TILE_PANEL * g->ldc + b->n0 +
	    n * TILE_PANEL) * size;
	int r;

	for (r = 0; r < TILE_PANEL; r++, c += g->ldc * size) {
		__builtin_prefetch(c, 1);
		if (size > 2)
			__builtin_prefetch(c + 64, 1);
	}
}

static struct target
target(const struct job *j, const struct block *b, const struct own *own,
    uint32_t i, uint32_t n)
{
	const struct lt_gemm *g = j->g;
	uint32_t i0 = i * TILE_PANEL, n0 = n * TILE_PANEL;
	struct target t = { .rows = MIN(g->m - i0, (uint32_t)TILE_PANEL),
		.cols = MIN(b->nc - n0, (uint32_t)TILE_PANEL),
		.ld = TILE_PANEL };

	t.whole = t.rows == TILE_PANEL && t.cols == TILE_PANEL;
	if (g->c == LT_F32 && t.whole && (j->epi == NULL || !b->last)) {
		t.add = g->acc || !b->first;
		t.in_c = t.add ? j->parts == 1 : !j->stream;
	}
	if (t.in_c) {
		t.sum = (float *)j->c + i0 * g->ldc + b->n0 + n0;
		t.ld = g->ldc;
	} else if (j->strip != NULL) {
		t.sum = j->strip + ((size_t)i * (j->nc_max / TILE_PANEL) + n) *
		    TILE_PANEL * TILE_PANEL;
		t.add = !b->first;
	} else {
		t.sum = own->sum + (size_t)(i - own->i0) * TILE_PANEL *
		    TILE_PANEL;
		t.add = false;
	}
	return t;
}

/* The sums into C, unless more of k is to come. */
static void
settle(const struct job *j, const struct block *b, const struct target *t,
    uint32_t i, uint32_t n)
{
	const struct lt_gemm *g = j->g;
	uint32_t i0 = i * TILE_PANEL, n0 = b->n0 + n * TILE_PANEL;
	bool plain = j->epi == NULL || !b->last;
	bool add = g->acc || !b->first;

	if (t->in_c || (j->strip != NULL && !b->last))
		return;
	if (g->c == LT_BF16 && t->whole && plain)
		j->tile->round(t->sum, (uint16_t *)j->c + i0 * g->ldc + n0,
		    g->ldc, j->stream);
	else if (t->whole && plain && !add)
		copy_square(t->sum, (float *)j->c + i0 * g->ldc + n0, g->ldc);
	else
		finish(j, b, t->sum, i0, n0, t->rows, t->cols, add);
}

/* Steps [p, p + steps) of panel i of A times those of a panel of B. */
static void
multiply(const struct job *j, const struct block *b, const struct own *own,
    uint32_t i, uint32_t p, int steps, const uint16_t *pb,
    const struct target *t)
{
	const struct gemm_tile *tile = j->tile;
	size_t step = (size_t)j->parts * TILE_STEP;
	const uint16_t *a = own->a + (i - own->i0) * panel(j, b) + p * step;
	bool add = t->add || p > 0;

	pb += p * step;
	if (j->parts > 1)
		tile->product_parts(steps, a, pb, t->sum, t->ld);
	else
		tile->product(steps, a, pb, t->sum, t->ld, add);
}

/* The panels of A times panel n of B, which lies at pb.  A square's sums are
 * settled while the next one is made: right away they would still be on their
 * way from the tiles. */
static void
column(const struct job *j, const struct block *b, const struct own *own,
    uint32_t n, const uint16_t *pb)
{
	uint32_t p, i = own->i1, most = j->sub / 32;
	struct target now, last = { .in_c = true };

	for (p = 0; p < b->steps; p += most)
		for (i = own->i0; i < own->i1; i++) {
			uint32_t steps = MIN(b->steps - p, most);

			now = target(j, b, own, i, n);
			if (now.whole && !j->stream && p + steps == b->steps)
				fetch_square(j, b, i, n);
			multiply(j, b, own, i, p, steps, pb, &now);
			if (p + steps < b->steps)
				continue;
			settle(j, b, &last, i - 1, n);
			last = now;
		}
	settle(j, b, &last, i - 1, n);
}

/* ---- blocks ---- */

/* As large as the second cache likes, then smaller until there are enough
 * for the threads to end together. */
static void
choose_rects(const struct job *j, struct block *b, int threads)
{
	uint32_t want = threads > 1 ? 4 * threads : 1;
	uint32_t tm = ceil_div(b->pm, ceil_div(b->pm, j->rows)), tn = b->pn;

	while (ceil_div(b->pm, tm) * ceil_div(b->pn, tn) < want && tn > 8)
		tn = (tn + 1) / 2;
	while (ceil_div(b->pm, tm) * ceil_div(b->pn, tn) < want && tm > 4)
		tm = (tm + 1) / 2;
	b->rect_m = tm;
	b->rect_n = tn;
}

static void
run_rects(const struct job *j, const struct block *b, atomic_uint *next,
    struct own *own)
{
	uint32_t across = ceil_div(b->pn, b->rect_n);
	uint32_t rects = ceil_div(b->pm, b->rect_m) * across, t, n;

	while ((t = atomic_fetch_add(next, 1)) < rects) {
		uint32_t i0 = t / across * b->rect_m;
		uint32_t j0 = t % across * b->rect_n;

		take_rows(j, b, own, i0, MIN(i0 + b->rect_m, b->pm));
		for (n = j0; n < MIN(j0 + b->rect_n, b->pn); n++)
			column(j, b, own, n, b->b + n * panel(j, b));
	}
}

static void
run_shared(struct job *j, struct block *b, unsigned turn, struct own *own,
    int me, int threads)
{
	struct side side = side_b(j, b, j->packed[turn % 2]);

	b->b = side.out;
	pack_side(&side, (uint64_t)b->pn * me / threads,
	    (uint64_t)b->pn * (me + 1) / threads);
	lt_pool_barrier(j->pool);
	/* everyone is past the block before this one */
	if (me == 0)
		atomic_store(&j->next[(turn + 2) % 3], 0);
	own->i1 = 0; /* panels hold another k, or none */
	run_rects(j, b, &j->next[turn % 3], own);
}

/* All rows, and a share of the columns. */
static void
run_alone(const struct job *j, const struct block *b, struct own *own, int me,
    int threads)
{
	uint32_t n = (uint64_t)b->pn * me / threads;
	uint32_t end = (uint64_t)b->pn * (me + 1) / threads, to;

	take_rows(j, b, own, 0, b->pm);
	for (; n < end; n = to) {
		struct side side = side_b(j, b, own->b - n * panel(j, b));

		to = MIN(n + j->cols, end);
		pack_side(&side, n, to);
		for (; n < to; n++)
			column(j, b, own, n, side.out + n * panel(j, b));
	}
}

static struct own
own_part(const struct job *j, int me)
{
	char *at = j->own + me * own_bytes(j->g);
	size_t bytes = panel_size(j->g) * sizeof(uint16_t);

	return (struct own){ .a = (uint16_t *)at,
		.b = (uint16_t *)(at + j->rows * bytes),
		.sum = (float *)(at + (j->rows + j->cols) * bytes) };
}

static void
part(void *arg, int me, int threads)
{
	struct job *j = arg;
	const struct lt_gemm *g = j->g;
	struct own own = own_part(j, me);
	struct block b = { .pm = ceil_div(g->m, TILE_PANEL) };
	unsigned turn = 0;

	j->tile->begin();
	for (b.n0 = 0; b.n0 < g->n; b.n0 += j->nc_max) {
		b.nc = MIN(g->n - b.n0, j->nc_max);
		b.pn = ceil_div(b.nc, TILE_PANEL);
		choose_rects(j, &b, threads);
		for (b.k0 = 0; b.k0 < g->k; b.k0 += j->kc, turn++) {
			b.kc = MIN(g->k - b.k0, j->kc);
			b.steps = ceil_div(b.kc, 32);
			b.first = b.k0 == 0;
			b.last = b.k0 + b.kc == g->k;
			if (b.pm <= ROWS)
				run_alone(j, &b, &own, me, threads);
			else
				run_shared(j, &b, turn, &own, me, threads);
		}
	}
	_mm_sfence(); /* streamed lines are there for all to see */
	j->tile->end();
}

/* Not read before it is written, lines of its own, and more than the second
 * cache would keep until somebody reads it. */
static bool
streams(const struct lt_gemm *g, const void *c)
{
	uint64_t row = g->ldc * lt_dtype_size(g->c);

	return !g->acc && row % 64 == 0 && (uintptr_t)c % 64 == 0 &&
	    row * g->m > STREAM_BYTES;
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
		.nc_max = equal_part(g->n, limits[g->a].nc, TILE_PANEL),
		.parts = most->parts,
		.rows = rows_most(g),
		.cols = cols_most(g),
		.stream = streams(g, c),
	};
	size_t strip = (size_t)j.nc_max / TILE_PANEL * panel_size(g);

	j.sub = equal_part(j.kc, most->sub, 32);
	if (epi != NULL && epi->bias == NULL && epi->resid == NULL)
		j.epi = NULL;
	j.packed[0] = workspace;
	j.packed[1] = j.packed[0] + strip;
	j.own = (char *)(j.packed[1] + strip);
	if (needs_strip(g))
		j.strip = (float *)(j.own +
		    own_bytes(g) * lt_pool_threads(pool));
	lt_pool_run(pool, part, &j);
}

#include "runtime/cpu/simd_end.h"
#endif
