/*
 * Inside gemm_tile.c: panels of A and of B are packed, as bf16 or as three
 * parts of f32.  After simd.h, 16 lanes.
 */
#ifndef LT_RUNTIME_CPU_GEMM_TILE_SIDE_H
#define LT_RUNTIME_CPU_GEMM_TILE_SIDE_H

#include "runtime/cpu/gemm_tile_job.h"
#include "runtime/cpu/tile_pack.h"
#include "runtime/cpu/tile_split.h"

enum { AHEAD = 32 }; /* of k, fetched before it is packed */

/* By type and by the way k lies: [0] contiguous, [1] down. */
static tile_pack_fn *const pack_a[][2] = {
	[LT_F32] = { split_rows, split_cols },
	[LT_BF16] = { pack_rows, pack_cols },
};
static tile_pack_fn *const pack_b[][2] = {
	[LT_F32] = { split_rows_paired, split_cols_paired },
	[LT_BF16] = { pack_rows_paired, pack_cols_paired },
};

/* One side of a block: n rows or columns from x0 on. */
struct side {
	tile_pack_fn *pack;
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

/* The product is one of bf16: floats are rounded on their way. */
static bool
rounds(const struct lt_gemm *g, enum lt_dtype t)
{
	return t == LT_F32 && lt_gemm_type(g) == LT_BF16;
}

static struct side
side_b(const struct job *j, const struct block *b, uint16_t *out)
{
	const struct lt_gemm *g = j->g;

	return (struct side){ rounds(g, g->b) ? j->tile->round_b[!g->tb] :
		pack_b[g->b][!g->tb], j->b, g->ldb, b->n0, b->k0,
		!g->tb, b->nc, b->kc, out, lt_dtype_size(g->b),
		j->parts * TILE_STEP };
}

/* Panels [i0, i1) of A for this block. */
static void
take_rows(const struct job *j, const struct block *b, struct own *own,
    uint32_t i0, uint32_t i1)
{
	const struct lt_gemm *g = j->g;
	struct side a = { rounds(g, g->a) ? j->tile->round_a[g->ta] :
		pack_a[g->a][g->ta], j->a, g->lda, i0 * TILE_PANEL,
		b->k0, g->ta, g->m - i0 * TILE_PANEL, b->kc, own->a,
		lt_dtype_size(g->a), j->parts * TILE_STEP };

	if (own->i0 == i0 && own->i1 == i1 && own->k0 == b->k0)
		return;
	pack_side(&a, 0, i1 - i0);
	own->i0 = i0;
	own->i1 = i1;
	own->k0 = b->k0;
}

#endif
