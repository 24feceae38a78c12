/*
 * attn_fwd_sm90: flash attention forward for Hopper; what it computes is what
 * attn_fwd_sm80 does.
 *
 *	grid   as many blocks as shall run at once; each takes tiles of 128
 *	       queries of a head until none is left.  384 threads:
 *	warpgroup 0    its first warp starts the copies (TMA)
 *	warpgroups 1-2 64 queries each
 *	shared queries, two stages of keys, two of values, mbarriers
 *
 * A warpgroup's products q k^T of this tile of keys and p v of the one before
 * run on the tensor cores while its softmax waits, and its softmax while the
 * other warpgroup's products run: named barriers give the turns.  After
 * "FlashAttention-3", Shah et al. 2024.
 *
 * Everybody finds the same tiles by attn_walk.
 */
#pragma once

template <int D>
struct attn_fwd90 {
	static constexpr int BQ = ATTN90_BQ, BK = ATTN90_BK(D), STAGES = 2;
	typedef tma_tile<D, BQ> Q;
	typedef tma_tile<D, BK> K;

	/* Addresses in shared memory; x_full and x_empty are mbarriers. */
	struct shared {
		u32 q, k, v;
		u32 q_full, q_empty, k_full, k_empty, v_full, v_empty;
	};

	float m[2], l[2], al[2], o[D / 2]; /* of rows lane / 4 and lane / 4 + 8 */
	float s[BK / 2];
	u32 p[BK / 16][4];
};

template <int D>
LK_FN typename attn_fwd90<D>::shared
attn_fwd90_shared(u32 base)
{
	typedef attn_fwd90<D> T;
	typename T::shared x;

	x.q = base;
	x.k = x.q + T::Q::BYTES;
	x.v = x.k + T::STAGES * T::K::BYTES;
	x.q_full = x.v + T::STAGES * T::K::BYTES;
	x.q_empty = x.q_full + 8;
	x.k_full = x.q_empty + 8;
	x.k_empty = x.k_full + 8 * T::STAGES;
	x.v_full = x.k_empty + 8 * T::STAGES;
	x.v_empty = x.v_full + 8 * T::STAGES;
	return x;
}

template <int D>
LK_FN attn_walk
attn_fwd90_walk(const attn_tma_args &a, const attn_task &t)
{
	typedef attn_fwd90<D> T;

	return attn_walk_begin(attn_tile_of(attn_queries(a.at, t.b), t.row, T::BQ),
	    attn_keys(a.at, t.b), T::BK);
}

/* One warp starts all copies; `it` counts tiles of keys, `nq` of queries. */
template <int D>
LK_FN void
attn_fwd90_produce(const attn_tma_args &a, const typename attn_fwd90<D>::shared &x, int lane)
{
	typedef attn_fwd90<D> T;
	int it = 0, nq = 0;

	for (int i = blockIdx.x; i < attn_tasks(a, T::BQ); i += gridDim.x) {
		const attn_task t = attn_task_of(a, i, T::BQ);
		const int hk = t.h / a.at.group;
		attn_walk w = attn_fwd90_walk<D>(a, t);
		int step = attn_walk_next<true>(a.at, w, lane);

		if (step >= 0 && lane == 0) {
			lk_mbar_wait(x.q_empty, (nq & 1) ^ 1);
			lk_mbar_expect(x.q_full, T::Q::BYTES);
			tma_tile_load<D, T::BQ>(x.q, &a.q, x.q_full, t.h, t.row, t.b);
		}
		nq += step >= 0;
		for (; step >= 0; step = attn_walk_next<true>(a.at, w, lane), it++) {
			const int st = it % T::STAGES, row = (step >> 1) * T::BK;
			const u32 parity = (it / T::STAGES & 1) ^ 1;

			if (lane == 0) {
				lk_mbar_wait(x.k_empty + 8 * st, parity);
				lk_mbar_expect(x.k_full + 8 * st, T::K::BYTES);
				tma_tile_load<D, T::BK>(x.k + st * T::K::BYTES, &a.k,
				    x.k_full + 8 * st, hk, row, t.b);
				lk_mbar_wait(x.v_empty + 8 * st, parity);
				lk_mbar_expect(x.v_full + 8 * st, T::K::BYTES);
				tma_tile_load<D, T::BK>(x.v + st * T::K::BYTES, &a.v,
				    x.v_full + 8 * st, hk, row, t.b);
			}
			lk_syncwarp();
		}
	}
}

/* The masked softmax of the tile of keys of this step. */
template <int D>
LK_FN void
attn_fwd90_softmax(const attn_args &a, attn_fwd90<D> &y, const attn_task &t, int row, int step,
    int lane)
{
	typedef attn_fwd90<D> T;

	if (step & 1)
		attn_mask<false>(a, t.b, y.s, row, (step >> 1) * T::BK, lane);
	attn_softmax(y.s, y.m, y.l, y.al, a.scale * ATTN_LOG2E);
}

/*
 * All tiles of keys of a task, from step on; it: see attn_fwd90_produce.
 * me: 0 or 1; row: the warp's first query.
 */
