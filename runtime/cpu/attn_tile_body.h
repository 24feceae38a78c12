/*
 * Attention on bf16 tiles; the file that includes this defines ATTN_NAME, the
 * table, and ATTN_TILE, the products it takes.
 *
 * Scores stand transposed, keys down and queries across: maxima and sums over
 * keys need no sums across a vector, and
 *
 *	S' = K Q'     P' = 2^(S' scale - max)     O' += V' P'
 *	dP' = dO V'   dV += P' dO   dK += dS' Q   dQ' += K' dS'
 *
 * all read their left side by rows and their right side by pairs of rows, as
 * tiles want them.  P and dS are rounded to bf16 before they are multiplied.
 */
#include "runtime/cpu/attn_row.h"
#include "runtime/cpu/halves.h"
#include "runtime/cpu/tile_pack.h"

#define QV (AB / VL) /* vectors across the queries of a block */
#define TALL (2 * TILE_STEP) /* a panel AB deep */
#define D_MAX LT_ATTN_D_MAX

/* A running maximum may lag by this much (in base 2) before sums are moved:
 * no weight exceeds 2^LAG. */
#define LAG 8.0f

static int
padded(int d)
{
	return (d + 31) / 32 * 32;
}

/* Interleaves the halves of a pair of vectors: a[0], b[0], a[1], ... */
INLINE half32
zip(half32 h)
{
	const half32 order = _mm512_set_epi32(0x001f000f, 0x001e000e,
	    0x001d000d, 0x001c000c, 0x001b000b, 0x001a000a, 0x00190009,
	    0x00180008, 0x00170007, 0x00160006, 0x00150005, 0x00140004,
	    0x00130003, 0x00120002, 0x00110001, 0x00100000);

	return _mm512_permutexvar_epi16(order, h);
}

/* ---- packing ---- */

/* Rows as two panels, d deep. */
INLINE void
pack_deep(struct head h, int rows, int d, bool paired, uint16_t *out)
{
	const uint16_t *x = h.data;
	int r, c;

	for (r = 0; r < AB; r += 32)
		for (c = 0; c < padded(d); c += 32, out += TILE_STEP)
			if (paired)
				pack_rows_paired(x + r * h.stride + c, h.stride,
				    rows - r, d - c, out);
			else
				pack_rows(x + r * h.stride + c, h.stride,
				    rows - r, d - c, out);
}

/* Columns as panels, AB deep. */
INLINE void
pack_tall(struct head h, int rows, int d, bool paired, uint16_t *out)
{
	const uint16_t *x = h.data;
	int r, c;

	for (c = 0; c < padded(d); c += 32)
		for (r = 0; r < AB; r += 32, out += TILE_STEP)
			if (paired)
				pack_cols_paired(x + r * h.stride + c, h.stride,
				    d - c, rows - r, out);
			else
				pack_cols(x + r * h.stride + c, h.stride,
				    d - c, rows - r, out);
}

static void
pack_fwd(struct head k, struct head v, int rows, int d, float *pk, float *pv)
{
	pack_deep(k, rows, d, false, (uint16_t *)pk);
	pack_tall(v, rows, d, false, (uint16_t *)pv);
}

static void
pack_keys(struct head k, struct head v, int rows, int d, float *pk, float *pkt,
    float *pvt)
{
	pack_deep(k, rows, d, false, (uint16_t *)pk);
	pack_tall(k, rows, d, false, (uint16_t *)pkt);
	pack_deep(v, rows, d, false, (uint16_t *)pvt);
}

static void
pack_queries(struct head q, struct head dout, int rows, int d, float *pq,
    float *pdout)
{
	pack_deep(q, rows, d, true, (uint16_t *)pq);
	pack_tall(q, rows, d, true, (uint16_t *)pq + AB * padded(d));
	pack_deep(dout, rows, d, true, (uint16_t *)pdout);
	pack_tall(dout, rows, d, true, (uint16_t *)pdout + AB * padded(d));
}

/* ---- products ---- */

/* out[AB keys][AB queries] = rows of a times rows of b, d deep */
INLINE void
scores(int d, const uint16_t *a, const uint16_t *b, float *out)
{
	int steps = padded(d) / 32, i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++)
			ATTN_TILE.product(steps, a + i * steps * TILE_STEP,
			    b + j * steps * TILE_STEP, out + i * 32 * AB +
			    j * 32, AB, false);
}

