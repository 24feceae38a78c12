/*
 * Matrix product: blocking, threads, epilogue.
 *
 *	for strips of columns, for blocks of depth:
 *		all threads pack B[kc, nc]; barrier
 *		each thread takes tiles of C in turn: packs its rows of A,
 *		runs the kernel of the CPU level over the register tiles
 *
 * The blocks of k are cut from k alone, so an element of C is the same sum in
 * the same order whoever computes it.  With several blocks of k a bf16 C
 * gathers in an f32 strip of the workspace and is rounded once at the end.
 * B is packed into two buffers in turn: one barrier per block is enough.
 */
#include "runtime/cpu/gemm.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/cpu/cpu.h"
#include "runtime/cpu/fp8.h"
#include "runtime/cpu/gemm_kernel.h"
#include "runtime/cpu/gemm_tile.h"
#include "runtime/cpu/pool.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define PACK_ROWS 16
#define A_FLOATS ((GEMM_MC + 2 * GEMM_MR_MAX) * (size_t)GEMM_LDA * 4 / 3)

struct job {
	const struct gemm_kernel *kernel;
	struct lt_pool *pool;
	const struct lt_gemm *g;
	const struct lt_gemm_epilogue *epi;
	const char *a, *b;
	char *c;
	float *packed_b[2];
	float *packed_a; /* A_FLOATS per thread */
	float *strip;    /* [m][nc_max], or NULL */
	uint32_t kc, nc_max;
	atomic_uint next[3]; /* tiles taken, by block number mod 3 */
};

/* One block of depth of one strip of columns. */
struct block {
	uint32_t n0, nc, k0, kc;
	uint32_t tile_m, tile_n; /* of C, one thread's bite */
	bool first, last;        /* of this strip */
	const float *b;
};

static uint32_t
ceil_div(uint32_t a, uint32_t b)
{
	return a / b + (a % b != 0);
}

static const struct gemm_kernel *
kernel_for_cpu(void)
{
#if defined(__x86_64__)
	static const struct gemm_kernel *const table[LT_CPU_LEVELS] = {
		&lt_gemm_base, &lt_gemm_avx2, &lt_gemm_avx512,
		&lt_gemm_avx512, &lt_gemm_avx512, &lt_gemm_avx512,
	};

	return table[lt_cpu_level()];
#else
	return &lt_gemm_base;
#endif
}

/* Products go to tiles where the level has them.  Not by their size: rows
 * and columns of a shard must meet the same sums as the whole's. */
static const struct gemm_tile *
tiles_for_cpu(const struct lt_gemm *g)
{
#if defined(__x86_64__)
	static const struct gemm_tile *const table[LT_CPU_LEVELS] = {
		[LT_CPU_AVX512_BF16] = &lt_gemm_tile_dot,
		[LT_CPU_TILE_EMU] = &lt_gemm_tile_emu,
		[LT_CPU_AMX] = &lt_gemm_tile_amx,
	};
	const struct gemm_tile *t = table[lt_cpu_level()];

	if (t != NULL && (lt_gemm_type(g) == LT_BF16 ||
	    t->product_parts != NULL))
		return t;
#else
	(void)g;
#endif
	return NULL;
}

/* Equal blocks no deeper than GEMM_KC. */
static uint32_t
depth(uint32_t k)
{
	uint32_t kc = ceil_div(k, ceil_div(k, GEMM_KC));

	return MIN((kc + 15) / 16 * 16, GEMM_KC);
}

static uint32_t
strip_width(uint32_t n)
{
	uint32_t nc = ceil_div(n, ceil_div(n, GEMM_NC));

	return (nc + GEMM_NR_MAX - 1) / GEMM_NR_MAX * GEMM_NR_MAX;
}

static bool
needs_strip(const struct lt_gemm *g)
{
	return g->c == LT_BF16 && g->k > GEMM_KC;
}

static const void *
at(const void *p, enum lt_dtype t, uint64_t i)
{
	return (const char *)p + i * lt_dtype_size(t);
}

/* The last block of k writes C with its epilogue, earlier ones gather. */
static void
store_tile(const struct job *j, const struct block *b, const float *tile,
    uint32_t i0, int rows, uint32_t j0, int cols)
{
	static const struct lt_gemm_epilogue none;
	const struct lt_gemm *g = j->g;
	const struct lt_gemm_epilogue *e = j->epi && b->last ? j->epi : &none;
	const void *bias = e->bias;
	const void *resid = NULL;
	uint32_t n0 = b->n0 + j0;
	int i;

	if (bias != NULL)
		bias = at(bias, e->bias_type, n0);
	for (i = 0; i < rows; i++) {
		void *c = j->c + (((i0 + i) * g->ldc) + n0) *
		    lt_dtype_size(g->c);
		enum lt_dtype type = g->c;
		const float *add = NULL;

		if (j->strip != NULL) {
			float *s = j->strip + (size_t)(i0 + i) * j->nc_max + j0;

			add = b->first ? NULL : s;
			if (!b->last) {
				c = s;
				type = LT_F32;
			}
		} else if (g->acc || !b->first) {
			add = c;
		}
		if (e->resid != NULL)
			resid = at(e->resid, e->resid_type,
			    (i0 + i) * e->ldr + n0);
		j->kernel->store(tile + i * j->kernel->nr, cols, c, type, add,
		    bias, e->bias_type, resid, e->resid_type);
	}
}

