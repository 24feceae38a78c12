/*
 * attn_fwd_sm80: flash attention forward, o = softmax(scale q k^T) v.
 *
 *	q, o  [b, sq, heads, group, D]     k, v  [b, sk, heads, D]    bf16
 *	z     [b, sq, heads, group] f32    log sum exp
 *	acc   [b, sq, heads, group, D] f32, or NULL
 *
 * With acc, this is a step of a ring: (acc, z) is what earlier keys gave, read
 * as a state with maximum z and sum 1, and written again; o is not touched.
 * acc means nothing where z is -inf.  A query that sees no key has o = 0 and
 * z = -inf.
 *
 *	grid   (tiles of 64 queries, heads * group, b); 4 warps, 16 queries each
 *	shared queries, two stages of keys, two of values
 *
 * Tiles of keys that nobody sees are skipped.  Each warp keeps its rows' sums
 * in registers; weights are rounded to bf16 for the second product, the sum l
 * is of the unrounded ones.  After "FlashAttention-2", Dao 2023.
 */
#pragma once

template <int D>
struct attn_fwd80 {
	static constexpr int BQ = ATTN80_ROWS, BK = ATTN80_BK(D), THREADS = ATTN80_THREADS;
	static constexpr int Q = BQ * D * 2, K = BK * D * 2; /* bytes of a tile */

	float m[2], l[2], o[D / 2]; /* of rows lane / 4 and lane / 4 + 8 */
};

template <int D>
LK_FN void
attn_fwd_sm80(const attn_args &a)
{
	typedef attn_fwd80<D> T;
	LK_DYN_SMEM(smem);
	const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
	/* Last queries first: under a causal mask they take the longest. */
	const int q0 = ((int)gridDim.x - 1 - (int)blockIdx.x) * T::BQ;
	const int h = blockIdx.y, b = blockIdx.z, heads = a.heads * a.group;
	const i64 qstride = (i64)heads * D, kstride = (i64)a.heads * D;
	const u16 *q = (const u16 *)a.q + (b * (i64)a.sq * heads + h) * D;
	const i64 kv = (b * (i64)a.sk * a.heads + h / a.group) * D;
	const u16 *k = (const u16 *)a.k + kv, *v = (const u16 *)a.v + kv;
	const u32 sq = lk_saddr(smem), sk = sq + T::Q, sv = sk + 2 * T::K;
	const int row = q0 + warp * 16 + (lane >> 2);
	const float sc = a.scale * ATTN_LOG2E;
	const attn_side keys = attn_keys(a, b);
	attn_walk walk = attn_walk_begin(attn_tile_of(attn_queries(a, b), q0, T::BQ), keys, T::BK);
	int step = attn_walk_next<true>(a, walk, lane), stage = 0;
	T x;

	if (a.acc && step < 0) {
		LK_UNROLL for (int j = 0; j < 2; j++)
			attn_no_key<D>(a, (b * (i64)a.sq + row + 8 * j) * heads + h,
			    row + 8 * j < a.sq, lane);
		return;
	}
	if (step >= 0) {
		tile_load<D, T::BQ, T::THREADS>(sq, q, qstride, q0, a.sq, tid);
		tile_load<D, T::BK, T::THREADS>(sk, k, kstride, (step >> 1) * T::BK, a.sk, tid);
	}
	lk_cpasync_commit();
	if (step >= 0)
		tile_load<D, T::BK, T::THREADS>(sv, v, kstride, (step >> 1) * T::BK, a.sk, tid);
	lk_cpasync_commit();
	mma_zero(x.o);
	LK_UNROLL for (int j = 0; j < 2; j++)
		attn_start<D>(a, x, (b * (i64)a.sq + row + 8 * j) * heads + h, j, row + 8 * j < a.sq,
		    lane);
	for (; step >= 0; stage ^= 1) {
		const int k0 = (step >> 1) * T::BK, next = attn_walk_next<true>(a, walk, lane);
		const int n0 = (next >> 1) * T::BK;
		float s[T::BK / 2], al[2];

		lk_cpasync_wait<1>(); /* keys are here, and every warp has left */
		lk_sync();            /* the values of the tile before */
		if (next >= 0)
			tile_load<D, T::BK, T::THREADS>(sk + (stage ^ 1) * T::K, k, kstride, n0, a.sk, tid);
		lk_cpasync_commit();
		mma_zero(s);
		mma_abt<D>(s, sq, warp * 16, sk + stage * T::K, lane);
		if (step & 1)
			attn_mask<false>(a, b, s, q0 + warp * 16, k0, lane);
		attn_softmax(s, x.m, x.l, al, sc);
		attn_rescale(x.o, al);
		lk_cpasync_wait<1>(); /* values are here, and every warp has left */
		lk_sync();            /* the keys */
		if (next >= 0)
			tile_load<D, T::BK, T::THREADS>(sv + (stage ^ 1) * T::K, v, kstride, n0, a.sk, tid);
		lk_cpasync_commit();
		mma_pb<D>(x.o, s, sv + stage * T::K, lane);
		step = next;
	}
	LK_UNROLL for (int j = 0; j < 2; j++)
		attn_write<D>(a, x, (b * (i64)a.sq + row + 8 * j) * heads + h, j, row + 8 * j < a.sq,
		    lane);
}
