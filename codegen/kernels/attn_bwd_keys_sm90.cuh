/*
 * attn_bwd_keys_sm90: gradients of keys and values for Hopper; what it computes
 * is what attn_bwd_keys_sm80 does.
 *
 *	grid   as many blocks as shall run at once; each takes tiles of BK keys
 *	       of a head until none is left.  384 threads:
 *	warpgroup 0    its first warp starts the copies (TMA), brings z and delta
 *	warpgroups 1-2 64 keys each
 *	shared keys, values, two stages of queries, do, z and delta, mbarriers
 *
 * p and ds stay in registers as first operands of the second products.  Where
 * the sums of both gradients do not fit there (D > 128), the warpgroups have the
 * same 64 keys, and the first makes dv, the second dk.
 *
 * Only the first warp walks over the tiles of queries: a stage says which one it
 * has, or that the task has no more.
 */
#pragma once

template <int D>
struct attn_bwd_keys90 {
	static constexpr int BK = ATTN90_BWD_BK(D), BQ = ATTN90_BWD_BQ, STAGES = 2;
	static constexpr bool BOTH = BK == 128; /* gradients by one warpgroup */
	typedef tma_tile<D, BQ> Q;
	typedef tma_tile<D, BK> K;

	/* Addresses in shared memory: of keys, values, stages, mbarriers; `what`:
	 * four words of each stage, see attn_bwd_keys90_say. */
	struct shared {
		u32 k, v, q, dout, z, what, k_full, k_empty, full, empty;
	};

	/* dv and dk; without BOTH, that which this warpgroup makes. */
	float sum[D / 2], dk[D / 2];
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
	x.what = x.z + T::STAGES * 2 * T::BQ * 4;
	x.k_full = x.what + T::STAGES * 16;
	x.k_empty = x.k_full + 8;
	x.full = x.k_empty + 8;
	x.empty = x.full + 8 * T::STAGES;
	return x;
}

/* z and delta of a tile of queries, by the lanes of a warp. */
LK_FN void
attn_bring_rows(const attn_args &a, u32 to, int b, int h, int row, int lane)
{
	LK_NO_UNROLL for (int i = lane; i < ATTN90_BWD_BQ; i += 32) {
		lk_st_shared_f(to + i * 4, attn_z2(a, b, h, row + i));
		lk_st_shared_f(to + (ATTN90_BWD_BQ + i) * 4, attn_delta(a, b, h, row + i));
	}
}

/* What a stage is for: a tile of queries and the keys it meets. */
LK_FN void
attn_bwd_keys90_say(u32 what, int step, const attn_task &keys)
{
	lk_sts(what, step);
	lk_sts(what + 4, keys.row);
	lk_sts(what + 8, keys.h);
	lk_sts(what + 12, keys.b);
}

/* Not kept in registers from tile to tile: they are all in use. */
LK_FN attn_task
attn_bwd_keys90_keys(u32 what)
{
	return attn_task{lk_lds<int>(what + 4), lk_lds<int>(what + 8), lk_lds<int>(what + 12)};
}

/* Fills stage `it` with the tile of queries of this step, of query head h, for
 * the keys of task t; with the end of this task, if step < 0. */
template <int D>
LK_FN void
attn_bwd_keys90_stage(const attn_tma_args &a, const typename attn_bwd_keys90<D>::shared &x, int it,
    int step, int h, const attn_task &t, int lane)
{
	typedef attn_bwd_keys90<D> T;
	const int st = it % T::STAGES, row = (step >> 1) * T::BQ;
	const u32 full = x.full + 8 * st;

	lk_mbar_wait(x.empty + 8 * st, (it / T::STAGES & 1) ^ 1);
	if (lane == 0) {
		attn_bwd_keys90_say(x.what + 16 * st, step, t);
		lk_mbar_expect(full, step < 0 ? 0 : 2 * T::Q::BYTES);
	}
	if (step >= 0) {
		if (lane == 0) {
			tma_tile_load<D, T::BQ>(x.q + st * T::Q::BYTES, &a.q, full, h, row,
			    t.b);
			tma_tile_load<D, T::BQ>(x.dout + st * T::Q::BYTES, &a.dout, full, h, row,
			    t.b);
		}
		attn_bring_rows(a.at, x.z + st * 2 * T::BQ * 4, t.b, h, row, lane);
	}
	lk_mbar_arrive(full);
}