template <int D>
LK_FN void
attn_fwd90_tiles(const attn_args &a, const typename attn_fwd90<D>::shared &x, attn_fwd90<D> &y,
    const attn_task &t, attn_walk &w, int step, int &it, int me, int row, int lane)
{
	typedef attn_fwd90<D> T;
	const u32 q = x.q + me * 64 * 128;
	int st = it % T::STAGES, next = attn_walk_next<true>(a, w, lane);
	u32 parity = it / T::STAGES & 1;

	lk_mbar_wait(x.k_full + 8 * st, parity);
	lk_wg_fence();
	wgmma_abt<D, T::BQ, T::BK>(y.s, q, x.k + st * T::K::BYTES);
	lk_wg_commit();
	lk_wg_wait<0>();
	if (lane == 0)
		lk_mbar_arrive(x.k_empty + 8 * st);
	attn_fwd90_softmax<D>(a, y, t, row, step, lane);
	pack(y.p, y.s);
	attn_rescale(y.o, y.al);
	for (; next >= 0; next = attn_walk_next<true>(a, w, lane)) {
		const int sn = ++it % T::STAGES;
		const u32 pn = it / T::STAGES & 1;

		lk_mbar_wait(x.k_full + 8 * sn, pn);
		lk_bar_sync(1 + me, 256); /* my turn on the tensor cores */
		lk_wg_fence();
		wgmma_abt<D, T::BQ, T::BK>(y.s, q, x.k + sn * T::K::BYTES);
		lk_wg_commit();
		lk_mbar_wait(x.v_full + 8 * st, parity);
		lk_wg_fence();
		wgmma_pb<T::BK>(y.o, y.p, x.v + st * T::K::BYTES);
		lk_wg_commit();
		lk_bar_arrive(2 - me, 256);
		lk_wg_wait<1>();
		if (lane == 0)
			lk_mbar_arrive(x.k_empty + 8 * sn);
		attn_fwd90_softmax<D>(a, y, t, row, next, lane);
		lk_wg_wait<0>();
		if (lane == 0)
			lk_mbar_arrive(x.v_empty + 8 * st);
		attn_rescale(y.o, y.al);
		pack(y.p, y.s); /* not earlier: the product read p until the wait */
		st = sn;
		parity = pn;
	}
	lk_mbar_wait(x.v_full + 8 * st, parity);
	lk_wg_fence();
	wgmma_pb<T::BK>(y.o, y.p, x.v + st * T::K::BYTES);
	lk_wg_commit();
	lk_wg_wait<0>();
	it++;
	if (lane == 0) {
		lk_mbar_arrive(x.v_empty + 8 * st);
		lk_mbar_arrive(x.q_empty);
	}
}

template <int D>
LK_FN void
attn_fwd90_consume(const attn_tma_args &b, const typename attn_fwd90<D>::shared &x, int me,
    int lane)
{
	typedef attn_fwd90<D> T;
	const attn_args &a = b.at;
	int it = 0, nq = 0;

	if (me == 1)
		lk_bar_arrive(1, 256); /* warpgroup 0 has the first turn */
	for (int i = blockIdx.x; i < attn_tasks(b, T::BQ); i += gridDim.x) {
		const attn_task t = attn_task_of(b, i, T::BQ);
		const int first = t.row + me * 64 + (threadIdx.x >> 5 & 3) * 16;
		const int row = first + (lane >> 2), heads = a.heads * a.group;
		attn_walk w = attn_fwd90_walk<D>(b, t);
		const int step = attn_walk_next<true>(a, w, lane);
		attn_fwd90<D> y;

		if (a.acc && step < 0) {
			LK_UNROLL for (int j = 0; j < 2; j++)
				attn_no_key<D>(a, (t.b * (i64)a.sq + row + 8 * j) * heads + t.h,
				    row + 8 * j < a.sq, lane);
			continue;
		}
		mma_zero(y.o);
		LK_UNROLL for (int j = 0; j < 2; j++)
			attn_start<D>(a, y, (t.b * (i64)a.sq + row + 8 * j) * heads + t.h, j,
			    row + 8 * j < a.sq, lane);
		if (step >= 0) {
			lk_mbar_wait(x.q_full, nq++ & 1);
			attn_fwd90_tiles<D>(a, x, y, t, w, step, it, me, first, lane);
		}
		LK_UNROLL for (int j = 0; j < 2; j++)
			attn_write<D>(a, y, (t.b * (i64)a.sq + row + 8 * j) * heads + t.h, j,
			    row + 8 * j < a.sq, lane);
	}
}

template <int D>
LK_FN void
attn_fwd_sm90(const attn_tma_args &a)
{
	typedef attn_fwd90<D> T;
	LK_DYN_SMEM(smem);
	const typename T::shared x = attn_fwd90_shared<D>(lk_saddr(smem));
	const int tid = threadIdx.x, lane = tid & 31, group = tid >> 7;

	if (tid == 0) {
		lk_mbar_init(x.q_full, 1);
		lk_mbar_init(x.q_empty, ATTN90_CONSUMER_WARPS);
		for (int i = 0; i < T::STAGES; i++) {
			lk_mbar_init(x.k_full + 8 * i, 1);
			lk_mbar_init(x.k_empty + 8 * i, ATTN90_CONSUMER_WARPS);
			lk_mbar_init(x.v_full + 8 * i, 1);
			lk_mbar_init(x.v_empty + 8 * i, ATTN90_CONSUMER_WARPS);
		}
		lk_mbar_fence_init();
	}
	lk_sync();
	if (group == 0) {
		lk_reg_dec<40>();
		if (tid < 32)
			attn_fwd90_produce<D>(a, x, lane);
	} else {
		lk_reg_inc<232>();
		attn_fwd90_consume<D>(a, x, group - 1, lane);
	}
}
