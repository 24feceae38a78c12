/*
 * attn_bwd_queries_sm90: gradients of queries for Hopper; what it computes is
 * what attn_bwd_queries_sm80 does.
 *
 *	grid   as attn_fwd_sm90: blocks that take tiles of 128 queries of a head
 *	       until none is left.  384 threads:
 *	warpgroup 0    its first warp starts the copies (TMA)
 *	warpgroups 1-2 64 queries each
 *	shared queries, do, a ring of slots for tiles of values and keys, mbarriers
 *
 * Values go before keys, for they are read once and leave first: with three
 * slots the next keys come while ds k runs.  ds stays in registers as first
 * operand of that product; one warpgroup's weights are made while the other's
 * products run.
 */
#pragma once

template <int D>
struct attn_bwd_queries90 {
	static constexpr int BQ = ATTN90_DQ_BQ, BK = ATTN90_DQ_BK, SLOTS = ATTN90_DQ_SLOTS(D);
	/* There are no registers for d while scores are masked. */
	static constexpr bool LATE = D > 128;
	typedef tma_tile<D, BQ> Q;
	typedef tma_tile<D, BK> K;

	/* Addresses in shared memory; full and empty: an mbarrier of each slot. */
	struct shared {
		u32 q, dout, slots, q_full, q_empty, full, empty;
	};

	float dq[D / 2], s[BK / 2], d[BK / 2];
	float z2[2], delta[2]; /* of rows lane / 4 and lane / 4 + 8 */
	u32 ds[BK / 16][4];
};

template <int D>
LK_FN typename attn_bwd_queries90<D>::shared
attn_bwd_queries90_shared(u32 base)
{
	typedef attn_bwd_queries90<D> T;
	typename T::shared x;

	x.q = base;
	x.dout = x.q + T::Q::BYTES;
	x.slots = x.dout + T::Q::BYTES;
	x.q_full = x.slots + T::SLOTS * T::K::BYTES;
	x.q_empty = x.q_full + 8;
	x.full = x.q_empty + 8;
	x.empty = x.full + 8 * T::SLOTS;
	return x;
}

template <int D>
LK_FN attn_walk
attn_bwd_queries90_walk(const attn_tma_args &a, const attn_task &t)
{
	typedef attn_bwd_queries90<D> T;

	return attn_walk_begin(attn_tile_of(attn_queries(a.at, t.b), t.row, T::BQ),
	    attn_keys(a.at, t.b), T::BK);
}

/* Starts the copy of the n-th tile of values and keys: one thread. */
template <int D>
LK_FN void
attn_bwd_queries90_load(const typename attn_bwd_queries90<D>::shared &x, const lk_tmap *m, int n,
    int head, int row, int b)
{
	typedef attn_bwd_queries90<D> T;
	const int st = n % T::SLOTS;

	lk_mbar_wait(x.empty + 8 * st, (n / T::SLOTS & 1) ^ 1);
	lk_mbar_expect(x.full + 8 * st, T::K::BYTES);
	tma_tile_load<D, T::BK>(x.slots + st * T::K::BYTES, m, x.full + 8 * st, head, row, b);
}

/* One warp starts all copies; n counts tiles of values and keys, `nq` of queries. */
template <int D>
LK_FN void
attn_bwd_queries90_produce(const attn_tma_args &a, const typename attn_bwd_queries90<D>::shared &x,
    int lane)
{
	typedef attn_bwd_queries90<D> T;
	int n = 0, nq = 0;

	for (int i = blockIdx.x; i < attn_tasks(a, T::BQ); i += gridDim.x) {
		const attn_task t = attn_task_of(a, i, T::BQ);
		const int hk = t.h / a.at.group;
		attn_walk w = attn_bwd_queries90_walk<D>(a, t);
		int step = attn_walk_next<true>(a.at, w, lane);

		if (step >= 0 && lane == 0) {
			lk_mbar_wait(x.q_empty, (nq & 1) ^ 1);
			lk_mbar_expect(x.q_full, 2 * T::Q::BYTES);
			tma_tile_load<D, T::BQ>(x.q, &a.q, x.q_full, t.h, t.row, t.b);
			tma_tile_load<D, T::BQ>(x.dout, &a.dout, x.q_full, t.h, t.row, t.b);
		}
		nq += step >= 0;
		for (; step >= 0; step = attn_walk_next<true>(a.at, w, lane), n += 2) {
			const int row = (step >> 1) * T::BK;

			if (lane == 0) {
				attn_bwd_queries90_load<D>(x, &a.v, n, hk, row, t.b);
				attn_bwd_queries90_load<D>(x, &a.k, n + 1, hk, row, t.b);
			}
			lk_syncwarp();
		}
	}
}

/* Where the n-th tile of values and keys is, once it is. */
template <int D>
LK_FN u32
attn_bwd_queries90_slot(const typename attn_bwd_queries90<D>::shared &x, int n)
{
	typedef attn_bwd_queries90<D> T;

	lk_mbar_wait(x.full + 8 * (n % T::SLOTS), n / T::SLOTS & 1);
	return x.slots + n % T::SLOTS * T::K::BYTES;
}

