/*
 * Kernels that do little but call the primitives of lk.h, on data that shows
 * what each does.  The emulator's tests run them; on a GPU the same calls must
 * give the same numbers, before any other kernel is believed.
 */
#pragma once

#include "codegen/kernels/lk.h"

/* out[thread][8]: what the lanes and threads of a block exchange. */
LK_KERNEL(probe_warp, 64, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const float x = (float)threadIdx.x;
	float *out = a.out + threadIdx.x * 8;

	out[0] = lk_shfl_xor(x, 5);
	out[1] = lk_shfl(x, 3);
	out[2] = (float)lk_shfl_i((int)threadIdx.x, lk_lane() + 1);
	out[3] = (float)lk_ballot(lk_lane() < 3);
	out[5] = lk_block_max(-x, s);
	out[4] = lk_block_sum(x, s);
	lk_sync();
	lk_sts(s + 4 * threadIdx.x, x);
	lk_syncwarp();
	out[6] = lk_lds<float>(s + 4 * (threadIdx.x ^ 31));
	lk_sync();
	out[7] = lk_lds<float>(s + 4 * (threadIdx.x ^ 63));
}

/* C[16, 8] = A[16, 16] B[16, 8]; A and B (row-major) by ldmatrix. */
LK_KERNEL(probe_mma, 32, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const int lane = lk_lane();
	float c[4] = {};
	u32 m[4], b[4];

	for (int i = lane; i < 32; i += 32)
		lk_cpasync16(s + 16 * (u32)i, (const u16 *)a.x + i * 8, true);
	if (lane < 16)
		lk_cpasync16(s + 512 + 16 * (u32)lane,
		    (const u16 *)a.y + lane * 8, true);
	lk_cpasync_commit();
	lk_cpasync_wait<0>();
	lk_syncwarp();
	lk_ldsm4(m, s + (u32)(lane % 16 * 32 + lane / 16 * 16));
	lk_ldsm4t(b, s + 512 + (u32)(lane % 16 * 16));
	lk_mma(c, m, b[0], b[1]);
	for (int i = 0; i < 4; i++)
		a.out[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

/* out[thread][16]: functions of x[thread]. */
LK_KERNEL(probe_math, 32, 1, struct probe_args)
{
	const float x = ((const float *)a.x)[threadIdx.x];
	float *out = a.out + threadIdx.x * 16;

	out[0] = lk_exp2(x);
	out[1] = lk_log2(lk_abs(x));
	out[2] = lk_exp(x);
	out[3] = lk_log(lk_abs(x));
	out[4] = lk_tanh(x);
	out[5] = lk_erf(x);
	out[6] = lk_sin(x);
	out[7] = lk_cos(x);
	out[8] = lk_pow(lk_abs(x), 0.75f);
	out[9] = lk_sqrt(lk_abs(x));
	out[10] = lk_rsqrt(lk_abs(x));
	out[11] = lk_floor(x);
	out[12] = lk_fma(x, x, 1.f);
	out[13] = lk_bf(lk_tobf(x));
	out[14] = lk_bfhi(lk_bf2(0.f, x)) - lk_bflo(lk_bf2(x, 1.f));
	out[15] = lk_sigmoid(x);
}

/* out[thread][2]: the bits of x[thread] in bf16, to nearest even, and by the
 * random number y[thread]. */
LK_KERNEL(probe_round, 32, 1, struct probe_args)
{
	const float x = ((const float *)a.x)[threadIdx.x];
	const u32 random = ((const u32 *)a.y)[threadIdx.x];

	a.out[2 * threadIdx.x] = (float)lk_tobf(x);
	a.out[2 * threadIdx.x + 1] = (float)lk_tobf_random(x, random);
}

/* out[thread][12] = x[thread] by way of shared memory, in every type. */
LK_KERNEL(probe_shared, 32, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem) + 16 * threadIdx.x;
	const float x = ((const float *)a.x)[threadIdx.x];
	float *out = a.out + threadIdx.x * 12;

	lk_sts(s, x);
	out[0] = lk_lds<float>(s);
	lk_sts(s, lk_f2u(x));
	out[1] = lk_u2f(lk_lds<u32>(s));
	lk_sts(s, (int)lk_f2u(x));
	out[2] = lk_u2f((u32)lk_lds<int>(s));
	lk_sts(s, (double)x);
	out[3] = (float)lk_lds<double>(s);
	lk_sts(s, float2{0.f, x});
	out[4] = lk_lds<float2>(s).y;
	lk_sts(s, uint2{0, lk_f2u(x)});
	out[5] = lk_u2f(lk_lds<uint2>(s).y);
	lk_sts(s, float4{0.f, 0.f, x, x});
	out[6] = lk_lds<float4>(s).w;
	lk_sts(s, uint4{0, 0, lk_f2u(x), 0});
	out[7] = lk_u2f(lk_lds<uint4>(s).z);
	lk_sts(s, lk_tobf(x));
	out[8] = lk_bf(lk_lds<u16>(s));
	lk_stg4(a.out + 384 + 4 * threadIdx.x,
	    lk_ldg4((const float *)a.y + 4 * threadIdx.x));
	lk_stg16(a.out + 512 + 4 * threadIdx.x,
	    lk_ldg16((const float *)a.y + 4 * threadIdx.x));
	out[9] = (float)lk_shfl_xor_i((int)threadIdx.x, 1);
	out[10] = lk_bf(lk_tobf_random(x, 0x8000));
	lk_red_add(&out[11], x);
	lk_red_add2(a.out + 640, 1.f, 2.f);
}

#if LK_ARCH >= 90
/* out[0..31] += x, out[32..63] = x */
LK_KERNEL(probe_bulk, 32, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem), bar = s + 128;

	if (threadIdx.x == 0) {
		lk_mbar_init(bar, 1);
		lk_mbar_fence_init();
		lk_mbar_expect(bar, 128);
		lk_bulk_ld(s, a.x, 128, bar);
		lk_mbar_wait(bar, 0);
		lk_bulk_red_add(a.out, s, 128);
		lk_bulk_st(a.out + 32, s, 128);
		lk_bulk_commit();
		lk_bulk_wait<0>();
	}
}

