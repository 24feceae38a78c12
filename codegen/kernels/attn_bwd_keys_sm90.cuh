/*
 * attn_bwd_keys_sm90: gradients of keys and values for Hopper; what it computes
 * is what attn_bwd_keys_sm80 does, for D <= 128.
 *
 *	grid   (tiles of 128 keys, heads, b), 384 threads:
 *	warpgroup 0    its first warp starts the copies (TMA) and brings z, delta
 *	warpgroups 1-2 64 keys each
 *	shared keys, values, two stages of queries, do, z and delta, mbarriers
 *
 * p and ds stay in registers as first operands of the second products.
 */
#pragma once

template <int D>
struct attn_bwd_keys90 {
	static constexpr int BK = ATTN90_BWD_BK, BQ = ATTN90_BWD_BQ, STAGES = 2;
	typedef tma_tile<D, BQ> Q;
	typedef tma_tile<D, BK> K;

	/* Addresses in shared memory: of keys, values, stages, mbarriers. */
	struct shared {
		u32 k, v, q, dout, z, k_full, full, empty;
	};

	float dk[D / 2], dv[D / 2], s[BQ / 2], d[BQ / 2];
	u32 p[BQ / 16][4], ds[BQ / 16][4];
};

template <int D>
LK_FN typename attn_bwd_keys90<D>::shared
attn_bwd_keys90_shared(u32 base)
{
	typedef attn_bwd_keys90<D> T;
	typename T::shared x;

	x.k = base;
	x.v = x.k + T::K::BYTES;
	x.q = x.v + T::K::BYTES;
	x.dout = x.q + T::STAGES * T::Q::BYTES;
	x.z = x.dout + T::STAGES * T::Q::BYTES;
	x.k_full = x.z + T::STAGES * 2 * T::BQ * 4;
	x.full = x.k_full + 8;
	x.empty = x.full + 8 * T::STAGES;
	return x;
}

LK_FN attn_group_walk
attn_bwd_keys90_walk(const attn_args &a, int k0)
{
	const attn_walk w = attn_walk_begin(attn_tile_of(attn_keys(a, blockIdx.z), k0,
	    ATTN90_BWD_BK), attn_queries(a, blockIdx.z), ATTN90_BWD_BQ);

	return attn_group_walk{w, w, 0, a.group};
}

/* z and delta of a tile of queries, by the lanes of a warp. */
LK_FN void
attn_bring_rows(const attn_args &a, u32 to, int h, int row, int lane)
{
	for (int i = lane; i < ATTN90_BWD_BQ; i += 32) {
		lk_st_shared_f(to + i * 4, attn_z2(a, blockIdx.z, h, row + i));
		lk_st_shared_f(to + (ATTN90_BWD_BQ + i) * 4,
		    attn_delta(a, blockIdx.z, h, row + i));
	}
}

template <int D>
LK_FN void
attn_bwd_keys90_produce(const attn_tma_args &a, const typename attn_bwd_keys90<D>::shared &x,
    int k0, int lane)
{
	typedef attn_bwd_keys90<D> T;
	const int b = blockIdx.z;
	attn_group_walk w = attn_bwd_keys90_walk(a.at, k0);
	int step = attn_group_next(a.at, w, lane);

	if (step >= 0 && lane == 0) {
		lk_mbar_expect(x.k_full, 2 * T::K::BYTES);
		tma_tile_load<D, T::BK>(x.k, &a.k, x.k_full, blockIdx.y, k0, b);
		tma_tile_load<D, T::BK>(x.v, &a.v, x.k_full, blockIdx.y, k0, b);
	}
	for (int it = 0; step >= 0; it++) {
		const int st = it % T::STAGES, h = blockIdx.y * a.at.group + w.head;
		const int row = (step >> 1) * T::BQ;
		const u32 full = x.full + 8 * st;

		lk_mbar_wait(x.empty + 8 * st, (it / T::STAGES & 1) ^ 1);
		if (lane == 0) {
			lk_mbar_expect(full, 2 * T::Q::BYTES);
			tma_tile_load<D, T::BQ>(x.q + st * T::Q::BYTES, &a.q, full, h, row, b);
			tma_tile_load<D, T::BQ>(x.dout + st * T::Q::BYTES, &a.dout, full, h, row, b);
		}
		attn_bring_rows(a.at, x.z + st * 2 * T::BQ * 4, h, row, lane);
		lk_mbar_arrive(full);
		step = attn_group_next(a.at, w, lane);
	}
}