/* c[32 pa][32 pb] += panels of a times panels of b, AB deep */
INLINE void
gather(int pa, int pb, const uint16_t *a, const uint16_t *b, float *c)
{
	int i, j;

	for (i = 0; i < pa; i++)
		for (j = 0; j < pb; j++)
			ATTN_TILE.product(2, a + i * TALL, b + j * TALL,
			    c + (size_t)i * 32 * pb * 32 + j * 32, pb * 32,
			    true);
}

/* ---- masks ---- */

/* The queries of vector v of block i. */
struct column {
	vi pos, doc;
};

INLINE struct column
column(const struct attn_mask *m, uint32_t b, uint32_t i, int v)
{
	struct column c = { .pos = v_loadi(m->q.pos + i * AB + v * VL) };

	if (m->q.doc != NULL)
		c.doc = v_loadi(m->q.doc +
		    ((size_t)b * m->q.blocks + i) * AB + v * VL);
	return c;
}

/* Those that see key y of block j. */
INLINE __mmask16
visible(const struct attn_mask *m, uint32_t b, uint32_t j, int y,
    const struct column *c)
{
	int32_t pos = m->k.pos[j * AB + y];
	__m512i x = (__m512i)c->pos;
	__mmask16 seen = 0xffff;

	if (pos == INT32_MAX)
		return 0;
	if (m->p->causal)
		seen = _mm512_cmpge_epi32_mask(x, _mm512_set1_epi32(pos));
	if (m->p->window > 0) {
		int64_t end = (int64_t)pos + m->p->window;

		seen &= _mm512_cmplt_epi32_mask(x, _mm512_set1_epi32(
		    end > INT32_MAX ? INT32_MAX : (int32_t)end));
	}
	if (m->k.doc != NULL)
		seen &= _mm512_cmpeq_epi32_mask((__m512i)c->doc,
		    _mm512_set1_epi32(m->k.doc[((size_t)b * m->k.blocks + j) *
		        AB + y]));
	return seen;
}

/* ---- forward ---- */

struct soft {
	uint16_t q[AB * D_MAX];
	float o[D_MAX * AB]; /* [dt][AB], not yet divided by sum */
	float s[AB * AB];    /* [keys][queries] */
	uint16_t p[AB * AB]; /* tiles of B */
	float max[AB], sum[AB];
};

/* Scaled scores of vector v, hidden ones at -inf. */
static void
hide(const struct fwd_task *t, uint32_t j, float *s, int v, vf unit)
{
	struct column c = column(t->mask, t->b, t->block, v);
	int y;

	for (y = 0; y < AB; y++) {
		float *x = s + y * AB + v * VL;
		__mmask16 m = visible(t->mask, t->b, j, y, &c);

		v_store(x, (vf)_mm512_mask_mul_ps(
		    _mm512_set1_ps(-INFINITY), m, (__m512)v_load(x),
		    (__m512)unit));
	}
}

/* The maximum that vector v goes by from here; earlier sums move to it. */
INLINE vf
raise(struct soft *x, int v, int dt, vf top)
{
	vf max = v_load(x->max + v * VL), up, shift;
	__mmask16 grown = _mm512_cmp_ps_mask((__m512)top,
	    (__m512)(max + v_set(LAG)), _CMP_GT_OQ);
	int c;

	if (grown == 0)
		return max;
	up = (vf)_mm512_mask_mov_ps((__m512)max, grown, (__m512)top);
	shift = (vf)_mm512_mask_mov_ps(_mm512_set1_ps(1), grown,
	    (__m512)v_exp2(max - up));
	v_store(x->max + v * VL, up);
	v_store(x->sum + v * VL, shift * v_load(x->sum + v * VL));
	for (c = 0; c < dt; c++) {
		float *o = x->o + c * AB + v * VL;

		v_store(o, shift * v_load(o));
	}
	return up;
}