#endif

#if LK_ARCH == 90
/*
 * out[256]: sums of column t % 32 of x[n][32], by warpgroups as attention has
 * them: one starts copies into two stages, two add what comes, in turns.
 */
LK_KERNEL(probe_turns, 384, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem), full = s + 256, empty = full + 16;
	const u32 to = s + 512;
	const int t = (int)threadIdx.x, me = t / 128 - 1;
	float sum = 0;

	if (t == 0) {
		for (u32 i = 0; i < 2; i++) {
			lk_mbar_init(full + 8 * i, 1);
			lk_mbar_init(empty + 8 * i, 8);
		}
		lk_mbar_fence_init();
	}
	lk_sync();
	if (me < 0) {
		lk_reg_dec<40>();
		for (int i = 0; t == 0 && i < a.n; i++) {
			const u32 st = (u32)i % 2;

			lk_mbar_wait(empty + 8 * st, (u32)(i / 2 & 1) ^ 1);
			lk_mbar_expect(full + 8 * st, 128);
			lk_bulk_ld(s + 128 * st, (const float *)a.x + 32 * i,
			    128, full + 8 * st);
		}
		return;
	}
	lk_reg_inc<232>();
	if (me == 1)
		lk_bar_arrive(1, 256);
	for (int i = 0; i < a.n; i++) {
		const u32 st = (u32)i % 2;

		lk_mbar_wait(full + 8 * st, (u32)(i / 2 & 1));
		lk_bar_sync(1 + me, 256);
		sum += lk_lds<float>(s + 128 * st + 4 * (u32)lk_lane());
		lk_bar_arrive(2 - me, 256);
		lk_syncwarp();
		if (lk_lane() == 0)
			lk_mbar_arrive(empty + 8 * st);
	}
	lk_sts(to + 4 * (u32)(t - 128), sum);
	lk_fence_proxy();
	lk_bar_sync(3, 256);
	if (t == 128) {
		lk_bulk_st(a.out, to, 1024);
		lk_bulk_commit();
		lk_bulk_wait_read<0>();
		lk_bulk_wait<0>();
	}
}

/* add(k) for each k16 of 64, between fence and wait: no branches are there, for
 * these would make one product wait for the other. */
template <class Add>
LK_FN void
probe_product(Add add)
{
	lk_wg_fence();
	LK_UNROLL
	for (int k = 0; k < 4; k++)
		add(k);
	lk_wg_commit();
	lk_wg_wait<0>();
}

/* X's operands from [64][64] bf16 with the 128-byte swizzle. */
LK_FN void
probe_fragments(u32 (&m)[4][4], u32 x)
{
	const int t = (int)threadIdx.x;

	LK_UNROLL
	for (int k = 0; k < 4; k++) {
		const u32 chunk = (u32)(k * 2 + t % 32 / 16);

		lk_ldsm4(m[k], x + (u32)((t / 32 * 16 + t % 16) * 128) +
		    ((chunk ^ (u32)(t % 8)) << 4));
	}
}

/* out[64, 64] = X[64, 64] Y[64, 64]^T (a.n 0), X Y (1), X^T Y (2), and 0 with
 * X in registers (3).  Rows beyond those of the tensor are zero. */
