/*
 * GEMM kernels of one CPU level; the file that includes this defines
 *
 *	GEMM_NAME   name of the table
 *	MR, NV      rows and vectors of the register tile
 *	MA          floats per column of a transposed panel of A
 *
 * The tile lives in MR * NV registers; per step of k it takes NV loads of B
 * and MR broadcasts of A.
 */
#include "runtime/cpu/gemm_kernel.h"
#include "runtime/cpu/simd.h"

#define NR (NV * VL)

/* A at a[i * si + p * sp]; rows, si and sp are constants once inlined. */
INLINE void
tile(int rows, int si, int sp, int kc, const float *a, const float *b,
    float *out, size_t ldo, bool add)
{
	vf c[MR][NV];
	int i, j, p;

	UNROLL
	for (i = 0; i < rows; i++) {
		UNROLL
		for (j = 0; j < NV; j++)
			c[i][j] = v_set(0);
	}
	for (p = 0; p < kc; p++) {
		vf x[NV];

		UNROLL
		for (j = 0; j < NV; j++)
			x[j] = v_load(b + j * VL);
		__builtin_prefetch(b + 8 * NR);
		__builtin_prefetch(b + 8 * NR + 16);
		UNROLL
		for (i = 0; i < rows; i++) {
			vf y = v_set(a[i * si]);

			UNROLL
			for (j = 0; j < NV; j++)
				c[i][j] = v_fma(y, x[j], c[i][j]);
		}
		a += sp;
		b += NR;
	}
	UNROLL
	for (i = 0; i < rows; i++, out += ldo) {
		UNROLL
		for (j = 0; j < NV; j++)
			v_store(out + j * VL, add ?
			    v_load(out + j * VL) + c[i][j] : c[i][j]);
	}
}

#define ROWS_1 ROW(1)
#define ROWS_2 ROWS_1 ROW(2)
#define ROWS_3 ROWS_2 ROW(3)
#define ROWS_4 ROWS_3 ROW(4)
#define ROWS_5 ROWS_4 ROW(5)
#define ROWS_6 ROWS_5 ROW(6)
#define ROWS_14 ROWS_6 ROW(7) ROW(8) ROW(9) ROW(10) ROW(11) ROW(12) \
	ROW(13) ROW(14)
#define ROWS__(n) ROWS_##n
#define ROWS_(n) ROWS__(n)

#define ROW(r)                                                              \
	static void plain_##r(int kc, const float *a, const float *b,       \
	    float *out, size_t ldo, bool add)                               \
	{                                                                   \
		tile(r, GEMM_LDA, 1, kc, a, b, out, ldo, add);              \
	}                                                                   \
	static void transposed_##r(int kc, const float *a, const float *b,  \
	    float *out, size_t ldo, bool add)                               \
	{                                                                   \
		tile(r, 1, MA, kc, a, b, out, ldo, add);                    \
	}
ROWS_(MR)
#undef ROW

typedef void tile_fn(int kc, const float *a, const float *b, float *out,
    size_t ldo, bool add);

#define ROW(r) plain_##r,
static tile_fn *const plain_rows[] = { NULL, ROWS_(MR) };
#undef ROW
#define ROW(r) transposed_##r,
static tile_fn *const transposed_rows[] = { NULL, ROWS_(MR) };
#undef ROW

static void
plain(int rows, int kc, const float *a, const float *b, float *out, size_t ldo,
    bool add)
{
	plain_rows[rows](kc, a, b, out, ldo, add);
}

static void
transposed(int rows, int kc, const float *a, const float *b, float *out,
    size_t ldo, bool add)
{
	transposed_rows[rows](kc, a, b, out, ldo, add);
}

/* What is packed: elements of type t, as floats, or rounded if t is one. */
enum { ROUNDED = -1 };

INLINE vf
v_take(const void *p, size_t i, int t)
{
	uint16_t half[VL];

	if (t != ROUNDED)
		return v_get(p, i, (enum lt_dtype)t);
	v_to_bf16(half, v_get(p, i, LT_F32));
	return v_from_bf16(half);
}

INLINE float
f_take(const void *p, size_t i, int t)
{
	return t != ROUNDED ? f_get(p, i, (enum lt_dtype)t) :
	    f_from_bf16(f_to_bf16(f_get(p, i, LT_F32)));
}