/* Starts the copy of the nk-th tile of keys and values. */
template <int D>
LK_FN void
attn_bwd_keys90_load(const attn_tma_args &a, const typename attn_bwd_keys90<D>::shared &x, int nk,
    const attn_task &t, int lane)
{
	typedef attn_bwd_keys90<D> T;

	if (lane == 0) {
		lk_mbar_wait(x.k_empty, (nk & 1) ^ 1);
		lk_mbar_expect(x.k_full, 2 * T::K::BYTES);
		tma_tile_load<D, T::BK>(x.k, &a.k, x.k_full, t.h, t.row, t.b);
		tma_tile_load<D, T::BK>(x.v, &a.v, x.k_full, t.h, t.row, t.b);
	}
}

/* `it` counts stages, `nk` tiles of keys that meet queries. */
template <int D>
LK_FN void
attn_bwd_keys90_produce(const attn_tma_args &a, const typename attn_bwd_keys90<D>::shared &x,
    int lane)
{
	typedef attn_bwd_keys90<D> T;
	int it = 0, nk = 0;

	for (int i = blockIdx.x; i < attn_key_tasks(a, T::BK); i += gridDim.x) {
		const attn_task t = attn_key_task_of(a, i, T::BK);
		attn_group_walk w = attn_group_begin(a.at, t.b, t.row, T::BK, T::BQ);
		bool some = false;

		for (int step = 0; step >= 0; it++) {
			step = attn_group_next(a.at, w, lane);
			if (step >= 0 && !some) {
				attn_bwd_keys90_load<D>(a, x, nk++, t, lane);
				some = true;
			}
			attn_bwd_keys90_stage<D>(a, x, it, step, t.h * a.at.group + w.head, t,
			    lane);
		}
	}
}

/* The first row of a warp in the 64 of its warpgroup. */
LK_FN int attn_warp_row() { return (threadIdx.x >> 5 & 3) * 16; }

/* What a warpgroup makes.  Known when compiling: a branch between products
 * would keep them from running at once. */
enum { KEYS90_BOTH, KEYS90_DV, KEYS90_DK };

/* One tile of queries, in stage st; mine: the warpgroup's first key in the tile
 * of keys. */
template <int D, int MAKES>
LK_FN void
attn_bwd_keys90_tile(const attn_args &a, const typename attn_bwd_keys90<D>::shared &x,
    attn_bwd_keys90<D> &y, int st, int step, int mine, int lane)
{
	typedef attn_bwd_keys90<D> T;
	constexpr bool dk = MAKES != KEYS90_DV, dv = MAKES != KEYS90_DK;
	const u32 q = x.q + st * T::Q::BYTES, dout = x.dout + st * T::Q::BYTES;
	const u32 z = x.z + st * 2 * T::BQ * 4, keys = mine * 128;
	float s[T::BQ / 2], d[T::BQ / 2];
	u32 p[T::BQ / 16][4], ds[T::BQ / 16][4];

	lk_wg_fence();
	wgmma_abt<D, T::BK, T::BQ>(s, x.k + keys, q);
	lk_wg_commit();
	if (dk)
		wgmma_abt<D, T::BK, T::BQ>(d, x.v + keys, dout);
	lk_wg_commit(); /* nothing, without dk */
	lk_wg_wait<1>();
	if (step & 1) {
		const attn_task t = attn_bwd_keys90_keys(x.what + 16 * st);

		attn_mask<true>(a, t.b, s, (step >> 1) * T::BQ, t.row + mine + attn_warp_row(),
		    lane);
	}
	attn_weights_t(s, z, a.scale * ATTN_LOG2E, lane);
	lk_wg_wait<0>();
	if (dv)
		pack(p, s);
	if (dk) {
		attn_scores_t(d, s, z + T::BQ * 4, lane);
		pack(dv ? ds : p, d);
	}
	lk_wg_fence();
	wgmma_pb<T::BQ>(y.sum, p, dv ? dout : q);
	if (MAKES == KEYS90_BOTH)
		wgmma_pb<T::BQ>(y.dk, ds, q);
	lk_wg_commit();
	lk_wg_wait<0>();
	if (lane == 0)
		lk_mbar_arrive(x.empty + 8 * st);
}

