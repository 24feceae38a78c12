/*
 * Inside gemm_tile.c: where the sums of a square of C gather, and how they get
 * into C.  After simd.h, 16 lanes.
 */
#ifndef LT_RUNTIME_CPU_GEMM_TILE_PUT_H
#define LT_RUNTIME_CPU_GEMM_TILE_PUT_H

#include "runtime/cpu/gemm_tile_job.h"
#include "runtime/cpu/halves.h"

INLINE vf
get_some(const void *p, size_t i, enum lt_dtype t, int n)
{
	__m256i h;

	if (t != LT_BF16)
		return load_floats((const float *)p + i, n);
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

#endif
