/*
 * attn_state: the running softmax of forward attention, whatever computes the
 * scores.  State has m[2], l[2], o[D / 2]: maximum (base 2), sum and weighted
 * values of rows lane / 4 and lane / 4 + 8 of a warp's accumulator.
 */
#pragma once

/* Over the four lanes that share a row. */
LK_FN float
attn_row_max(float x)
{
	x = lk_max(x, lk_shfl_xor(x, 1));
	return lk_max(x, lk_shfl_xor(x, 2));
}

LK_FN float
attn_row_sum(float x)
{
	x += lk_shfl_xor(x, 1);
	return x + lk_shfl_xor(x, 2);
}

/*
 * One step of the running softmax over the columns of s, base 2: s becomes
 * exp2(s * sc - max), m the maxima so far, l the sums so far (of this lane's
 * columns), and al what earlier sums are to be multiplied with.
 */
template <int N>
LK_FN void
attn_softmax(float (&s)[N], float (&m)[2], float (&l)[2], float (&al)[2], float sc)
{
	LK_UNROLL for (int j = 0; j < 2; j++) {
		float x = s[2 * j], sum = 0;

		LK_UNROLL for (int i = 0; i < N / 4; i++)
			x = lk_max(x, lk_max(s[4 * i + 2 * j], s[4 * i + 2 * j + 1]));
		x = lk_max(m[j], attn_row_max(x) * sc);
		/* A row that has seen nothing yet: all its weights are 0. */
		const float base = x == -LK_INF ? 0.f : x;

		al[j] = lk_exp2(m[j] - base);
		m[j] = x;
		LK_UNROLL for (int i = 0; i < N / 4; i++) LK_UNROLL for (int e = 0; e < 2; e++) {
			float &y = s[4 * i + 2 * j + e];

			y = lk_exp2(y * sc - base);
			sum += y;
		}
		l[j] = l[j] * al[j] + sum;
	}
}

template <int N>
LK_FN void
attn_rescale(float (&o)[N], const float (&al)[2])
{
	LK_UNROLL for (int i = 0; i < N; i++)
		o[i] *= al[i >> 1 & 1];
}

/* Of a row that ended with maximum m and sum l: 1 / l and log sum exp. */
struct attn_end {
	float inv, z;
};

LK_FN attn_end
attn_end_of(float m, float l)
{
	/* Not l == 0 alone: NaN must stay. */
	if (m == -LK_INF && l == 0)
		return attn_end{0, -LK_INF};
	return attn_end{1 / l, (m + lk_log2(l)) * ATTN_LN2};
}

/*
 * The state of row j of a warp's accumulator before any key, x.o being 0: with
 * acc that which earlier keys left.  x.l is summed over the lanes of a row at
 * the end, so one of them holds the 1.
 */
template <int D, class State>
LK_FN void
attn_start(const attn_args &a, State &x, i64 row, int j, bool there, int lane)
{
	const float z = a.acc && there ? a.z[row] : -LK_INF;
	const float *acc = a.acc + row * D + (lane & 3) * 2;

	x.m[j] = -LK_INF;
	x.l[j] = 0;
	if (z == -LK_INF)
		return;
	x.m[j] = z * ATTN_LOG2E;
	x.l[j] = (lane & 3) == 0 ? 1.f : 0.f;
	LK_UNROLL for (int n = 0; n < D / 8; n++) {
		const float2 v = *(const float2 *)(acc + n * 8);

		x.o[4 * n + 2 * j] = v.x;
		x.o[4 * n + 2 * j + 1] = v.y;
	}
}

/* A step that brings this row no key: o of a row that saw none so far is 0. */
template <int D>
LK_FN void
attn_no_key(const attn_args &a, i64 row, bool there, int lane)
{
	float *acc = a.acc + row * D + (lane & 3) * 2;

	if (!there || a.z[row] != -LK_INF)
		return;
	LK_UNROLL for (int n = 0; n < D / 8; n++)
		*(float2 *)(acc + n * 8) = float2{0, 0};
}

/* Ends row j: o or acc, and z. */
template <int D, class State>
LK_FN void
attn_write(const attn_args &a, const State &x, i64 row, int j, bool there, int lane)
{
	const attn_end e = attn_end_of(x.m[j], attn_row_sum(x.l[j]));
	const i64 at = row * D + (lane & 3) * 2;

	if (!there)
		return;
	if ((lane & 3) == 0)
		a.z[row] = e.z;
	LK_UNROLL for (int n = 0; n < D / 8; n++) {
		const float lo = x.o[4 * n + 2 * j] * e.inv, hi = x.o[4 * n + 2 * j + 1] * e.inv;

		if (a.acc)
			*(float2 *)(a.acc + at + n * 8) = float2{lo, hi};
		else
			*(u32 *)((u16 *)a.o + at + n * 8) = lk_bf2(lo, hi);
	}
}