/* Weights of vector v of the queries, into tiles. */
INLINE void
soften_vector(struct soft *x, int v, int dt, vf unit, bool masked)
{
	const float *s = x->s + v * VL;
	uint16_t *p = x->p + v / 2 * TALL + v % 2 * (TILE_STEP / 2);
	vf top[4], at, sum[2] = { v_set(0), v_set(0) };
	int y, i;

	UNROLL
	for (i = 0; i < 4; i++)
		top[i] = v_load(s + i * AB) * unit;
	for (y = 4; y < AB; y += 4) {
		UNROLL
		for (i = 0; i < 4; i++)
			top[i] = v_max(v_load(s + (y + i) * AB) * unit, top[i]);
	}
	at = raise(x, v, dt,
	    v_max(v_max(top[0], top[1]), v_max(top[2], top[3])));
	for (y = 0; y < AB; y += 2) {
		vf e[2];

		UNROLL
		for (i = 0; i < 2; i++) {
			vf z = v_load(s + (y + i) * AB);

			e[i] = v_exp2(v_fma(z, unit, -at));
			if (masked) /* exactly nothing from what is hidden */
				e[i] = v_pick((vi)(z == v_set(-INFINITY)),
				    v_set(0), e[i]);
			sum[i] += e[i];
		}
		_mm512_store_si512(p + y / 32 * TILE_STEP + y % 32 * 16,
		    zip(two_halves(e[0], e[1])));
	}
	v_store(x->sum + v * VL, v_load(x->sum + v * VL) + (sum[0] + sum[1]));
}

static void
soften(struct soft *x, int dt, vf unit)
{
	int v;

	for (v = 0; v < QV; v++)
		soften_vector(x, v, dt, unit, false);
}

static void
soften_masked(const struct fwd_task *t, uint32_t j, struct soft *x, int dt,
    vf unit)
{
	int v;

	for (v = 0; v < QV; v++) {
		hide(t, j, x->s, v, unit);
		soften_vector(x, v, dt, v_set(1), true);
	}
}

/* in[c][AB] from column r on, 16 rows of dt */
INLINE void
turn(const float *in, int r, int dt, float *out)
{
	int c, i;

	for (c = 0; c < dt; c += 16) {
		vf x[16];

		UNROLL
		for (i = 0; i < 16; i++)
			x[i] = v_load(in + (c + i) * AB + r);
		v_transpose(x);
		UNROLL
		for (i = 0; i < 16; i++)
			v_store(out + i * dt + c, x[i]);
	}
}

static void
fwd(const struct fwd_task *t)
{
	_Alignas(64) struct soft x;
	_Alignas(64) float rows[16 * D_MAX];
	const vf unit = v_set(t->mask->p->scale * LOG2E);
	int dt = padded(t->d), r;
	uint32_t j;

	memset(x.o, 0, sizeof(float) * AB * dt);
	pack_deep(t->q, t->rows, t->d, true, x.q);
	for (r = 0; r < AB; r++) {
		x.max[r] = NEVER;
		x.sum[r] = 0;
	}
	for (j = 0; j < (uint32_t)t->mask->k.blocks; j++) {
		enum block_kind kind = lt_attn_block(t->mask, t->b, t->block, j);

		if (kind == BLOCK_EMPTY)
			continue;
		scores(t->d, (const uint16_t *)(t->k + j * t->step), x.q, x.s);
		if (kind == BLOCK_PART)
			soften_masked(t, j, &x, dt, unit);
		else
			soften(&x, dt, unit);
		gather(dt / 32, 2, (const uint16_t *)(t->v + j * t->step), x.p,
		    x.o);
	}
	for (r = 0; r < t->rows; r++) {
		if (r % 16 == 0)
			turn(x.o, r, dt, rows);
		finish_row(t, r, rows + r % 16 * dt, x.max[r], x.sum[r]);
	}
}

/* ---- backward ---- */

struct slope {
	float s[AB * AB], t[AB * AB]; /* S' and dP' */
	uint16_t p[AB * AB];          /* P', tiles of A */
	uint16_t ds[AB * AB];         /* dS', tiles of A */
	uint16_t pairs[AB * AB];      /* dS', tiles of B */
};