/* One tile of keys, number n + 1, its values being number n; me: 0 or 1; row:
 * the warp's first query. */
template <int D>
LK_FN void
attn_bwd_queries90_tile(const attn_args &a, const typename attn_bwd_queries90<D>::shared &x,
    attn_bwd_queries90<D> &y, const attn_task &t, int n, int step, int me, int row, int lane)
{
	typedef attn_bwd_queries90<D> T;
	const u32 v = attn_bwd_queries90_slot<D>(x, n), k = attn_bwd_queries90_slot<D>(x, n + 1);
	const float sc = a.scale * ATTN_LOG2E;

	lk_wg_fence();
	wgmma_abt<D, T::BQ, T::BK>(y.s, x.q + me * 64 * 128, k);
	lk_wg_commit();
	if (!T::LATE) {
		wgmma_abt<D, T::BQ, T::BK>(y.d, x.dout + me * 64 * 128, v);
		lk_wg_commit();
	}
	lk_wg_wait<T::LATE ? 0 : 1>();
	if (step & 1)
		attn_mask<false>(a, t.b, y.s, row, (step >> 1) * T::BK, lane);
	LK_UNROLL for (int i = 0; i < T::BK / 2; i++)
		y.s[i] = lk_exp2(y.s[i] * sc - y.z2[i >> 1 & 1]);
	if (T::LATE) {
		lk_wg_fence();
		wgmma_abt<D, T::BQ, T::BK>(y.d, x.dout + me * 64 * 128, v);
		lk_wg_commit();
	}
	lk_wg_wait<0>();
	if (lane == 0)
		lk_mbar_arrive(x.empty + 8 * (n % T::SLOTS));
	LK_UNROLL for (int i = 0; i < T::BK / 2; i++)
		y.d[i] = y.s[i] * (y.d[i] - y.delta[i >> 1 & 1]);
	pack(y.ds, y.d);
	lk_wg_fence();
	wgmma_pb<T::BK>(y.dq, y.ds, k);
	lk_wg_commit();
	lk_wg_wait<0>();
	if (lane == 0)
		lk_mbar_arrive(x.empty + 8 * ((n + 1) % T::SLOTS));
}

template <int D>
LK_FN void
attn_bwd_queries90_consume(const attn_tma_args &b, const typename attn_bwd_queries90<D>::shared &x,
    int me, int lane)
{
	typedef attn_bwd_queries90<D> T;
	const attn_args &a = b.at;
	int n = 0, nq = 0;

	for (int i = blockIdx.x; i < attn_tasks(b, T::BQ); i += gridDim.x) {
		const attn_task t = attn_task_of(b, i, T::BQ);
		const int first = t.row + me * 64 + (threadIdx.x >> 5 & 3) * 16;
		const int row = first + (lane >> 2), heads = a.heads * a.group;
		attn_walk w = attn_bwd_queries90_walk<D>(b, t);
		int step = attn_walk_next<true>(a, w, lane);
		attn_bwd_queries90<D> y;

		mma_zero(y.dq);
		if (step >= 0) {
			LK_UNROLL for (int j = 0; j < 2; j++) {
				y.z2[j] = attn_z2(a, t.b, t.h, row + 8 * j);
				y.delta[j] = attn_delta(a, t.b, t.h, row + 8 * j);
			}
			lk_mbar_wait(x.q_full, nq++ & 1);
			for (; step >= 0; step = attn_walk_next<true>(a, w, lane), n += 2)
				attn_bwd_queries90_tile<D>(a, x, y, t, n, step, me, first, lane);
			if (lane == 0)
				lk_mbar_arrive(x.q_empty);
		}
		LK_UNROLL for (int j = 0; j < 2; j++)
			if (row + 8 * j < a.sq)
				rows_out(y.dq, a.dq,
				    ((t.b * (i64)a.sq + row + 8 * j) * heads + t.h) * D +
				        (lane & 3) * 2, j, a.scale, a.add);
	}
}

template <int D>
LK_FN void
attn_bwd_queries_sm90(const attn_tma_args &a)
{
	typedef attn_bwd_queries90<D> T;
	LK_DYN_SMEM(smem);
	const typename T::shared x = attn_bwd_queries90_shared<D>(lk_saddr(smem));
	const int tid = threadIdx.x, lane = tid & 31, group = tid >> 7;

	if (tid == 0) {
		lk_mbar_init(x.q_full, 1);
		lk_mbar_init(x.q_empty, ATTN90_CONSUMER_WARPS);
		for (int i = 0; i < T::SLOTS; i++) {
			lk_mbar_init(x.full + 8 * i, 1);
			lk_mbar_init(x.empty + 8 * i, ATTN90_CONSUMER_WARPS);
		}
		lk_mbar_fence_init();
	}
	lk_sync();
	if (group == 0) {
		lk_reg_dec<40>();
		if (tid < 32)
			attn_bwd_queries90_produce<D>(a, x, lane);
	} else {
		lk_reg_inc<232>();
		attn_bwd_queries90_consume<D>(a, x, group - 1, lane);
	}
}
