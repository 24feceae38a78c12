/*
 * attn_bwd_keys_sm80: gradients of keys and values.
 *
 *	p = exp(s - z), ds = p * (do v^T - delta)
 *	dv = p^T do, dk = scale ds^T q
 *
 * Shapes as in attn_fwd_sm80; do like q; delta and z f32 [b, sq, heads, group].
 * dk, dv are bf16, or with a.add f32 and added to.  p and ds are rounded to bf16
 * before the second product.
 *
 *	grid   (tiles of 64 keys * ATTN80_PARTS(D), heads, b); 4 warps, 16 keys each
 *	shared keys, values, and one or two stages of: queries, do, z and delta
 *
 * A block keeps a tile of keys and goes over the queries of all heads of the
 * group, so that nothing is summed but in its registers, in one order.  Scores
 * are computed transposed.  The sums of dk and dv take D / 2 registers each;
 * where both do not fit (D > 128) one block makes dk and another dv.
 */
#pragma once

/* s becomes p = exp2(s * sc - z2); z2 of the columns is in shared memory. */
template <int N>
LK_FN void
attn_weights_t(float (&s)[N], u32 z2, float sc, int lane)
{
	LK_UNROLL for (int i = 0; i < N / 2; i++) {
		const float z = lk_ld_shared_f(z2 + (i / 2 * 8 + (lane & 3) * 2 + i % 2) * 4);

		LK_UNROLL for (int j = 0; j < 2; j++) {
			float &x = s[i / 2 * 4 + 2 * j + i % 2];

			x = lk_exp2(x * sc - z);
		}
	}
}

/* d becomes p * (d - delta). */
template <int N>
LK_FN void
attn_scores_t(float (&d)[N], const float (&p)[N], u32 delta, int lane)
{
	LK_UNROLL for (int i = 0; i < N / 2; i++) {
		const float x = lk_ld_shared_f(delta + (i / 2 * 8 + (lane & 3) * 2 + i % 2) * 4);

		LK_UNROLL for (int j = 0; j < 2; j++) {
			const int at = i / 2 * 4 + 2 * j + i % 2;

			d[at] = p[at] * (d[at] - x);
		}
	}
}

/* The tiles of queries of all heads of a group, one head after another. */
struct attn_group_walk {
	attn_walk walk;
	int head, heads;
};

/* Of the queries that keys k0 .. k0 + bk - 1 meet, in tiles of bq. */
LK_FN attn_group_walk
attn_group_begin(const attn_args &a, int b, int k0, int bk, int bq)
{
	return attn_group_walk{attn_walk_begin(attn_tile_of(attn_keys(a, b), k0, bk),
	    attn_queries(a, b), bq), 0, a.group};
}

/* The next tile as attn_walk_next has it, of query head w.head of the group. */
LK_FN int
attn_group_next(const attn_args &a, attn_group_walk &w, int lane)
{
	int step;

	while ((step = attn_walk_next<false>(a, w.walk, lane)) < 0 && ++w.head < w.heads)
		w.walk.base = -32; /* none is left that it has looked at */
	return step;
}

template <int D>
struct attn_bwd_keys80 {
	static constexpr int THREADS = ATTN80_THREADS, STAGES = ATTN80_STAGES(D);
	static constexpr int BK = ATTN80_ROWS, BQ = ATTN80_BWD_BQ(D);
	/* Bytes of a tile of keys, of queries, and of their z or delta. */
	static constexpr int K = BK * D * 2, Q = BQ * D * 2, Z = BQ * 4;
	/* In shared memory: keys, values, then stages. */
	static constexpr int STAGE = 2 * Q + 2 * Z;
};

/* Starts the copies of queries and do from `row` on, of query head h. */
template <int D>
LK_FN void
attn_load_queries(const attn_args &a, u32 stage, int h, int row, int tid)
{
	typedef attn_bwd_keys80<D> T;
	const i64 stride = (i64)a.heads * a.group * D;
	const i64 at = (blockIdx.z * (i64)a.sq * (a.heads * a.group) + h) * D;

	tile_load<D, T::BQ, T::THREADS>(stage, (const u16 *)a.q + at, stride, row, a.sq, tid);
	tile_load<D, T::BQ, T::THREADS>(stage + T::Q, (const u16 *)a.dout + at, stride, row, a.sq,
	    tid);
}