/* A whole tile with nothing but earlier sums to add goes straight to C. */
static bool
straight(const struct job *j, const struct block *b, int cols)
{
	return j->g->c == LT_F32 && cols == j->kernel->nr &&
	    !(j->epi && b->last);
}

static void
run_tile(const struct job *j, const struct block *b, const float *a,
    uint32_t i0, int rows, uint32_t j0)
{
	_Alignas(64) float tile[GEMM_MR_MAX * GEMM_NR_MAX];
	const struct gemm_kernel *kern = j->kernel;
	const float *pb = b->b + (size_t)j0 * b->kc;
	int cols = MIN(b->nc - j0, (uint32_t)kern->nr);
	bool direct = straight(j, b, cols);
	float *out = direct ?
	    (float *)j->c + i0 * j->g->ldc + b->n0 + j0 : tile;

	(j->g->ta ? kern->transposed : kern->plain)(rows, b->kc, a, pb, out,
	    direct ? j->g->ldc : (uint64_t)kern->nr,
	    direct && (j->g->acc || !b->first));
	if (!direct)
		store_tile(j, b, tile, i0, rows, j0, cols);
}

static void
run_tiles(const struct job *j, const struct block *b, const float *a,
    uint32_t i0, uint32_t mc, uint32_t j0, uint32_t nc)
{
	const struct gemm_kernel *kern = j->kernel;
	size_t panel = j->g->ta ? (size_t)kern->ma * b->kc :
	    (size_t)kern->mr * GEMM_LDA;
	uint32_t i, n;

	for (n = j0; n < j0 + nc; n += kern->nr)
		for (i = 0; i < mc; i += kern->mr)
			run_tile(j, b, a + i / kern->mr * panel, i0 + i,
			    MIN(mc - i, (uint32_t)kern->mr), n);
}

/* Rows [p0, p0 + rows) of the block's depth into panels [from, to). */
static void
pack_depth(const struct job *j, const struct block *b, float *out,
    uint32_t from, uint32_t to, uint32_t p0, uint32_t rows)
{
	const struct lt_gemm *g = j->g;
	uint32_t nr = j->kernel->nr, n;

	for (n = from * nr; n < MIN(to * nr, b->nc); n += nr) {
		uint64_t row = g->tb ? b->n0 + n : b->k0 + p0;
		uint64_t col = g->tb ? b->k0 + p0 : b->n0 + n;

		j->kernel->pack_b(at(j->b, g->b, row * g->ldb + col), g->ldb,
		    g->tb, g->b, lt_gemm_type(g) == LT_BF16, rows,
		    MIN(b->nc - n, nr),
		    out + (size_t)n * b->kc + (size_t)p0 * nr);
	}
}

/* Each thread packs panels that stand together.  Memory is read in order:
 * columns of many panels, some rows at a time, where rows lie along n. */
static void
pack_strip(const struct job *j, const struct block *b, float *out, int part,
    int parts)
{
	uint32_t panels = ceil_div(b->nc, j->kernel->nr);
	uint32_t from = (uint64_t)panels * part / parts;
	uint32_t to = (uint64_t)panels * (part + 1) / parts, p;
	uint32_t rows = j->g->tb ? b->kc : PACK_ROWS;

	for (p = 0; p < b->kc; p += rows)
		pack_depth(j, b, out, from, to, p, MIN(rows, b->kc - p));
}

/* Tiles as large as the caches like, then smaller until there are enough for
 * the threads to end together. */
static void
choose_tiles(const struct job *j, struct block *b, int parts)
{
	uint32_t mr = j->kernel->mr, nr = j->kernel->nr;
	uint32_t m = ceil_div(j->g->m, mr), n = ceil_div(b->nc, nr);
	uint32_t tm = MIN(m, GEMM_MC / mr), tn = n;
	uint32_t want = parts > 1 ? 4 * parts : 1;

	tm = ceil_div(m, ceil_div(m, tm));
	while (ceil_div(m, tm) * ceil_div(n, tn) < want && tn > 4)
		tn = (tn + 1) / 2;
	while (ceil_div(m, tm) * ceil_div(n, tn) < want && tm > 2)
		tm = (tm + 1) / 2;
	b->tile_m = tm * mr;
	b->tile_n = tn * nr;
}

