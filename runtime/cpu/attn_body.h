/*
 * Attention kernels of one CPU level; the file that includes this defines
 * ATTN_NAME, the table, and TILE_V, vectors per register tile of 4 rows.
 * Exponentials are in base 2: scores carry scale * log2(e).
 */
#include <math.h>

#include "runtime/cpu/attn_kernel.h"
#include "runtime/cpu/simd.h"
#include "runtime/cpu/attn_row.h"

#define BV (AB / VL)   /* vectors per row of a block of scores */

/* Widest vectors of any level: packed sizes do not depend on it. */
static int
padded(int d)
{
	return (d + 15) / 16 * 16;
}

/* 4 rows by nv vectors of C (+)= A B; A at a[i * si + p * sp]. */
INLINE void
tile(int nv, int k, const float *a, size_t si, size_t sp, const float *b,
    size_t ldb, float *c, size_t ldc, bool acc)
{
	vf s[4][TILE_V];
	int i, j, p;

	UNROLL
	for (i = 0; i < 4; i++) {
		UNROLL
		for (j = 0; j < nv; j++)
			s[i][j] = acc ? v_load(c + i * ldc + j * VL) : v_set(0);
	}
	for (p = 0; p < k; p++) {
		vf x[TILE_V];

		UNROLL
		for (j = 0; j < nv; j++)
			x[j] = v_load(b + j * VL);
		UNROLL
		for (i = 0; i < 4; i++) {
			vf y = v_set(a[i * si]);

			UNROLL
			for (j = 0; j < nv; j++)
				s[i][j] = v_fma(y, x[j], s[i][j]);
		}
		a += sp;
		b += ldb;
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		UNROLL
		for (j = 0; j < nv; j++)
			v_store(c + i * ldc + j * VL, s[i][j]);
	}
}

/* C[rows][cols] (+)= A B; rows a multiple of 4, cols of VL. */
INLINE void
product(int rows, int cols, int k, const float *a, size_t si, size_t sp,
    const float *b, size_t ldb, float *c, size_t ldc, bool acc)
{
	int i, j;

	for (i = 0; i < rows; i += 4) {
		const float *ai = a + i * si;
		float *ci = c + i * ldc;

		for (j = 0; j + TILE_V * VL <= cols; j += TILE_V * VL)
			tile(TILE_V, k, ai, si, sp, b + j, ldb, ci + j, ldc,
			    acc);
		for (; j < cols; j += VL)
			tile(1, k, ai, si, sp, b + j, ldb, ci + j, ldc, acc);
	}
}

/* scores[rows][AB] = A[rows][d] T[d][AB] */
static void
scores(int rows, int d, const float *a, size_t lda, const float *t, float *out)
{
	product(rows, AB, d, a, lda, 1, t, AB, out, AB, false);
}

/* C[rows][dp] += W[rows][k] B[k][dp], W a block of scores */
static void
weigh(int rows, int dp, int k, const float *w, const float *b, float *c)
{
	product(rows, dp, k, w, AB, 1, b, dp, c, dp, true);
}

/* C[AB][dp] += transpose of W[k][AB] times B[k][dp] */
static void
weigh_t(int dp, int k, const float *w, const float *b, float *c)
{
	product(AB, dp, k, w, 1, AB, b, dp, c, dp, true);
}

INLINE void
pack_type(struct head h, enum lt_dtype t, int rows, int d, int dp, float *out)
{
	int i, j;

	for (i = 0; i < AB; i++, out += dp) {
		j = 0;
		if (i < rows) {
			for (; j + VL <= d; j += VL)
				v_store(out + j,
				    v_get(h.data, i * h.stride + j, t));
			for (; j < d; j++)
				out[j] = f_get(h.data, i * h.stride + j, t);
		}
		for (; j < dp; j++)
			out[j] = 0;
	}
}

static void
pack(struct head h, int rows, int d, int dp, float *out)
{
	if (h.type == LT_BF16)
		pack_type(h, LT_BF16, rows, d, dp, out);
	else
		pack_type(h, LT_F32, rows, d, dp, out);
}

INLINE void
pack_t_type(struct head h, enum lt_dtype t, int rows, int d, float *out)
{
	int i, j, n;

	for (i = 0; i < AB; i += VL) {
		for (j = 0; j + VL <= d && i + VL <= rows; j += VL) {
			vf r[VL];

			UNROLL
			for (n = 0; n < VL; n++)
				r[n] = v_get(h.data, (i + n) * h.stride + j, t);
			v_transpose(r);
			UNROLL
			for (n = 0; n < VL; n++)
				v_store(out + (j + n) * AB + i, r[n]);
		}
		for (; j < d; j++)
			for (n = i; n < i + VL; n++)
				out[j * AB + n] = n >= rows ? 0 :
				    f_get(h.data, n * h.stride + j, t);
	}
}

