/*
 * attn_mma: tiles in shared memory and products of them, for every GPU from
 * sm_80 on (cp.async, ldmatrix, mma.sync).
 *
 * A tile is [rows][D] bf16 without padding.  Of its rows' 16-byte chunks, those
 * of one column must lie in different banks for eight rows running: chunk c of
 * row r is at place c ^ (r / (8 / G)) % G, G the greatest power of two <= 8 that
 * divides the chunks of a row.
 */
#pragma once

template <int D>
LK_FN u32
tile_at(u32 base, int row, int chunk)
{
	constexpr int C = D / 8, G = C % 8 == 0 ? 8 : C % 4 == 0 ? 4 : C % 2 == 0 ? 2 : 1;

	return base + (u32)(row * C + (chunk ^ (row / (8 / G) % G))) * 16;
}

/* Starts the copy of rows row0 .. of g into a tile; rows past `rows` are 0. */
template <int D, int ROWS, int THREADS>
LK_FN void
tile_load(u32 tile, const u16 *g, i64 stride, int row0, int rows, int tid)
{
	constexpr int C = D / 8;

	LK_UNROLL for (int i = 0; i < ROWS * C; i += THREADS) {
		const int r = (i + tid) / C, c = (i + tid) % C;
		const bool there = row0 + r < rows;

		if (ROWS * C % THREADS == 0 || i + tid < ROWS * C)
			lk_cpasync16(tile_at<D>(tile, r, c),
			    g + (there ? row0 + r : 0) * stride + c * 8, there);
	}
}

LK_FN float (&tile_part(float *s))[4] { return *(float (*)[4])s; }

/* s[16 x N] += A[16 x D] B[N x D]^T, A being rows row .. row + 15 of its tile. */
template <int D, int N>
LK_FN void
mma_abt(float (&s)[N], u32 tile_a, int row, u32 tile_b, int lane)
{
	LK_UNROLL for (int k = 0; k < D / 16; k++) {
		u32 a[4], b[4];

		lk_ldsm4(a, tile_at<D>(tile_a, row + (lane & 15), 2 * k + (lane >> 4)));
		LK_UNROLL for (int n = 0; n < N / 8; n++) {
			lk_ldsm4(b, tile_at<D>(tile_b, n * 16 + (lane & 7) + (lane >> 4) * 8,
			    2 * k + (lane >> 3 & 1)));
			lk_mma(tile_part(s + 8 * n), a, b[0], b[1]);
			lk_mma(tile_part(s + 8 * n + 4), a, b[2], b[3]);
		}
	}
}

/* o[16 x D] += p[16 x N] B[N x D]; p is rounded to bf16. */
template <int D, int N>
LK_FN void
mma_pb(float (&o)[D / 2], const float (&p)[N], u32 tile_b, int lane)
{
	LK_UNROLL for (int k = 0; k < N / 8; k++) {
		const float *x = p + 8 * k;
		const u32 a[4] = {lk_bf2(x[0], x[1]), lk_bf2(x[2], x[3]), lk_bf2(x[4], x[5]),
		    lk_bf2(x[6], x[7])};

		LK_UNROLL for (int n = 0; n < D / 16; n++) {
			u32 b[4];

			lk_ldsm4t(b, tile_at<D>(tile_b, k * 16 + (lane & 7) + (lane >> 3 & 1) * 8,
			    2 * n + (lane >> 4)));
			lk_mma(tile_part(o + 8 * n), a, b[0], b[1]);
			lk_mma(tile_part(o + 8 * n + 4), a, b[2], b[3]);
		}
	}
}

template <int N>
LK_FN void
mma_zero(float (&x)[N])
{
	LK_UNROLL for (int i = 0; i < N; i++)
		x[i] = 0;
}

/*
 * Rows of an accumulator to global memory: x * scale is written as bf16, or
 * added to f32.
 */
template <int N>
LK_FN void
rows_out(const float (&x)[N], void *to, i64 at, int j, float scale, bool add)
{
	LK_UNROLL for (int n = 0; n < N / 4; n++) {
		const float lo = x[4 * n + 2 * j] * scale, hi = x[4 * n + 2 * j + 1] * scale;

		if (add) {
			float2 *p = (float2 *)((float *)to + at + n * 8);
			const float2 old = *p;

			*p = float2{old.x + lo, old.y + hi};
		} else {
			*(u32 *)((u16 *)to + at + n * 8) = lk_bf2(lo, hi);
		}
	}
}
