/*
 * Matrix products, where no library does them: the emulator's, and mixes of
 * types that cuBLASLt lacks.  C[m,n] (+)= op(A)[m,k] op(B)[k,n]; see
 * gemm_args, and runtime/cpu/gemm.h for the contract.
 *
 *	gemm_bf16_nn, _nt, _tn, _tt   A and B bf16, sums by tensor cores; the
 *	                              letters say which are transposed.
 *	                              Stored rows of A and B have lengths,
 *	                              distances and beginnings that are
 *	                              multiples of 16 bytes.
 *	gemm_any                      the rest, in f32
 *
 * grid: tiles of 64 columns, tiles of 64 rows.  No order but that of k.
 */
#pragma once

#include "codegen/kernels/lk.h"

#define GEMM_TILE 64

/* ---- reading and writing by type ---- */

LK_FN float
gemm_read(const void *x, int type, i64 i)
{
	return type == LK_BF16 ? lk_bf(((const u16 *)x)[i]) :
	    ((const float *)x)[i];
}

LK_FN void
gemm_write(const gemm_args &a, int row, int col, float sum)
{
	const i64 i = row * a.ldc + col;

	if (row >= a.m || col >= a.n)
		return;
	if (a.acc)
		sum += gemm_read(a.c, a.c_type, i);
	if (a.bias)
		sum += gemm_read(a.bias, a.bias_type, col);
	if (a.resid)
		sum += gemm_read(a.resid, a.resid_type, row * a.ldr + col);
	if (a.c_type == LK_BF16)
		((u16 *)a.c)[i] = lk_tobf(sum);
	else
		((float *)a.c)[i] = sum;
}

/* ---- bf16 ---- */

#define GEMM_BF16_THREADS 128 /* 2 x 2 warps, 32 x 32 of C each */
#define GEMM_TILE_BYTES (GEMM_TILE * GEMM_TILE * 2)
#define GEMM_BF16_SMEM (4 * GEMM_TILE_BYTES) /* A and B, two stages */

/*
 * A tile is 64 stored rows of 64 bf16, 8 chunks of 16 bytes each.  Chunk c of
 * row r lies at place c ^ (r % 8), so that 8 rows of a matrix that ldmatrix
 * reads are in 8 different groups of banks.
 */
LK_FN u32
gemm_at(u32 tile, int row, int chunk)
{
	return tile + (u32)(row * 128 + ((chunk ^ (row & 7)) << 4));
}

/* Rows row0.. and columns col0.. of x, stored [rows][ld]; zeros outside. */
LK_FN void
gemm_load(u32 tile, const u16 *x, i64 ld, int row0, int rows, int col0,
    int cols)
{
	LK_UNROLL
	for (int i = 0; i < 4; i++) {
		const int id = (int)threadIdx.x + i * GEMM_BF16_THREADS;
		const int r = id / 8, c = id % 8;
		const bool ok = row0 + r < rows && col0 + c * 8 < cols;

		lk_cpasync16(gemm_at(tile, r, c), ok ?
		    x + (row0 + r) * ld + col0 + c * 8 : x, ok);
	}
}

/* The operand fragments of lk_mma for rows m0..m0+15, k0..k0+15 of A: stored
 * with k along rows, or transposed with m along rows. */
template <int TA> LK_FN void
gemm_fragment_a(u32 (&r)[4], u32 tile, int m0, int k0)
{
	const int lane = lk_lane();

	if (TA)
		lk_ldsm4t(r, gemm_at(tile, k0 + lane % 8 + lane / 16 * 8,
		    m0 / 8 + lane / 8 % 2));
	else
		lk_ldsm4(r, gemm_at(tile, m0 + lane % 16, k0 / 8 + lane / 16));
}

