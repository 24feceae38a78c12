/*
 * What the kernels of fusion groups are made of (codegen/kernel_cuda.c).
 *
 * A row of COLS elements is the work of LANES neighbouring threads, a block
 * has one row or several at a time.  A thread has its columns in pieces of V
 * that lie together: piece i is columns (i * LANES + lane) * V and V - 1 more.
 * What is read once and needed again stays in registers: element V i + j of
 * an array of EACH * V is column j of piece i.
 *
 * Names that these kernels share with C are defined for NVRTC, which has no
 * headers.
 */
#pragma once

#include "codegen/kernels/lk_fp8.h"

#ifdef __CUDACC_RTC__
typedef u16 uint16_t;
typedef int int32_t;
typedef u64 uint64_t;
typedef i64 int64_t;
#define UINT64_C(x) x##ull
#define INFINITY LK_INF
#define NAN __int_as_float(0x7fffffff)
#endif

/* ---- elementary functions, by the names they have on a CPU ---- */

LK_FN float lt_from_bf16(u16 x) { return lk_bf(x); }
LK_FN u16 lt_to_bf16(float x) { return lk_tobf(x); }
LK_FN float lt_expf(float x) { return lk_exp(x); }
LK_FN float lt_logf(float x) { return lk_log(x); }
LK_FN float lt_tanhf(float x) { return lk_tanh(x); }

LK_FN float
lt_sigmoidf(float x)
{
	return 1.f / (1.f + lk_exp(-x));
}

LK_FN float
lt_silu_slopef(float x)
{
	const float s = lt_sigmoidf(x);

	return s * (1.f + x * (1.f - s));
}

LK_FN float
lt_geluf(float x)
{
	return 0.5f * x * (1.f + lk_erf(x * 0.70710678f));
}

/* Phi(x) + x phi(x) */
LK_FN float
lt_gelu_slopef(float x)
{
	return 0.5f * (1.f + lk_erf(x * 0.70710678f)) +
	    x * 0.39894228f * lk_exp(-0.5f * x * x);
}

LK_FN float
lt_gelu_tanhf(float x)
{
	return 0.5f * x * (1.f + lk_tanh(0.79788456f *
	    (x + 0.044715f * x * x * x)));
}

LK_FN float
lt_gelu_tanh_slopef(float x)
{
	const float t = lk_tanh(0.79788456f * (x + 0.044715f * x * x * x));

	return 0.5f * (1.f + t) + 0.5f * x * (1.f - t * t) * 0.79788456f *
	    (1.f + 0.134145f * x * x);
}

/* ---- dropout: the random numbers of support/rng.h ---- */

