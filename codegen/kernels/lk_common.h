/* What is made of the primitives alone, the same on GPU and CPU. */
#pragma once

/* ---- where am I: for kernels whose blocks and threads form one line ---- */

LK_FN i64
lk_index()
{
	return (i64)blockIdx.x * blockDim.x + threadIdx.x;
}

LK_FN i64
lk_stride()
{
	return (i64)gridDim.x * blockDim.x;
}

LK_FN int
lk_lane()
{
	return threadIdx.x & 31;
}

LK_FN int
lk_warp()
{
	return threadIdx.x >> 5;
}

LK_FN constexpr int
lk_arch() /* 80, 90, 100 */
{
	return LK_ARCH;
}

/* ---- small arithmetic ---- */

LK_FN float
lk_max(float x, float y)
{
	return x > y ? x : y;
}

LK_FN float
lk_min(float x, float y)
{
	return x < y ? x : y;
}

/* An element as f32: itself, or a bf16's value. */
LK_FN float
lk_float(float x)
{
	return x;
}

LK_FN float
lk_float(u16 x)
{
	return lk_bf(x);
}

/* False for infinities and NaN. */
LK_FN bool
lk_finite(float x)
{
	return (lk_f2u(x) & 0x7f800000u) != 0x7f800000u;
}

LK_FN float
lk_sigmoid(float x)
{
	return 1.f / (1.f + lk_exp(-x));
}

/* A bijection of 32 bits that mixes them well (Wellons, "lowbias32"). */
LK_FN u32
lk_mix(u32 x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

/* x to bf16, up with the probability that makes the mean right: `random` is
 * 16 random bits.  NaN and infinities stay what they are. */
LK_FN u16
lk_tobf_random(float x, u32 random)
{
	u32 v = lk_f2u(x);

	if (!lk_finite(x))
		return lk_tobf(x);
	return (u16)((v + (random & 0xffffu)) >> 16);
}

/* ---- sums over a warp and over a block, the same bits in every thread ---- */

LK_FN float
lk_warp_sum(float x)
{
	LK_UNROLL
	for (int i = 16; i > 0; i >>= 1)
		x += lk_shfl_xor(x, i);
	return x;
}

LK_FN float
lk_warp_max(float x)
{
	LK_UNROLL
	for (int i = 16; i > 0; i >>= 1)
		x = lk_max(x, lk_shfl_xor(x, i));
	return x;
}

/*
 * scratch: the shared address of a float per warp, which nobody else uses;
 * may be the same in successive calls.  All threads of the block call.
 */
LK_FN float
lk_block_sum(float x, u32 scratch)
{
	const int warps = (int)blockDim.x / 32;
	float sum = 0;

	x = lk_warp_sum(x);
	lk_sync(); /* the last call's readers have left */
	if (lk_lane() == 0)
		lk_sts(scratch + 4 * (u32)lk_warp(), x);
	lk_sync();
	for (int i = 0; i < warps; i++)
		sum += lk_lds<float>(scratch + 4 * (u32)i);
	return sum;
}

LK_FN float
lk_block_max(float x, u32 scratch)
{
	const int warps = (int)blockDim.x / 32;

	x = lk_warp_max(x);
	lk_sync();
	if (lk_lane() == 0)
		lk_sts(scratch + 4 * (u32)lk_warp(), x);
	lk_sync();
	x = lk_lds<float>(scratch);
	for (int i = 1; i < warps; i++)
		x = lk_max(x, lk_lds<float>(scratch + 4 * (u32)i));
	return x;
}

/* ---- shared memory by type ---- */

LK_FN void
lk_st_shared(u32 s, u32 v)
{
	lk_sts(s, v);
}

LK_FN void
lk_st_shared_f(u32 s, float v)
{
	lk_sts(s, v);
}

LK_FN void
lk_st_shared_f2(u32 s, float x, float y)
{
	lk_sts(s, float2{x, y});
}

LK_FN float
lk_ld_shared_f(u32 s)
{
	return lk_lds<float>(s);
}

/*
 * The descriptor by which wgmma finds an operand in shared memory: tiles with
 * the 128-byte swizzle whose base is a multiple of 1024, offsets in bytes.
 *	rows of k together ("K-major")   sbo = 1024 between groups of 8 rows,
 *	                                 lbo unused; + 32 bytes for each k16
 *	columns together ("MN-major")    lbo = 128 * rows between groups of 64
 *	                                 columns, sbo = 1024 between groups of
 *	                                 8 k; + 2048 bytes for each k16
 * Offsets are added to a descriptor divided by 16.
 */
LK_FN u64
lk_desc(u32 saddr, u32 lbo, u32 sbo)
{
	return (u64)((saddr & 0x3ffff) >> 4) | (u64)(lbo >> 4) << 16 |
	    (u64)(sbo >> 4) << 32 | 1ull << 62;
}
