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
#include "runtime/cpu/gemm_tile_job.h"

enum {
	ROWS = 16,             /* panels of A a thread holds, at most */
	ROWS_BYTES = 768 << 10, /* and their bytes, unless they are all */
	COLS = 8,               /* panels of B it packs for itself, at most */
	COLS_BYTES = 256 << 10,
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

/* Equal parts of n, none above `most`, each a multiple of `unit`. */
static uint32_t
equal_part(uint32_t n, uint32_t most, uint32_t unit)
{
	return ceil_div(ceil_div(n, ceil_div(n, most)), unit) * unit;
}

static bool
needs_strip(const struct lt_gemm *g)
{
	return g->c == LT_BF16 && g->k > limits[lt_gemm_type(g)].kc;
}

/* Elements of a packed panel. */
static size_t
panel_size(const struct lt_gemm *g)
{
	return (size_t)equal_part(g->k, limits[lt_gemm_type(g)].kc, 32) * TILE_PANEL *
	    limits[lt_gemm_type(g)].parts;
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
	size_t nc = equal_part(g->n, limits[lt_gemm_type(g)].nc, TILE_PANEL);
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

#include "runtime/cpu/pool.h"

#define LT_SIMD 16
#include "runtime/cpu/simd.h"
#include "runtime/cpu/gemm_tile_put.h"
#include "runtime/cpu/gemm_tile_side.h"

/* ---- products ---- */

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
	const struct limits *most = &limits[lt_gemm_type(g)];
	struct job j = {
		.tile = tile, .pool = pool, .g = g, .epi = epi,
		.a = a, .b = b, .c = c,
		.kc = equal_part(g->k, most->kc, 32),
		.nc_max = equal_part(g->n, limits[lt_gemm_type(g)].nc, TILE_PANEL),
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
