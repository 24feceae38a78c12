/*
 * attn_bwd_queries_sm80: gradients of queries, dq = scale ds k with ds as in
 * attn_bwd_keys_sm80.  dq is bf16, or with a.add f32 and added to.
 *
 *	grid   (tiles of 64 queries, heads * group, b); 4 warps, 16 queries each
 *	shared queries, do, and one or two stages of keys and values
 *
 * Scores are computed once more than a kernel would that does all three
 * gradients: seven products instead of five, but no sum of dq is made by
 * atomics, so it has one order.
 */
#pragma once

template <int D>
struct attn_bwd_queries80 {
	static constexpr int THREADS = ATTN80_THREADS, STAGES = ATTN80_STAGES(D);
	static constexpr int BQ = ATTN80_ROWS, BK = ATTN80_BWD_BK(D);
	static constexpr int Q = BQ * D * 2, K = BK * D * 2; /* bytes of a tile */
	/* In shared memory: queries, do, then stages of keys and values. */
	static constexpr int STAGE = 2 * K;
};

/* Starts the copies of keys and values from `row` on; `at` is their head. */
template <int D>
LK_FN void
attn_load_keys(const attn_args &a, u32 stage, i64 at, int row, int tid)
{
	typedef attn_bwd_queries80<D> T;
	const i64 stride = (i64)a.heads * D;

	tile_load<D, T::BK, T::THREADS>(stage, (const u16 *)a.k + at, stride, row, a.sk, tid);
	tile_load<D, T::BK, T::THREADS>(stage + T::K, (const u16 *)a.v + at, stride, row, a.sk, tid);
}

template <int D>
LK_FN void
attn_bwd_queries_sm80(const attn_args &a)
{
	typedef attn_bwd_queries80<D> T;
	LK_DYN_SMEM(smem);
	const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
	const int q0 = ((int)gridDim.x - 1 - (int)blockIdx.x) * T::BQ;
	const int h = blockIdx.y, b = blockIdx.z, heads = a.heads * a.group;
	const i64 stride = (i64)heads * D, at = (b * (i64)a.sq * heads + h) * D;
	const i64 kv = (b * (i64)a.sk * a.heads + h / a.group) * D;
	const u32 sq = lk_saddr(smem), so = sq + T::Q, stage0 = so + T::Q;
	const int row = q0 + warp * 16 + (lane >> 2);
	const float sc = a.scale * ATTN_LOG2E;
	attn_walk walk = attn_walk_begin(attn_tile_of(attn_queries(a, b), q0, T::BQ),
	    attn_keys(a, b), T::BK);
	int step = attn_walk_next<true>(a, walk, lane), stage = 0;
	float dq[D / 2], z2[2], delta[2];

	mma_zero(dq);
	LK_UNROLL for (int j = 0; j < 2; j++) {
		z2[j] = attn_z2(a, b, h, row + 8 * j);
		delta[j] = attn_delta(a, b, h, row + 8 * j);
	}
	if (step >= 0) {
		tile_load<D, T::BQ, T::THREADS>(sq, (const u16 *)a.q + at, stride, q0, a.sq, tid);
		tile_load<D, T::BQ, T::THREADS>(so, (const u16 *)a.dout + at, stride, q0, a.sq, tid);
		attn_load_keys<D>(a, stage0, kv, (step >> 1) * T::BK, tid);
	}
	lk_cpasync_commit();
	while (step >= 0) {
		const int k0 = (step >> 1) * T::BK, next = attn_walk_next<true>(a, walk, lane);
		const int n0 = (next >> 1) * T::BK;
		const u32 k = stage0 + stage * T::STAGE, v = k + T::K;
		const u32 other = stage0 + (T::STAGES == 2 ? stage ^ 1 : 0) * T::STAGE;
		float s[T::BK / 2], d[T::BK / 2];

		lk_cpasync_wait<0>(); /* this stage is here, and every warp has left */
		lk_sync();            /* the one before */
		if (next >= 0 && T::STAGES == 2)
			attn_load_keys<D>(a, other, kv, n0, tid);
		lk_cpasync_commit();
		mma_zero(s);
		mma_abt<D>(s, sq, warp * 16, k, lane);
		if (step & 1)
			attn_mask<false>(a, b, s, q0 + warp * 16, k0, lane);
		mma_zero(d);
		mma_abt<D>(d, so, warp * 16, v, lane);
		LK_UNROLL for (int i = 0; i < T::BK / 2; i++) {
			const int j = i >> 1 & 1;

			d[i] = lk_exp2(s[i] * sc - z2[j]) * (d[i] - delta[j]);
		}
		mma_pb<D>(dq, d, k, lane);
		if (T::STAGES == 1) {
			lk_sync(); /* every warp has left the only stage */
			if (next >= 0)
				attn_load_keys<D>(a, other, kv, n0, tid);
			lk_cpasync_commit();
		}
		step = next;
		stage ^= T::STAGES == 2;
	}
	LK_UNROLL for (int j = 0; j < 2; j++)
		if (row + 8 * j < a.sq)
			rows_out(dq, a.dq, at + (row + 8 * j) * stride + (lane & 3) * 2, j, a.scale,
			    a.add);
}