static void
run_block(struct job *j, const struct block *b, atomic_uint *next, float *a)
{
	const struct lt_gemm *g = j->g;
	uint32_t tn = ceil_div(b->nc, b->tile_n);
	uint32_t tiles = ceil_div(g->m, b->tile_m) * tn;
	uint32_t t, packed = UINT32_MAX;

	while ((t = atomic_fetch_add(next, 1)) < tiles) {
		uint32_t i = t / tn * b->tile_m, n = t % tn * b->tile_n;
		uint32_t mc = MIN(g->m - i, b->tile_m);
		uint64_t row = g->ta ? b->k0 : i, col = g->ta ? i : b->k0;

		if (packed != i)
			j->kernel->pack_a(at(j->a, g->a, row * g->lda + col),
			    g->lda, g->ta, g->a, lt_gemm_type(g) == LT_BF16,
			    mc, b->kc, a);
		packed = i;
		run_tiles(j, b, a, i, mc, n, MIN(b->nc - n, b->tile_n));
	}
}

static void
part(void *arg, int me, int parts)
{
	struct job *j = arg;
	const struct lt_gemm *g = j->g;
	float *a = j->packed_a + me * A_FLOATS;
	unsigned turn = 0;
	struct block b;

	for (b.n0 = 0; b.n0 < g->n; b.n0 += j->nc_max) {
		b.nc = MIN(g->n - b.n0, j->nc_max);
		for (b.k0 = 0; b.k0 < g->k; b.k0 += j->kc, turn++) {
			b.kc = MIN(g->k - b.k0, j->kc);
			b.first = b.k0 == 0;
			b.last = b.k0 + b.kc == g->k;
			b.b = j->packed_b[turn % 2];
			choose_tiles(j, &b, parts);
			pack_strip(j, &b, j->packed_b[turn % 2], me, parts);
			lt_pool_barrier(j->pool);
			/* everyone is past the block before this one */
			if (me == 0)
				atomic_store(&j->next[(turn + 2) % 3], 0);
			run_block(j, &b, &j->next[turn % 3], a);
		}
	}
}

/* No depth: C is the epilogue alone. */
static void
store_nothing(struct job *j)
{
	static const float zero[GEMM_NR_MAX];
	struct block b = { .first = true, .last = true };
	uint32_t i, n;

	for (i = 0; i < j->g->m; i++)
		for (n = 0; n < j->g->n; n += j->kernel->nr)
			store_tile(j, &b, zero, i, 1, n,
			    MIN(j->g->n - n, (uint32_t)j->kernel->nr));
}

size_t
lt_gemm_workspace(const struct lt_gemm *g, int threads)
{
	size_t nc, bytes, strip, tiles;

	if (g->k == 0 || g->m == 0 || g->n == 0)
		return 0;
	if (lt_is_fp8(g->a))
		return lt_gemm_fp8_workspace(g, threads);
	nc = strip_width(g->n);
	bytes = 2 * nc * depth(g->k) * sizeof(float);
	bytes += A_FLOATS * sizeof(float) * (threads > 0 ? threads : 1);
	if (needs_strip(g)) {
		if (__builtin_mul_overflow(nc * sizeof(float), g->m, &strip) ||
		    __builtin_add_overflow(bytes, strip, &bytes))
			return SIZE_MAX;
	}
	tiles = lt_gemm_tile_workspace(g, threads);
	if (tiles == SIZE_MAX)
		return SIZE_MAX;
	return ((bytes > tiles ? bytes : tiles) + 63) / 64 * 64;
}

void
lt_gemm(struct lt_pool *pool, const struct lt_gemm *g, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *epi, void *workspace)
{
	struct job j = {
		.kernel = kernel_for_cpu(),
		.pool = pool,
		.g = g,
		.epi = epi,
		.a = a,
		.b = b,
		.c = c,
	};
	float *ws = workspace;
	size_t b_floats;

	if (g->k == 0) {
		store_nothing(&j);
		return;
	}
	if (lt_is_fp8(g->a)) {
		lt_gemm_fp8(pool, g, a, b, c, epi, workspace);
		return;
	}
	if (epi != NULL && epi->bias == NULL && epi->resid == NULL)
		j.epi = NULL;
	if (tiles_for_cpu(g) != NULL) {
		lt_gemm_tile(tiles_for_cpu(g), pool, g, a, b, c, epi, ws);
		return;
	}
	j.kc = depth(g->k);
	j.nc_max = strip_width(g->n);
	b_floats = (size_t)j.nc_max * j.kc;
	j.packed_b[0] = ws;
	j.packed_b[1] = ws + b_floats;
	j.packed_a = ws + 2 * b_floats;
	if (needs_strip(g))
		j.strip = j.packed_a + A_FLOATS * lt_pool_threads(pool);
	lt_pool_run(pool, part, &j);
}