LK_FN u64
lt_mix64(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

LK_FN u64
lt_dropout_stream(i64 step, i64 site)
{
	return lt_mix64(lt_mix64((u64)step + 0x9e3779b97f4a7c15ull) +
	    (u64)site);
}

/* Philox4x32-10: word index % 4 of block index / 4 of the stream. */
LK_FN bool
lt_dropout_keeps(u64 seed, u64 stream, u64 index, u64 threshold)
{
	u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
	u32 a = (u32)(index >> 2), b = (u32)(index >> 34);
	u32 c = (u32)stream, d = (u32)(stream >> 32);

	LK_UNROLL
	for (int i = 0; i < 10; i++) {
		const u64 p = (u64)a * 0xd2511f53u;
		const u64 q = (u64)c * 0xcd9e8d57u;

		a = (u32)(q >> 32) ^ b ^ k0;
		b = (u32)q;
		c = (u32)(p >> 32) ^ d ^ k1;
		d = (u32)p;
		k0 += 0x9e3779b9u;
		k1 += 0xbb67ae85u;
	}
	return (index & 2 ? index & 1 ? d : c : index & 1 ? b : a) < threshold;
}

/* runtime/runs.h */
struct lt_runs {
	u32 n;
	struct {
		u64 start, len;
	} r[8];
};

LK_FN u64
lt_position(const struct lt_runs *at, u64 i)
{
	u32 j = 0;

	while (j + 1 < at->n && i >= at->r[j].len)
		i -= at->r[j++].len;
	return at->r[j].start + i;
}

/* ---- elements in registers, as they are in memory ---- */

/* N elements of which V lie together; V divides N. */
template <class T, int V, int N> struct lt_regs {
	T x[N];
};

/* bf16 in pairs */
template <int V, int N> struct lt_regs<u16, V, N> {
	u32 x[V > 1 ? N / 2 : N];
};

template <class T, int V, int N>
LK_FN float
lt_at(const lt_regs<T, V, N> &r, int i)
{
	return (float)r.x[i];
}

template <int V, int N>
LK_FN float
lt_at(const lt_regs<u16, V, N> &r, int i)
{
	if constexpr (V == 1)
		return lk_bflo(r.x[i]);
	return i % 2 ? lk_bfhi(r.x[i / 2]) : lk_bflo(r.x[i / 2]);
}

/* Elements i .. i + V - 1 from memory; p is a multiple of V elements. */
template <int V, int N>
LK_FN void
lt_load(lt_regs<float, V, N> &r, int i, const float *p)
{
	if constexpr (V >= 4) {
		LK_UNROLL
		for (int j = 0; j < V; j += 4) {
			const float4 x = *(const float4 *)(p + j);

			r.x[i + j] = x.x;
			r.x[i + j + 1] = x.y;
			r.x[i + j + 2] = x.z;
			r.x[i + j + 3] = x.w;
		}
	} else if constexpr (V == 2) {
		const float2 x = *(const float2 *)p;

		r.x[i] = x.x;
		r.x[i + 1] = x.y;
	} else {
		r.x[i] = *p;
	}
}

template <int V, int N>
LK_FN void
lt_load(lt_regs<u16, V, N> &r, int i, const u16 *p)
{
	if constexpr (V == 8) {
		const uint4 x = *(const uint4 *)p;

		r.x[i / 2] = x.x;
		r.x[i / 2 + 1] = x.y;
		r.x[i / 2 + 2] = x.z;
		r.x[i / 2 + 3] = x.w;
	} else if constexpr (V == 4) {
		const uint2 x = *(const uint2 *)p;

		r.x[i / 2] = x.x;
		r.x[i / 2 + 1] = x.y;
	} else if constexpr (V == 2) {
		r.x[i / 2] = *(const u32 *)p;
	} else {
		r.x[i] = *p;
	}
}

template <int V, int N>
LK_FN void
lt_load(lt_regs<int, V, N> &r, int i, const int *p)
{
	LK_UNROLL
	for (int j = 0; j < V; j++)
		r.x[i + j] = p[j];
}

/* V results to memory. */
template <int V>
LK_FN void
lt_store(float *p, const float (&x)[V])
{
	if constexpr (V >= 4) {
		LK_UNROLL
		for (int j = 0; j < V; j += 4)
			*(float4 *)(p + j) = float4{x[j], x[j + 1], x[j + 2],
			    x[j + 3]};
	} else if constexpr (V == 2) {
		*(float2 *)p = float2{x[0], x[1]};
	} else {
		*p = x[0];
	}
}

template <int V>
LK_FN void
lt_store(u16 *p, const float (&x)[V])
{
	if constexpr (V == 8) {
		*(uint4 *)p = uint4{lk_bf2(x[0], x[1]), lk_bf2(x[2], x[3]),
		    lk_bf2(x[4], x[5]), lk_bf2(x[6], x[7])};
	} else if constexpr (V == 4) {
		*(uint2 *)p = uint2{lk_bf2(x[0], x[1]), lk_bf2(x[2], x[3])};
	} else if constexpr (V == 2) {
		*(u32 *)p = lk_bf2(x[0], x[1]);
	} else {
		*p = lk_tobf(x[0]);
	}
}

/* V results added to memory. */
template <int V>
LK_FN void
lt_add(float *p, const float (&x)[V])
{
	lt_regs<float, V, V> old;
	float sum[V];

	lt_load(old, 0, p);
	LK_UNROLL
	for (int j = 0; j < V; j++)
		sum[j] = old.x[j] + x[j];
	lt_store(p, sum);
}

/* 2 W results, the second half of them elsewhere. */
template <int W, class T>
LK_FN void
lt_store2(T *p, T *q, const float (&x)[2 * W])
{
	float lo[W], hi[W];

	LK_UNROLL
	for (int j = 0; j < W; j++) {
		lo[j] = x[j];
		hi[j] = x[W + j];
	}
	lt_store(p, lo);
	lt_store(q, hi);
}

template <int W>
LK_FN void
lt_add2(float *p, float *q, const float (&x)[2 * W])
{
	float lo[W], hi[W];

	LK_UNROLL
	for (int j = 0; j < W; j++) {
		lo[j] = x[j];
		hi[j] = x[W + j];
	}
	lt_add(p, lo);
	lt_add(q, hi);
}

/* One element. */
LK_FN void lt_put(float *p, float x) { *p = x; }
LK_FN void lt_put(u16 *p, float x) { *p = lk_tobf(x); }
LK_FN float lt_get(const float *p) { return *p; }
LK_FN float lt_get(const u16 *p) { return lk_bf(*p); }
LK_FN float lt_get(const int *p) { return (float)*p; }

/* ---- a row's sums and maxima, the same bits in all of its threads ---- */

/* Shared memory of the reductions of rows that are a block: two halves that
 * take turns, in each a word of every warp for every value. */
enum { LT_REDUCED_MAX = 2, LT_SCRATCH_HALF = LT_REDUCED_MAX * 128 };

template <bool MAX>
LK_FN float
lt_both(float x, float y)
{
	return MAX ? lk_max(x, y) : x + y;
}

/* Over LANES neighbours, a power of two. */
template <bool MAX, int LANES>
LK_FN float
lt_lanes(float x)
{
	LK_UNROLL
	for (int i = LANES / 2; i > 0; i >>= 1)
		x = lt_both<MAX>(x, lk_shfl_xor(x, i));
	return x;
}

/* What the warps have left at s, in their order. */
template <bool MAX, int WARPS>
LK_FN float
lt_warps(u32 s)
{
	float x = lk_lds<float>(s);

	LK_UNROLL
	for (int i = 1; i < WARPS; i++)
		x = lt_both<MAX>(x, lk_lds<float>(s + 4 * i));
	return x;
}

/*
 * Each of x becomes that of all lanes of the row: a power of two up to 32, or
 * the whole block.  A block has one barrier for all of them: who comes to the
 * next reduction, in the other half, has read this one.
 */
template <bool MAX, int LANES, class... X>
LK_FN void
lt_reduce(u32 &scratch, X &...x)
{
	if constexpr (LANES <= 32) {
		((x = lt_lanes<MAX, LANES>(x)), ...);
	} else {
		u32 s = scratch + 4 * (u32)lk_warp(), t = scratch;

		((x = lt_lanes<MAX, 32>(x)), ...);
		if (lk_lane() == 0)
			((lk_sts(s, x), s += 128), ...);
		lk_sync();
		((x = lt_warps<MAX, LANES / 32>(t), t += 128), ...);
		scratch ^= LT_SCRATCH_HALF;
	}
}

template <int LANES, class... X>
LK_FN void
lt_row_sum(u32 &scratch, X &...x)
{
	lt_reduce<false, LANES>(scratch, x...);
}

template <int LANES, class... X>
LK_FN void
lt_row_max(u32 &scratch, X &...x)
{
	lt_reduce<true, LANES>(scratch, x...);
}

/* All threads of a row have written what others of it read now. */
template <int LANES>
LK_FN void
lt_row_sync()
{
	if constexpr (LANES > 32)
		lk_sync();
	else
		lk_syncwarp();
}