/* A run of n elements. */
INLINE void
copy(const void *src, size_t at, int t, int n, float *dst)
{
	int i;

	for (i = 0; i + VL <= n; i += VL)
		v_store(dst + i, v_take(src, at + i, t));
	for (; i < n; i++)
		dst[i] = f_take(src, at + i, t);
}

INLINE void
pack_a_type(const void *a, uint64_t lda, bool ta, int t, int rows, int kc,
    float *out)
{
	int i, p;

	if (!ta) {
		for (i = 0; i < rows; i++)
			copy(a, i * lda, t, kc, out + (size_t)i * GEMM_LDA);
		return;
	}
	for (i = 0; i < rows; i += MR) {
		/* a whole column is MA wide: the last ones must not run off */
		bool wide = i + MA <= rows;
		int n = rows - i < MR ? rows - i : MR;

		for (p = 0; p < kc; p++, out += MA)
			copy(a, p * lda + i, t, wide ? MA : n, out);
	}
}

static void
pack_a(const void *a, uint64_t lda, bool ta, enum lt_dtype t, bool round,
    int rows, int kc, float *out)
{
	if (t == LT_BF16)
		pack_a_type(a, lda, ta, LT_BF16, rows, kc, out);
	else if (round)
		pack_a_type(a, lda, ta, ROUNDED, rows, kc, out);
	else
		pack_a_type(a, lda, ta, LT_F32, rows, kc, out);
}

/* Rows of stored B are columns of the panel: VL x VL at a time. */
INLINE void
pack_b_transposed(const void *b, uint64_t ldb, int t, int kc, int cols,
    float *out)
{
	int j, p, i;

	for (j = 0; j < cols; j += VL) {
		int w = cols - j < VL ? cols - j : VL;

		for (p = 0; p + VL <= kc && w == VL; p += VL) {
			vf r[VL];

			UNROLL
			for (i = 0; i < VL; i++)
				r[i] = v_take(b, (j + i) * ldb + p, t);
			v_transpose(r);
			UNROLL
			for (i = 0; i < VL; i++)
				v_store(out + (p + i) * NR + j, r[i]);
		}
		for (; p < kc; p++)
			for (i = 0; i < w; i++)
				out[p * NR + j + i] =
				    f_take(b, (j + i) * ldb + p, t);
	}
}

INLINE void
pack_b_type(const void *b, uint64_t ldb, bool tb, int t, int kc, int cols,
    float *out)
{
	int p;

	if (cols < NR)
		memset(out, 0, sizeof(*out) * kc * NR);
	if (tb) {
		pack_b_transposed(b, ldb, t, kc, cols, out);
		return;
	}
	for (p = 0; p < kc; p++)
		if (cols == NR)
			copy(b, p * ldb, t, NR, out + p * NR);
		else
			copy(b, p * ldb, t, cols, out + p * NR);
}

static void
pack_b(const void *b, uint64_t ldb, bool tb, enum lt_dtype t, bool round,
    int kc, int cols, float *out)
{
	if (t == LT_BF16)
		pack_b_type(b, ldb, tb, LT_BF16, kc, cols, out);
	else if (round)
		pack_b_type(b, ldb, tb, ROUNDED, kc, cols, out);
	else
		pack_b_type(b, ldb, tb, LT_F32, kc, cols, out);
}

static void
store(const float *tile_row, int cols, void *c, enum lt_dtype type,
    const float *add, const void *bias, enum lt_dtype bias_type,
    const void *resid, enum lt_dtype resid_type)
{
	int j;

	for (j = 0; j + VL <= cols; j += VL) {
		vf v = v_load(tile_row + j);

		if (add != NULL)
			v = v_load(add + j) + v;
		if (bias != NULL)
			v += v_get(bias, j, bias_type);
		if (resid != NULL)
			v += v_get(resid, j, resid_type);
		v_put(c, j, type, v);
	}
	for (; j < cols; j++) {
		float f = tile_row[j];

		if (add != NULL)
			f = add[j] + f;
		if (bias != NULL)
			f += f_get(bias, j, bias_type);
		if (resid != NULL)
			f += f_get(resid, j, resid_type);
		f_put(c, j, type, f);
	}
}

const struct gemm_kernel GEMM_NAME = {
	.mr = MR,
	.nr = NR,
	.ma = MA,
	.plain = plain,
	.transposed = transposed,
	.pack_a = pack_a,
	.pack_b = pack_b,
	.store = store,
};

#include "runtime/cpu/simd_end.h"
