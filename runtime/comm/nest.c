/* Copies and sums of boxes. */
#include "runtime/comm/nest.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/cpu/act.h"
#include "runtime/cpu/pool.h"

/* Below this many bytes waking the pool costs more than it brings. */
enum { PARALLEL = 1 << 18, BLOCK = 1024 };

struct lt_nest
lt_nest_of(int rank, const uint64_t n[], const uint64_t src[],
    const uint64_t dst[])
{
	uint64_t s = 1, d = 1, loop[LT_RANK_MAX], ls[LT_RANK_MAX],
	    ld[LT_RANK_MAX];
	struct lt_nest x = {.rows = 1, .len = 1};
	int k = 0;

	for (int i = rank - 1; i >= 0; s *= src[i], d *= dst[i], i--) {
		if (n[i] == 1)
			continue;
		if (k == 0 && s == x.len && d == x.len) {
			x.len *= n[i];
		} else if (k && s == ls[k - 1] * loop[k - 1] &&
		    d == ld[k - 1] * loop[k - 1]) {
			loop[k - 1] *= n[i];
		} else {
			loop[k] = n[i];
			ls[k] = s;
			ld[k++] = d;
		}
	}
	for (x.rank = k; k > 0; k--) {
		x.n[x.rank - k] = loop[k - 1];
		x.src[x.rank - k] = ls[k - 1];
		x.dst[x.rank - k] = ld[k - 1];
		x.rows *= loop[k - 1];
	}
	return x;
}

/* ---- walking ---- */

/* n elements that lie together: their places in the packed piece, in the
 * source box, in the destination box. */
typedef void row_fn(void *arg, uint64_t packed, uint64_t src, uint64_t dst,
    uint64_t n);

struct cursor {
	uint64_t at[LT_RANK_MAX], src, dst;
};

static void
set(const struct lt_nest *x, uint64_t row, struct cursor *c)
{
	*c = (struct cursor){.src = 0};
	for (int i = x->rank - 1; i >= 0; i--) {
		c->at[i] = row % x->n[i];
		c->src += c->at[i] * x->src[i];
		c->dst += c->at[i] * x->dst[i];
		row /= x->n[i];
	}
}

static void
next(const struct lt_nest *x, struct cursor *c)
{
	for (int i = x->rank - 1; i >= 0; i--) {
		c->src += x->src[i];
		c->dst += x->dst[i];
		if (++c->at[i] < x->n[i])
			return;
		c->src -= x->n[i] * x->src[i];
		c->dst -= x->n[i] * x->dst[i];
		c->at[i] = 0;
	}
}

/* Elements lo..hi-1 of the piece. */
static void
walk(const struct lt_nest *x, uint64_t lo, uint64_t hi, row_fn *fn, void *arg)
{
	struct cursor c;
	uint64_t skip;

	if (lo >= hi)
		return;
	set(x, lo / x->len, &c);
	skip = lo % x->len;
	while (lo < hi) {
		uint64_t n = x->len - skip < hi - lo ? x->len - skip : hi - lo;

		fn(arg, lo, c.src + skip, c.dst + skip, n);
		lo += n;
		skip = 0;
		next(x, &c);
	}
}

struct job {
	const struct lt_nest *nest;
	row_fn *fn;
	size_t size;
	char *dst;
	const struct lt_source *src;
	int n;
	bool max;
};

static void
part_of(void *arg, int part, int parts)
{
	struct job *j = arg;
	uint64_t all = j->nest->rows * j->nest->len;
	uint64_t each = (all / (uint64_t)parts + 63) / 64 * 64;
	uint64_t lo = each * (uint64_t)part, hi = lo + each;

	if (part == parts - 1 || hi > all)
		hi = all;
	walk(j->nest, lo, hi, j->fn, j);
}

static void
run(struct lt_pool *pool, struct job *j)
{
	if (j->nest->rows * j->nest->len * j->size < PARALLEL)
		part_of(j, 0, 1);
	else
		lt_pool_run(pool, part_of, j);
}

/* ---- what is done to a row ---- */

static void
copy_row(void *arg, uint64_t packed, uint64_t src, uint64_t dst, uint64_t n)
{
	const struct job *j = arg;

	memcpy(j->dst + dst * j->size, j->src->at +
	    (j->src->packed ? packed : src) * j->size, n * j->size);
}

static void
pack_row(void *arg, uint64_t packed, uint64_t src, uint64_t dst, uint64_t n)
{
	(void)dst;
	copy_row(arg, src, src, packed, n);
}

LT_CLONES static void
add(float *restrict sum, const float *restrict x, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		sum[i] += x[i];
}

/* Numbers from 0 on are in the order of their bits, NaN after infinity. */
static void
largest(float *restrict max, const float *restrict x, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		max[i] = lt_bits(x[i]) > lt_bits(max[i]) ? x[i] : max[i];
}

/* In blocks that stay in the nearest cache; the destination is written last,
 * since it may be a source. */
static void
sum_row(void *arg, uint64_t packed, uint64_t src, uint64_t dst, uint64_t n)
{
	const struct job *j = arg;
	float sum[BLOCK];

	for (uint64_t lo = 0; lo < n; lo += BLOCK) {
		uint64_t m = n - lo < BLOCK ? n - lo : BLOCK;

		for (int i = 0; i < j->n; i++) {
			const struct lt_source *s = &j->src[i];
			const float *x = (const float *)(const void *)s->at +
			    (s->packed ? packed : src) + lo;

			if (i == 0)
				memcpy(sum, x, m * sizeof *x);
			else
				(j->max ? largest : add)(sum, x, m);
		}
		memcpy((float *)(void *)j->dst + dst + lo, sum,
		    m * sizeof *sum);
	}
}

void
lt_nest_copy(struct lt_pool *pool, const struct lt_nest *x, size_t size,
    char *dst, struct lt_source src)
{
	struct job j = {x, copy_row, size, dst, &src, 1, false};

	run(pool, &j);
}

void
lt_nest_sum(struct lt_pool *pool, const struct lt_nest *x, float *dst, int n,
    const struct lt_source src[])
{
	struct job j = {x, sum_row, sizeof(float), (char *)dst, src, n,
	    false};

	run(pool, &j);
}

void
lt_nest_max(struct lt_pool *pool, const struct lt_nest *x, float *dst, int n,
    const struct lt_source src[])
{
	struct job j = {x, sum_row, sizeof(float), (char *)dst, src, n, true};

	run(pool, &j);
}

void
lt_nest_pack(const struct lt_nest *x, size_t size, char *packed,
    const char *src)
{
	struct lt_source s = {src, 0};
	struct job j = {x, pack_row, size, packed, &s, 1, false};

	part_of(&j, 0, 1);
}