static void
pack_t(struct head h, int rows, int d, float *out)
{
	if (h.type == LT_BF16)
		pack_t_type(h, LT_BF16, rows, d, out);
	else
		pack_t_type(h, LT_F32, rows, d, out);
}

static void
unpack(const float *in, int rows, int d, struct head h, bool add)
{
	int i, dp = padded(d);

	for (i = 0; i < rows; i++)
		put_row(in + (size_t)i * dp, 1, d, (void *)h.data,
		    i * h.stride, h.type, add);
}

static void
pack_fwd(struct head k, struct head v, int rows, int d, float *pk, float *pv)
{
	pack_t(k, rows, d, pk);
	pack(v, rows, d, padded(d), pv);
}

static void
pack_keys(struct head k, struct head v, int rows, int d, float *pk, float *pkt,
    float *pvt)
{
	pack(k, rows, d, padded(d), pk);
	pack_t(k, rows, d, pkt);
	pack_t(v, rows, d, pvt);
}

static void
pack_queries(struct head q, struct head dout, int rows, int d, float *pq,
    float *pdout)
{
	pack(q, rows, d, padded(d), pq);
	pack(dout, rows, d, padded(d), pdout);
}

/* Visible keys of a block for one query. */
struct row_mask {
	vi lo, hi, doc; /* lo < position <= hi */
	const int32_t *kpos, *kdoc;
};

INLINE struct row_mask
row_mask(const struct attn_mask *m, uint32_t b, uint32_t i, uint32_t j, int r)
{
	int32_t x = m->q.pos[i * AB + r];
	int32_t lo = -1, hi = INT32_MAX - 1;
	struct row_mask w = { .kpos = m->k.pos + j * AB };

	if (m->p->causal && x < hi)
		hi = x;
	if (m->p->window > 0 && (int64_t)x - m->p->window > lo)
		lo = x - (int32_t)m->p->window;
	if (m->k.doc != NULL) {
		w.kdoc = m->k.doc + ((size_t)b * m->k.blocks + j) * AB;
		w.doc = v_seti(m->q.doc[((size_t)b * m->q.blocks + i) * AB + r]);
	}
	w.lo = v_seti(lo);
	w.hi = v_seti(hi);
	return w;
}

INLINE vi
visible(const struct row_mask *w, int c)
{
	vi y = v_loadi(w->kpos + c);
	vi m = (vi)(y > w->lo) & (vi)(y <= w->hi);

	if (w->kdoc != NULL)
		m &= (vi)(v_loadi(w->kdoc + c) == w->doc);
	return m;
}

/* State of the rows of a forward block. */
struct soft {
	float o[AB * LT_ATTN_D_MAX]; /* [AB][dp], not yet divided by sum */
	float q[AB * LT_ATTN_D_MAX];
	float s[AB * AB];
	float max[AB], sum[AB];
};

static void
hide(const struct fwd_task *t, uint32_t j, float *s)
{
	const vf never = v_set(-INFINITY);
	int r, c;

	for (r = 0; r < t->rows; r++, s += AB) {
		struct row_mask w = row_mask(t->mask, t->b, t->block, j, r);

		for (c = 0; c < AB; c += VL)
			v_store(s + c,
			    v_pick(visible(&w, c), v_load(s + c), never));
	}
}

/* Scores of row r become weights; earlier sums move to the new maximum. */
INLINE void
soften_row(struct soft *x, int r, int dp, bool masked)
{
	float *s = x->s + r * AB, top, shift;
	vf m = v_load(s), sum = v_set(0), at;
	int c;

	for (c = VL; c < AB; c += VL)
		m = v_max(m, v_load(s + c));
	top = v_top(m);
	if (top > x->max[r]) {
		shift = exp2f(x->max[r] - top);
		x->max[r] = top;
		x->sum[r] *= shift;
		for (c = 0; c < dp; c += VL)
			v_store(x->o + (size_t)r * dp + c, v_set(shift) *
			    v_load(x->o + (size_t)r * dp + c));
	}
	at = v_set(x->max[r]);
	UNROLL
	for (c = 0; c < AB; c += VL) {
		vf v = v_load(s + c), e = v_exp2(v - at);

		if (masked) /* exactly nothing from what is hidden */
			e = v_pick((vi)(v == v_set(-INFINITY)), v_set(0), e);
		v_store(s + c, e);
		sum += e;
	}
	x->sum[r] += v_sum(sum);
}

static void
soften(struct soft *x, int rows, int dp)
{
	int r;

	for (r = 0; r < rows; r++)
		soften_row(x, r, dp, false);
}

static void
soften_masked(struct soft *x, int rows, int dp)
{
	int r;

	for (r = 0; r < rows; r++)
		soften_row(x, r, dp, true);
}