LK_KERNEL(probe_wgmma, 128, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);
	const u32 x = lk_saddr(smem), y = x + 8192, bar = y + 8192;
	const int t = (int)threadIdx.x, row = t / 32 * 16 + t % 32 / 4;
	const u64 rx = lk_desc(x, 16, 1024), ry = lk_desc(y, 16, 1024);
	const u64 cx = lk_desc(x, 8192, 1024), cy = lk_desc(y, 8192, 1024);
	float d[32];
	u32 m[4][4];

	if (t == 0) {
		lk_mbar_init(bar, 1);
		lk_mbar_fence_init();
	}
	lk_sync();
	if (t == 0) {
		lk_mbar_expect(bar, 16384);
		lk_tma_ld4(x, &a.map, bar, 0, 0, 0, 0);
		lk_tma_ld4(y, &a.map2, bar, 0, 0, 0, 0);
	}
	lk_mbar_wait(bar, 0);
	probe_fragments(m, x);
	if (a.n == 0)
		probe_product([&](int k) {
			lk_wgmma_ss<0>(d, rx + (u64)(k * 2), ry + (u64)(k * 2), k > 0);
		});
	else if (a.n == 1)
		probe_product([&](int k) {
			lk_wgmma_ss<1>(d, rx + (u64)(k * 2), cy + (u64)(k * 128), k > 0);
		});
	else if (a.n == 2)
		probe_product([&](int k) {
			lk_wgmma_sst<1, 1>(d, cx + (u64)(k * 128), cy + (u64)(k * 128),
			    k > 0);
		});
	else
		probe_product([&](int k) {
			lk_wgmma_rs<0>(d, m[k], ry + (u64)(k * 2), k > 0);
		});
	for (int i = 0; i < 32; i++)
		a.out[(row + i / 2 % 2 * 8) * 64 + i / 4 * 8 + t % 4 * 2 +
		    i % 2] = d[i];
}

/*
 * out[64, N] = X[64, 64] Y, for each width that attention has: Y^T is [N, 64]
 * (a.n 0), Y is [64, N] in boxes of 64 columns (1), and 1 with X in registers
 * (2).
 */
template <int N>
LK_FN void
probe_width(const probe_args &a)
{
	LK_DYN_SMEM(smem);
	constexpr int BOXES = (N + 63) / 64;
	const u32 x = lk_saddr(smem), y = x + 8192, bar = y + 4 * 8192;
	const int t = (int)threadIdx.x, row = t / 32 * 16 + t % 32 / 4;
	const u64 rx = lk_desc(x, 16, 1024), ry = lk_desc(y, 16, 1024);
	const u64 cy = lk_desc(y, 8192, 1024);
	float d[N / 2];
	u32 m[4][4];

	if (t == 0) {
		lk_mbar_init(bar, 1);
		lk_mbar_fence_init();
	}
	lk_sync();
	if (t == 0) {
		lk_mbar_expect(bar, 8192 + (a.n == 0 ? N * 128 : BOXES * 8192));
		lk_tma_ld4(x, &a.map, bar, 0, 0, 0, 0);
		for (int i = 0; i < (a.n == 0 ? 1 : BOXES); i++)
			lk_tma_ld4(y + (u32)(i * 8192), &a.map2, bar, i * 64, 0,
			    0, 0);
	}
	lk_mbar_wait(bar, 0);
	probe_fragments(m, x);
	if (a.n == 0)
		probe_product([&](int k) {
			lk_wgmma_ss<0>(d, rx + (u64)(k * 2), ry + (u64)(k * 2), k > 0);
		});
	else if (a.n == 1)
		probe_product([&](int k) {
			lk_wgmma_ss<1>(d, rx + (u64)(k * 2), cy + (u64)(k * 128), k > 0);
		});
	else
		probe_product([&](int k) {
			lk_wgmma_rs<1>(d, m[k], cy + (u64)(k * 128), k > 0);
		});
	LK_UNROLL
	for (int i = 0; i < N / 2; i++)
		a.out[(row + i / 2 % 2 * 8) * N + i / 4 * 8 + t % 4 * 2 +
		    i % 2] = d[i];
}

LK_KERNEL(probe_width_64, 128, 1, struct probe_args) { probe_width<64>(a); }
LK_KERNEL(probe_width_80, 128, 1, struct probe_args) { probe_width<80>(a); }
LK_KERNEL(probe_width_96, 128, 1, struct probe_args) { probe_width<96>(a); }
LK_KERNEL(probe_width_128, 128, 1, struct probe_args) { probe_width<128>(a); }
LK_KERNEL(probe_width_256, 128, 1, struct probe_args) { probe_width<256>(a); }
#endif