template <int D, bool DK, bool DV>
LK_FN void
attn_bwd_keys(const attn_args &a, int k0)
{
	typedef attn_bwd_keys80<D> T;
	LK_DYN_SMEM(smem);
	const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
	const int h0 = blockIdx.y * a.group, b = blockIdx.z;
	const i64 stride = (i64)a.heads * D, kv = (b * (i64)a.sk * a.heads + blockIdx.y) * D;
	const u32 sk = lk_saddr(smem), sv = sk + T::K, stage0 = sv + T::K;
	attn_group_walk w = attn_group_begin(a, b, k0, T::BK, T::BQ);
	int step = attn_group_next(a, w, lane), h = h0 + w.head, stage = 0;
	float dk[D / 2], dv[D / 2], z2 = 0, delta = 0;

	mma_zero(dk);
	mma_zero(dv);
	if (step >= 0) {
		tile_load<D, T::BK, T::THREADS>(sk, (const u16 *)a.k + kv, stride, k0, a.sk, tid);
		if (DK)
			tile_load<D, T::BK, T::THREADS>(sv, (const u16 *)a.v + kv, stride, k0, a.sk,
			    tid);
		attn_load_queries<D>(a, stage0, h, (step >> 1) * T::BQ, tid);
		if (tid < T::BQ) {
			lk_st_shared_f(stage0 + 2 * T::Q + tid * 4,
			    attn_z2(a, b, h, (step >> 1) * T::BQ + tid));
			lk_st_shared_f(stage0 + 2 * T::Q + T::Z + tid * 4,
			    attn_delta(a, b, h, (step >> 1) * T::BQ + tid));
		}
	}
	lk_cpasync_commit();
	while (step >= 0) {
		const int q0 = (step >> 1) * T::BQ, next = attn_group_next(a, w, lane);
		const int hnext = h0 + w.head, n0 = (next >> 1) * T::BQ;
		const u32 q = stage0 + stage * T::STAGE, dout = q + T::Q, z = dout + T::Q;
		const u32 other = stage0 + (T::STAGES == 2 ? stage ^ 1 : 0) * T::STAGE;
		const bool row = next >= 0 && tid < T::BQ;
		float s[T::BQ / 2], d[T::BQ / 2];

		lk_cpasync_wait<0>(); /* this stage is here, and every warp has left */
		lk_sync();            /* the one before */
		if (next >= 0 && T::STAGES == 2)
			attn_load_queries<D>(a, other, hnext, n0, tid);
		lk_cpasync_commit();
		if (row) { /* not used before the end: there is time to arrive */
			z2 = attn_z2(a, b, hnext, n0 + tid);
			delta = attn_delta(a, b, hnext, n0 + tid);
		}
		mma_zero(s);
		mma_abt<D>(s, sk, warp * 16, q, lane);
		if (step & 1)
			attn_mask<true>(a, b, s, q0, k0 + warp * 16, lane);
		attn_weights_t(s, z, a.scale * ATTN_LOG2E, lane);
		if (DV)
			mma_pb<D>(dv, s, dout, lane);
		if (DK) {
			mma_zero(d);
			mma_abt<D>(d, sv, warp * 16, dout, lane);
			attn_scores_t(d, s, z + T::Z, lane);
			mma_pb<D>(dk, d, q, lane);
		}
		if (T::STAGES == 1) {
			lk_sync(); /* every warp has left the only stage */
			if (next >= 0)
				attn_load_queries<D>(a, other, hnext, n0, tid);
			lk_cpasync_commit();
		}
		if (row) {
			lk_st_shared_f(other + 2 * T::Q + tid * 4, z2);
			lk_st_shared_f(other + 2 * T::Q + T::Z + tid * 4, delta);
		}
		step = next;
		h = hnext;
		stage ^= T::STAGES == 2;
	}
	LK_UNROLL for (int j = 0; j < 2; j++) {
		const int row = k0 + warp * 16 + (lane >> 2) + 8 * j;
		const i64 at = kv + row * stride + (lane & 3) * 2;

		if (DK && row < a.sk)
			rows_out(dk, a.dk, at, j, a.scale, a.add);
		if (DV && row < a.sk)
			rows_out(dv, a.dv, at, j, 1.f, a.add);
	}
}

template <int D>
LK_FN void
attn_bwd_keys_sm80(const attn_args &a)
{
	/* First keys first: under a causal mask they take the longest. */
	const int k0 = blockIdx.x / ATTN80_PARTS(D) * ATTN80_ROWS;

	if (ATTN80_PARTS(D) == 1)
		attn_bwd_keys<D, true, true>(a, k0);
	else if (blockIdx.x % ATTN80_PARTS(D) == 0)
		attn_bwd_keys<D, true, false>(a, k0);
	else
		attn_bwd_keys<D, false, true>(a, k0);
}