/* The step of stage `it`, once it is full. */
template <int D>
LK_FN int
attn_bwd_keys90_step(const typename attn_bwd_keys90<D>::shared &x, int it)
{
	typedef attn_bwd_keys90<D> T;

	lk_mbar_wait(x.full + 8 * (it % T::STAGES), it / T::STAGES & 1);
	return lk_lds<int>(x.what + 16 * (it % T::STAGES));
}

template <int D, int MAKES>
LK_FN void
attn_bwd_keys90_write(const attn_args &a, const attn_bwd_keys90<D> &y, const attn_task &t,
    int mine, int lane)
{
	const i64 stride = (i64)a.heads * D, kv = (t.b * (i64)a.sk * a.heads + t.h) * D;
	constexpr bool dv = MAKES != KEYS90_DK;

	LK_UNROLL for (int j = 0; j < 2; j++) {
		const int row = t.row + mine + attn_warp_row() + (lane >> 2) + 8 * j;
		const i64 at = kv + row * stride + (lane & 3) * 2;

		if (row >= a.sk)
			continue;
		rows_out(y.sum, dv ? a.dv : a.dk, at, j, dv ? 1.f : a.scale, a.add);
		if (MAKES == KEYS90_BOTH)
			rows_out(y.dk, a.dk, at, j, a.scale, a.add);
	}
}

template <int D, int MAKES>
LK_FN void
attn_bwd_keys90_consume(const attn_tma_args &a, const typename attn_bwd_keys90<D>::shared &x,
    int mine, int lane)
{
	typedef attn_bwd_keys90<D> T;
	int it = 0, nk = 0;

	for (int i = blockIdx.x; i < attn_key_tasks(a, T::BK); i += gridDim.x, it++) {
		int step = attn_bwd_keys90_step<D>(x, it);
		const bool some = step >= 0;
		attn_bwd_keys90<D> y;

		mma_zero(y.sum);
		mma_zero(y.dk);
		if (some)
			lk_mbar_wait(x.k_full, nk++ & 1);
		for (; step >= 0; step = attn_bwd_keys90_step<D>(x, ++it))
			attn_bwd_keys90_tile<D, MAKES>(a.at, x, y, it % T::STAGES, step, mine,
			    lane);
		const attn_task t = attn_bwd_keys90_keys(x.what + 16 * (it % T::STAGES));

		lk_syncwarp(); /* all lanes have read the stage */
		if (lane == 0) {
			lk_mbar_arrive(x.empty + 8 * (it % T::STAGES));
			if (some)
				lk_mbar_arrive(x.k_empty);
		}
		attn_bwd_keys90_write<D, MAKES>(a.at, y, t, mine, lane);
	}
}

template <int D>
LK_FN void
attn_bwd_keys_sm90(const attn_tma_args &a)
{
	typedef attn_bwd_keys90<D> T;
	LK_DYN_SMEM(smem);
	const typename T::shared x = attn_bwd_keys90_shared<D>(lk_saddr(smem));
	const int tid = threadIdx.x, lane = tid & 31, group = tid >> 7;

	if (tid == 0) {
		lk_mbar_init(x.k_full, 1);
		lk_mbar_init(x.k_empty, ATTN90_CONSUMER_WARPS);
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
			attn_bwd_keys90_produce<D>(a, x, lane);
	} else {
		lk_reg_inc<232>();
		if constexpr (T::BOTH)
			attn_bwd_keys90_consume<D, KEYS90_BOTH>(a, x, (group - 1) * 64, lane);
		else if (group == 1)
			attn_bwd_keys90_consume<D, KEYS90_DV>(a, x, 0, lane);
		else
			attn_bwd_keys90_consume<D, KEYS90_DK>(a, x, 0, lane);
	}
}