/* For 16 columns of B: r[0], r[1] are the first 8, r[2], r[3] the others. */
template <int TB> LK_FN void
gemm_fragment_b(u32 (&r)[4], u32 tile, int n0, int k0)
{
	const int lane = lk_lane();

	if (TB)
		lk_ldsm4(r, gemm_at(tile, n0 + lane % 8 + lane / 16 * 8,
		    k0 / 8 + lane / 8 % 2));
	else
		lk_ldsm4t(r, gemm_at(tile, k0 + lane % 16,
		    n0 / 8 + lane / 16));
}

/* A step of 64 along k: this warp's 32 x 32 of C from two tiles. */
template <int TA, int TB> LK_FN void
gemm_step(float (&c)[2][4][4], u32 ta, u32 tb, int m0, int n0)
{
	LK_UNROLL
	for (int k = 0; k < GEMM_TILE; k += 16) {
		u32 x[2][4], y[2][4];

		LK_UNROLL
		for (int i = 0; i < 2; i++) {
			gemm_fragment_a<TA>(x[i], ta, m0 + i * 16, k);
			gemm_fragment_b<TB>(y[i], tb, n0 + i * 16, k);
		}
		LK_UNROLL
		for (int i = 0; i < 2; i++) {
			LK_UNROLL
			for (int j = 0; j < 4; j++)
				lk_mma(c[i][j], x[i], y[j / 2][j % 2 * 2],
				    y[j / 2][j % 2 * 2 + 1]);
		}
	}
}

/* Both operands' tiles at k0 into a stage. */
template <int TA, int TB> LK_FN void
gemm_fetch(const gemm_args &a, u32 stage, int m0, int n0, int k0)
{
	const u16 *x = (const u16 *)a.a, *y = (const u16 *)a.b;

	if (k0 < a.k) {
		if (TA)
			gemm_load(stage, x, a.lda, k0, a.k, m0, a.m);
		else
			gemm_load(stage, x, a.lda, m0, a.m, k0, a.k);
		if (TB)
			gemm_load(stage + GEMM_TILE_BYTES, y, a.ldb, n0, a.n,
			    k0, a.k);
		else
			gemm_load(stage + GEMM_TILE_BYTES, y, a.ldb, k0, a.k,
			    n0, a.n);
	}
	lk_cpasync_commit();
}

template <int TA, int TB> LK_FN void
gemm_bf16(const gemm_args &a)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const u32 across = ((u32)a.n + GEMM_TILE - 1) / GEMM_TILE;
	const int m0 = (int)(blockIdx.x / across) * GEMM_TILE;
	const int n0 = (int)(blockIdx.x % across) * GEMM_TILE;
	const int wm = lk_warp() / 2 * 32, wn = lk_warp() % 2 * 32;
	float c[2][4][4] = {};

	gemm_fetch<TA, TB>(a, s, m0, n0, 0);
	for (int k = 0, n = 0; k < a.k; k += GEMM_TILE, n++) {
		const u32 now = s + (u32)(n & 1) * 2 * GEMM_TILE_BYTES;
		const u32 next = s + (u32)(~n & 1) * 2 * GEMM_TILE_BYTES;

		gemm_fetch<TA, TB>(a, next, m0, n0, k + GEMM_TILE);
		lk_cpasync_wait<1>();
		lk_sync(); /* everybody's copies have landed */
		gemm_step<TA, TB>(c, now, now + GEMM_TILE_BYTES, wm, wn);
		lk_sync(); /* everybody has read: the stage is free */
	}
	LK_UNROLL
	for (int i = 0; i < 32; i++) {
		const int row = m0 + wm + i / 16 * 16 + i / 2 % 2 * 8 +
		    lk_lane() / 4;
		const int col = n0 + wn + i / 4 % 4 * 8 + lk_lane() % 4 * 2 +
		    i % 2;

		gemm_write(a, row, col, c[i / 16][i / 4 % 4][i % 4]);
	}
}

LK_KERNEL(gemm_bf16_nn, GEMM_BF16_THREADS, 2, struct gemm_args)
{
	gemm_bf16<0, 0>(a);
}

