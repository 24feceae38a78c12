/*
 * attn_tma: tiles and products for Hopper (TMA, wgmma).
 *
 * A tile of R rows is ceil(D / 64) boxes [R][64] bf16 with the 128-byte
 * swizzle, as the tensor maps of attn_tma_args load them; columns past D are
 * zero.  Its descriptors:
 *	operand [R, D] with D summed over (K-major)       tile_k
 *	operand [R, D] with R summed over (MN-major)      tile_mn
 */
#pragma once

template <int D, int R>
struct tma_tile {
	static constexpr int BOXES = (D + 63) / 64, BOX = R * 128, BYTES = BOXES * BOX;
};

/* Starts the copy of a tile from `row` of a head on: one thread. */
template <int D, int R>
LK_FN void
tma_tile_load(u32 to, const lk_tmap *m, u32 bar, int head, int row, int b)
{
	typedef tma_tile<D, R> T;

	LK_UNROLL for (int i = 0; i < T::BOXES; i++)
		lk_tma_ld4(to + i * T::BOX, m, bar, i * 64, head, row, b);
}

/* Columns 16 k .. of rows from `tile` on. */
template <int R>
LK_FN u64
tile_k(u32 tile, int k)
{
	return lk_desc(tile, 16, 1024) + (u64)(k / 4 * R * 128 + k % 4 * 32) / 16;
}

/* Rows 16 k .. */
template <int R>
LK_FN u64
tile_mn(u32 tile, int k)
{
	return lk_desc(tile, R * 128, 1024) + (u64)(k * 2048) / 16;
}

/* s[64 x N] = A[64 x D] B[N x D]^T, both from shared memory; A's rows begin at
 * `a` in a tile of RA. */
template <int D, int RA, int RB, int N>
LK_FN void
wgmma_abt(float (&s)[N], u32 a, u32 b)
{
	LK_UNROLL for (int k = 0; k < D / 16; k++)
		lk_wgmma_ss<0>(s, tile_k<RA>(a, k), tile_k<RB>(b, k), k > 0);
}

/* Scores as the first operand of the next product. */
template <int N>
LK_FN void
pack(u32 (&p)[N / 8][4], const float (&s)[N])
{
	LK_UNROLL for (int i = 0; i < N / 8; i++)
		LK_UNROLL for (int x = 0; x < 4; x++)
			p[i][x] = lk_bf2(s[8 * i + 2 * x], s[8 * i + 2 * x + 1]);
}

/* o[64 x D] += p[64 x R] B[R x D] */
template <int R, int N>
LK_FN void
wgmma_pb(float (&o)[N], const u32 (&p)[R / 16][4], u32 b)
{
	LK_UNROLL for (int k = 0; k < R / 16; k++)
		lk_wgmma_rs<1>(o, p[k], tile_mn<R>(b, k), 1);
}