static void
fwd(const struct fwd_task *t)
{
	_Alignas(64) struct soft x;
	int rows = (t->rows + 3) / 4 * 4, dp = padded(t->d), r, i;
	uint32_t j;

	memset(x.o, 0, sizeof(float) * AB * dp);
	pack(t->q, t->rows, t->d, dp, x.q);
	for (i = 0; i < rows * dp; i += VL)
		v_store(x.q + i,
		    v_load(x.q + i) * v_set(t->mask->p->scale * LOG2E));
	for (r = 0; r < AB; r++) {
		x.max[r] = NEVER;
		x.sum[r] = 0;
	}
	for (j = 0; j < (uint32_t)t->mask->k.blocks; j++) {
		enum block_kind kind = lt_attn_block(t->mask, t->b, t->block, j);

		if (kind == BLOCK_EMPTY)
			continue;
		scores(rows, t->d, x.q, dp,
		    t->k + j * t->step, x.s);
		if (kind == BLOCK_PART) {
			hide(t, j, x.s);
			soften_masked(&x, t->rows, dp);
		} else {
			soften(&x, t->rows, dp);
		}
		weigh(rows, dp, AB, x.s, t->v + j * t->step, x.o);
	}
	for (r = 0; r < t->rows; r++)
		finish_row(t, r, x.o + (size_t)r * dp, x.max[r], x.sum[r]);
}

/* p = 2^(c s - z2), s <- p * (dp - delta) * scale, in place of scores. */
INLINE void
grad_row(const struct bwd_head *h, uint32_t i, uint32_t j, int r, float *p,
    float *ds, bool masked)
{
	const struct attn_mask *m = h->mask;
	const vf scale = v_set(m->p->scale), unit = v_set(m->p->scale * LOG2E);
	const vf z = v_set(-h->z2[i * AB + r]);
	const vf delta = v_set(h->delta[i * AB + r]);
	struct row_mask w = { .lo = { 0 } };
	int c;

	if (masked)
		w = row_mask(m, h->b, i, j, r);
	UNROLL
	for (c = 0; c < AB; c += VL) {
		vf e = v_exp2(v_fma(v_load(p + c), unit, z));

		if (masked)
			e = v_pick(visible(&w, c), e, v_set(0));
		v_store(p + c, e);
		v_store(ds + c, e * scale * (v_load(ds + c) - delta));
	}
}

static void
grad_rows(const struct bwd_head *h, uint32_t i, uint32_t j, float *p, float *ds)
{
	int r;

	for (r = 0; r < AB; r++)
		grad_row(h, i, j, r, p + r * AB, ds + r * AB, false);
}

static void
grad_rows_masked(const struct bwd_head *h, uint32_t i, uint32_t j, float *p,
    float *ds)
{
	int r;

	for (r = 0; r < AB; r++)
		grad_row(h, i, j, r, p + r * AB, ds + r * AB, true);
}

static void
bwd(const struct bwd_head *h, uint32_t i, uint32_t j, enum block_kind kind,
    float *dq, float *dk, float *dv)
{
	_Alignas(64) float p[AB * AB], ds[AB * AB];
	size_t rows = i * h->step, cols = j * h->step;
	int dp = padded(h->d);

	scores(AB, h->d, h->q + rows, dp, h->kt + cols, p);
	scores(AB, h->d, h->dout + rows, dp, h->vt + cols, ds);
	if (kind == BLOCK_PART)
		grad_rows_masked(h, i, j, p, ds);
	else
		grad_rows(h, i, j, p, ds);
	if (dv != NULL)
		weigh_t(dp, AB, p, h->dout + rows, dv);
	if (dk != NULL)
		weigh_t(dp, AB, ds, h->q + rows, dk);
	if (dq != NULL)
		weigh(AB, dp, AB, ds, h->k + cols, dq);
}

INLINE float
dot_type(const void *a, const void *b, size_t at, int n, enum lt_dtype t)
{
	vf s = v_set(0);
	float rest = 0;
	int i;

	for (i = 0; i + VL <= n; i += VL)
		s = v_fma(v_get(a, at + i, t), v_get(b, at + i, t), s);
	for (; i < n; i++)
		rest += f_get(a, at + i, t) * f_get(b, at + i, t);
	return v_sum(s) + rest;
}

static float
dot(const void *a, const void *b, size_t at, int n, enum lt_dtype t)
{
	return t == LT_BF16 ? dot_type(a, b, at, n, LT_BF16)
			    : dot_type(a, b, at, n, LT_F32);
}

const struct attn_kernel ATTN_NAME = {
	.pack_fwd = pack_fwd,
	.pack_keys = pack_keys,
	.pack_queries = pack_queries,
	.unpack_keys = unpack,
	.unpack_queries = unpack,
	.fwd = fwd,
	.bwd = bwd,
	.dot = dot,
};

#include "runtime/cpu/simd_end.h"