LK_KERNEL(gemm_bf16_nt, GEMM_BF16_THREADS, 2, struct gemm_args)
{
	gemm_bf16<0, 1>(a);
}

LK_KERNEL(gemm_bf16_tn, GEMM_BF16_THREADS, 2, struct gemm_args)
{
	gemm_bf16<1, 0>(a);
}

LK_KERNEL(gemm_bf16_tt, GEMM_BF16_THREADS, 2, struct gemm_args)
{
	gemm_bf16<1, 1>(a);
}

/* ---- any types ---- */

#define GEMM_ANY_THREADS 256 /* 16 x 16, 4 x 4 of C each */
#define GEMM_ANY_K 16
#define GEMM_ANY_SMEM (2 * GEMM_ANY_K * GEMM_TILE * 4)

/* Shared memory gets [k][64 rows of op(A), or columns of op(B)] as f32: of
 * element (mn, k) stored at mn * ld + k, or at k * ld + mn if k_major. */
LK_FN void
gemm_any_load(u32 tile, const void *x, int type, i64 ld, bool k_major, int mn0,
    int mn_end, int k0, int k_end)
{
	LK_UNROLL
	for (int i = 0; i < GEMM_TILE * GEMM_ANY_K / GEMM_ANY_THREADS; i++) {
		const int id = (int)threadIdx.x + i * GEMM_ANY_THREADS;
		/* neighbours in memory for neighbouring threads */
		const int mn = k_major ? id % GEMM_TILE : id / GEMM_ANY_K;
		const int k = k_major ? id / GEMM_TILE : id % GEMM_ANY_K;
		const i64 at = k_major ? (k0 + k) * ld + mn0 + mn :
		    (mn0 + mn) * ld + k0 + k;
		const bool ok = mn0 + mn < mn_end && k0 + k < k_end;

		lk_sts(tile + (u32)(k * GEMM_TILE + mn) * 4,
		    ok ? gemm_read(x, type, at) : 0.f);
	}
}

LK_KERNEL(gemm_any, GEMM_ANY_THREADS, 1, struct gemm_args)
{
	LK_DYN_SMEM(smem);
	const u32 sa = lk_saddr(smem), sb = sa + GEMM_ANY_K * GEMM_TILE * 4;
	const u32 across = ((u32)a.n + GEMM_TILE - 1) / GEMM_TILE;
	const int m0 = (int)(blockIdx.x / across) * GEMM_TILE;
	const int n0 = (int)(blockIdx.x % across) * GEMM_TILE;
	const int ty = (int)threadIdx.x / 16 * 4;
	const int tx = (int)threadIdx.x % 16 * 4;
	float c[4][4] = {};

	for (int k0 = 0; k0 < a.k; k0 += GEMM_ANY_K) {
		lk_sync(); /* the tiles are read */
		gemm_any_load(sa, a.a, a.a_type, a.lda, a.ta, m0, a.m, k0, a.k);
		gemm_any_load(sb, a.b, a.b_type, a.ldb, !a.tb, n0, a.n, k0,
		    a.k);
		lk_sync();
		for (int k = 0; k < GEMM_ANY_K; k++) {
			const u32 row = (u32)(k * GEMM_TILE) * 4;
			const float4 x = lk_lds<float4>(sa + row + 4 * (u32)ty);
			const float4 y = lk_lds<float4>(sb + row + 4 * (u32)tx);
			const float xs[4] = {x.x, x.y, x.z, x.w};
			const float ys[4] = {y.x, y.y, y.z, y.w};

			LK_UNROLL
			for (int i = 0; i < 16; i++)
				c[i / 4][i % 4] += xs[i / 4] * ys[i % 4];
		}
	}
	LK_UNROLL
	for (int i = 0; i < 16; i++)
		gemm_write(a, m0 + ty + i / 4, n0 + tx + i % 4,
		    c[i / 4][i % 4]);
}