/* Keys y and y + 1 of vectors v and v + 1. */
INLINE void
grad_quad(const struct bwd_head *h, uint32_t i, uint32_t j, int y, int v,
    const struct column *col, struct slope *x, bool masked)
{
	const float scale = h->mask->p->scale;
	uint16_t *a = x->p + y / 32 * TALL + v / 2 * TILE_STEP + y % 32 * 32;
	uint16_t *b = x->pairs + v / 2 * TALL + y / 32 * TILE_STEP +
	    y % 32 * 16;
	vf e[2][2], d[2][2];
	int r, c;

	UNROLL
	for (r = 0; r < 2; r++) {
		UNROLL
		for (c = 0; c < 2; c++) {
			size_t at = (y + r) * AB + (v + c) * VL;
			size_t q = (size_t)i * AB + (v + c) * VL;

			e[r][c] = v_exp2(v_fma(v_load(x->s + at),
			    v_set(scale * LOG2E), -v_load(h->z2 + q)));
			if (masked)
				e[r][c] = (vf)_mm512_maskz_mov_ps(visible(
				    h->mask, h->b, j, y + r, &col[c]),
				    (__m512)e[r][c]);
			d[r][c] = e[r][c] * v_set(scale) *
			    (v_load(x->t + at) - v_load(h->delta + q));
		}
		_mm512_store_si512(a + r * 32, two_halves(e[r][0], e[r][1]));
		_mm512_store_si512(a + (x->ds - x->p) + r * 32,
		    two_halves(d[r][0], d[r][1]));
	}
	UNROLL
	for (c = 0; c < 2; c++)
		_mm512_store_si512(b + c * (TILE_STEP / 2),
		    zip(two_halves(d[0][c], d[1][c])));
}

INLINE void
grad_type(const struct bwd_head *h, uint32_t i, uint32_t j, struct slope *x,
    bool masked)
{
	int y, v;

	for (v = 0; v < QV; v += 2) {
		struct column col[2] = { { .pos = { 0 } } };

		if (masked) {
			col[0] = column(h->mask, h->b, i, v);
			col[1] = column(h->mask, h->b, i, v + 1);
		}
		for (y = 0; y < AB; y += 2)
			grad_quad(h, i, j, y, v, col, x, masked);
	}
}

static void
grad(const struct bwd_head *h, uint32_t i, uint32_t j, struct slope *x)
{
	grad_type(h, i, j, x, false);
}

static void
grad_masked(const struct bwd_head *h, uint32_t i, uint32_t j, struct slope *x)
{
	grad_type(h, i, j, x, true);
}

static void
bwd(const struct bwd_head *h, uint32_t i, uint32_t j, enum block_kind kind,
    float *dq, float *dk, float *dv)
{
	_Alignas(64) struct slope x;
	const uint16_t *q = (const uint16_t *)(h->q + i * h->step);
	const uint16_t *dout = (const uint16_t *)(h->dout + i * h->step);
	const uint16_t *kt = (const uint16_t *)(h->kt + j * h->step);
	size_t tall = (size_t)AB * padded(h->d);
	int panels = padded(h->d) / 32;

	scores(h->d, (const uint16_t *)(h->k + j * h->step), q, x.s);
	scores(h->d, (const uint16_t *)(h->vt + j * h->step), dout, x.t);
	if (kind == BLOCK_PART)
		grad_masked(h, i, j, &x);
	else
		grad(h, i, j, &x);
	if (dv != NULL)
		gather(2, panels, x.p, dout + tall, dv);
	if (dk != NULL)
		gather(2, panels, x.ds, q + tall, dk);
	if (dq != NULL)
		gather(panels, 2, kt, x.pairs, dq);
}

static void
unpack_keys(const float *in, int rows, int d, struct head h, bool add)
{
	int r;

	for (r = 0; r < rows; r++)
		put_row(in + (size_t)r * padded(d), 1, d, (void *)h.data,
		    r * h.stride, h.type, add);
}

static void
unpack_queries(const float *in, int rows, int d, struct head h, bool add)
{
	_Alignas(64) float out[16 * D_MAX];
	int r;

	for (r = 0; r < rows; r++) {
		if (r % 16 == 0)
			turn(in, r, padded(d), out);
		put_row(out + r % 16 * padded(d), 1, d, (void *)h.data,
		    r * h.stride, h.type, add);
	}
}

static void
begin(void)
{
	ATTN_TILE.begin();
}

static void
end(void)
{
	ATTN_TILE.end();
}

const struct attn_kernel ATTN_NAME = {
	.begin = begin,
	.end = end,
	.pack_fwd = pack_fwd,
	.pack_keys = pack_keys,
	.pack_queries = pack_queries,
	.unpack_keys = unpack_keys,
	.unpack_queries = unpack_queries,
	.fwd = fwd,
	.bwd = bwd,
};

#include "runtime/cpu/simd_end.h"