/* One tile of queries, in stage st; row: the warp's first key. */
template <int D>
LK_FN void
attn_bwd_keys90_tile(const attn_args &a, const typename attn_bwd_keys90<D>::shared &x,
    attn_bwd_keys90<D> &y, int st, int step, int me, int row, int lane)
{
	typedef attn_bwd_keys90<D> T;
	const u32 q = x.q + st * T::Q::BYTES, dout = x.dout + st * T::Q::BYTES;
	const u32 z = x.z + st * 2 * T::BQ * 4;

	lk_wg_fence();
	wgmma_abt<D, T::BK, T::BQ>(y.s, x.k + me * 64 * 128, q);
	lk_wg_commit();
	wgmma_abt<D, T::BK, T::BQ>(y.d, x.v + me * 64 * 128, dout);
	lk_wg_commit();
	lk_wg_wait<1>();
	if (step & 1)
		attn_mask<true>(a, blockIdx.z, y.s, (step >> 1) * T::BQ, row, lane);
	attn_weights_t(y.s, z, a.scale * ATTN_LOG2E, lane);
	lk_wg_wait<0>();
	attn_scores_t(y.d, y.s, z + T::BQ * 4, lane);
	pack(y.p, y.s);
	pack(y.ds, y.d);
	lk_wg_fence();
	wgmma_pb<T::BQ>(y.dv, y.p, dout);
	wgmma_pb<T::BQ>(y.dk, y.ds, q);
	lk_wg_commit();
	lk_wg_wait<0>();
	if (lane == 0)
		lk_mbar_arrive(x.empty + 8 * st);
}

template <int D>
LK_FN void
attn_bwd_keys90_consume(const attn_args &a, const typename attn_bwd_keys90<D>::shared &x, int k0,
    int me, int lane)
{
	typedef attn_bwd_keys90<D> T;
	const int first = k0 + me * 64 + (threadIdx.x >> 5 & 3) * 16;
	const i64 stride = (i64)a.heads * D;
	const i64 kv = (blockIdx.z * (i64)a.sk * a.heads + blockIdx.y) * D;
	attn_group_walk w = attn_bwd_keys90_walk(a, k0);
	int step = attn_group_next(a, w, lane);
	attn_bwd_keys90<D> y;

	mma_zero(y.dk);
	mma_zero(y.dv);
	if (step >= 0)
		lk_mbar_wait(x.k_full, 0);
	for (int it = 0; step >= 0; it++) {
		lk_mbar_wait(x.full + 8 * (it % T::STAGES), it / T::STAGES & 1);
		attn_bwd_keys90_tile<D>(a, x, y, it % T::STAGES, step, me, first, lane);
		step = attn_group_next(a, w, lane);
	}
	LK_UNROLL for (int j = 0; j < 2; j++) {
		const int row = first + (lane >> 2) + 8 * j;
		const i64 at = kv + row * stride + (lane & 3) * 2;

		if (row < a.sk) {
			rows_out(y.dk, a.dk, at, j, a.scale, a.add);
			rows_out(y.dv, a.dv, at, j, 1.f, a.add);
		}
	}
}

template <int D>
LK_FN void
attn_bwd_keys_sm90(const attn_tma_args &a)
{
	typedef attn_bwd_keys90<D> T;
	LK_DYN_SMEM(smem);
	const typename T::shared x = attn_bwd_keys90_shared<D>(lk_saddr(smem));
	const int tid = threadIdx.x, lane = tid & 31, group = tid >> 7, k0 = blockIdx.x * T::BK;

	if (tid == 0) {
		lk_mbar_init(x.k_full, 1);
		for (int i = 0; i < T::STAGES; i++) {
			/* Lane 0 expects the bytes, every lane has brought rows. */
			lk_mbar_init(x.full + 8 * i, 33);
			lk_mbar_init(x.empty + 8 * i, ATTN90_CONSUMER_WARPS);
		}
		lk_mbar_fence_init();
	}
	lk_sync();
	if (group == 0) {
		lk_reg_dec<40>();
		if (tid < 32)
			attn_bwd_keys90_produce<D>(a, x, k0, lane);
	} else {
		lk_reg_inc<232>();
		attn_bwd_keys90_consume<D>(a.at, x, k0, group - 1, lane);
	}
}
