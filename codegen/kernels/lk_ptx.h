/*
 * The primitives on a GPU: see lk.h, and the PTX ISA for each instruction.
 * Needs no header of CUDA; what is not inline PTX is built into NVRTC.
 */
#pragma once

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define LK_FN __device__ __forceinline__
#define LK_UNROLL _Pragma("unroll")
#define LK_NO_UNROLL _Pragma("unroll 1")
#define LK_ARCH (__CUDA_ARCH__ / 10)
#define LK_INF __int_as_float(0x7f800000)
#define LK_KERNEL(name, threads, blocks, args)                                \
	extern "C" __global__ void __launch_bounds__(threads, blocks)         \
	name(const __grid_constant__ args a)
/* The block's dynamic shared memory. */
extern __shared__ __align__(1024) char lk_dynamic_smem[];
#define LK_DYN_SMEM(name) char *name = lk_dynamic_smem

/* ---- numbers ---- */

LK_FN u32 lk_f2u(float x) { return __float_as_uint(x); }
LK_FN float lk_u2f(u32 x) { return __uint_as_float(x); }
/* bf16: one, or the lower and upper one of a pair */
LK_FN float lk_bf(u16 x) { return __uint_as_float((u32)x << 16); }
LK_FN float lk_bflo(u32 x) { return __uint_as_float(x << 16); }
LK_FN float lk_bfhi(u32 x) { return __uint_as_float(x & 0xffff0000u); }
LK_FN u32
lk_bf2(float lo, float hi)
{
	u32 r;

	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
	return r;
}
LK_FN u16 lk_tobf(float x) { return (u16)lk_bf2(x, 0.f); }

/* Fast, errors of some 2^-22 (relative for exp2, absolute for log2). */
LK_FN float
lk_exp2(float x)
{
	float r;

	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}
LK_FN float
lk_log2(float x)
{
	float r;

	asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}
/* Right to a few units in the last place. */
LK_FN float lk_exp(float x) { return expf(x); }
LK_FN float lk_log(float x) { return logf(x); }
LK_FN float lk_tanh(float x) { return tanhf(x); }
LK_FN float lk_erf(float x) { return erff(x); }
LK_FN float lk_sin(float x) { return sinf(x); }
LK_FN float lk_cos(float x) { return cosf(x); }
LK_FN float lk_pow(float x, float y) { return powf(x, y); }
LK_FN float lk_sqrt(float x) { return sqrtf(x); }
LK_FN float lk_rsqrt(float x) { return rsqrtf(x); }
LK_FN float lk_floor(float x) { return floorf(x); }
LK_FN float lk_abs(float x) { return fabsf(x); }
LK_FN float lk_fma(float x, float y, float z) { return fmaf(x, y, z); }
/* 64-bit, for angles and long sums */
LK_FN double lk_exp(double x) { return exp(x); }
LK_FN double lk_sin(double x) { return sin(x); }
LK_FN double lk_cos(double x) { return cos(x); }
LK_FN double lk_sqrt(double x) { return sqrt(x); }
LK_FN double lk_pow(double x, double y) { return pow(x, y); }
LK_FN int lk_popc(u32 x) { return __popc(x); } /* bits that are 1 */

/* ---- a warp: 32 lanes, all of which call ---- */

LK_FN float lk_shfl_xor(float x, int m)
{ return __shfl_xor_sync(0xffffffffu, x, m); }
LK_FN int lk_shfl_xor_i(int x, int m)
{ return __shfl_xor_sync(0xffffffffu, x, m); }
LK_FN float lk_shfl(float x, int lane)
{ return __shfl_sync(0xffffffffu, x, lane); }
LK_FN int lk_shfl_i(int x, int lane)
{ return __shfl_sync(0xffffffffu, x, lane); }
LK_FN u32 lk_ballot(bool x) { return __ballot_sync(0xffffffffu, x); }
LK_FN void lk_syncwarp() { __syncwarp(); }

/* ---- barriers: all threads of the block; n of them at barrier `id` ---- */

LK_FN void lk_sync() { __syncthreads(); }
LK_FN void lk_bar_sync(int id, int n)
{ asm volatile("bar.sync %0, %1;" :: "r"(id), "r"(n) : "memory"); }
LK_FN void lk_bar_arrive(int id, int n)
{ asm volatile("bar.arrive %0, %1;" :: "r"(id), "r"(n) : "memory"); }

/* ---- memory ---- */

LK_FN u32 lk_saddr(const void *p) { return (u32)__cvta_generic_to_shared(p); }

/* Shared memory: lk_sts(address, value), lk_lds<float>(address). */
#define LK_SHARED(type, ptx, c)                                               \
	LK_FN void lk_sts(u32 s, type v)                                      \
	{                                                                     \
		asm volatile("st.shared." ptx " [%0], %1;"                    \
		    :: "r"(s), c(v) : "memory");                              \
	}                                                                     \
	template <> LK_FN type lk_lds<type>(u32 s)                            \
	{                                                                     \
		type v;                                                       \
		asm volatile("ld.shared." ptx " %0, [%1];"                    \
		    : "=" c(v) : "r"(s) : "memory");                          \
		return v;                                                     \
	}
#define LK_SHARED2(type, ptx, c)                                              \
	LK_FN void lk_sts(u32 s, type v)                                      \
	{                                                                     \
		asm volatile("st.shared.v2." ptx " [%0], {%1, %2};"           \
		    :: "r"(s), c(v.x), c(v.y) : "memory");                    \
	}                                                                     \
	template <> LK_FN type lk_lds<type>(u32 s)                            \
	{                                                                     \
		type v;                                                       \
		asm volatile("ld.shared.v2." ptx " {%0, %1}, [%2];"           \
		    : "=" c(v.x), "=" c(v.y) : "r"(s) : "memory");            \
		return v;                                                     \
	}
#define LK_SHARED4(type, ptx, c)                                              \
	LK_FN void lk_sts(u32 s, type v)                                      \
	{                                                                     \
		asm volatile("st.shared.v4." ptx " [%0], {%1, %2, %3, %4};"   \
		    :: "r"(s), c(v.x), c(v.y), c(v.z), c(v.w) : "memory");    \
	}                                                                     \
	template <> LK_FN type lk_lds<type>(u32 s)                            \
	{                                                                     \
		type v;                                                       \
		asm volatile("ld.shared.v4." ptx " {%0, %1, %2, %3}, [%4];"   \
		    : "=" c(v.x), "=" c(v.y), "=" c(v.z), "=" c(v.w)          \
		    : "r"(s) : "memory");                                     \
		return v;                                                     \
	}
template <class T> LK_FN T lk_lds(u32 s);
LK_SHARED(float, "f32", "f")
LK_SHARED(int, "s32", "r")
LK_SHARED(u32, "u32", "r")
LK_SHARED(u16, "u16", "h")
LK_SHARED(double, "f64", "d")
LK_SHARED2(float2, "f32", "f")
LK_SHARED2(uint2, "u32", "r")
LK_SHARED4(float4, "f32", "f")
LK_SHARED4(uint4, "u32", "r")

/* Global memory, 16 bytes at once: p is a multiple of 16. */
LK_FN uint4 lk_ldg16(const void *p) { return *(const uint4 *)p; }
LK_FN float4 lk_ldg4(const float *p) { return *(const float4 *)p; }
LK_FN void lk_stg16(void *p, uint4 v) { *(uint4 *)p = v; }
LK_FN void lk_stg4(float *p, float4 v) { *(float4 *)p = v; }

/* Additions in no fixed order: not for what must be the same every time. */
LK_FN void lk_red_add(float *p, float v) { atomicAdd(p, v); }
LK_FN void
lk_red_add2(float *p, float x, float y)
{
#if __CUDA_ARCH__ >= 900
	asm volatile("red.global.add.v2.f32 [%0], {%1, %2};"
	    :: "l"(p), "f"(x), "f"(y) : "memory");
#else
	atomicAdd(p, x);
	atomicAdd(p + 1, y);
#endif
}

/* ---- tensor cores of sm_80: m16n8k16, bf16 with sums in f32 ---- */

/* Four 8x8 matrices of bf16: lane 8i + j names row j of matrix i. */
LK_FN void
lk_ldsm4(u32 (&r)[4], u32 s)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 "
	    "{%0, %1, %2, %3}, [%4];"
	    : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
	    : "r"(s) : "memory");
}
/* The same, transposed. */
LK_FN void
lk_ldsm4t(u32 (&r)[4], u32 s)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
	    "{%0, %1, %2, %3}, [%4];"
	    : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
	    : "r"(s) : "memory");
}
/* c += A B; the lane holds c[row lane/4 (+8)][column 2 (lane%4) + 0,1]. */
LK_FN void
lk_mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1)
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
	    "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* ---- copies that do not wait: sm_80 ---- */

/* 16 bytes from global to shared memory, zeros if not ok. */
LK_FN void
lk_cpasync16(u32 s, const void *g, bool ok)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
	    :: "r"(s), "l"(g), "r"(ok ? 16 : 0) : "memory");
}
LK_FN void lk_cpasync_commit()
{ asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Until at most N of this thread's groups are under way. */
template <int N> LK_FN void lk_cpasync_wait()
{ asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }

#if __CUDA_ARCH__ >= 900
#include "codegen/kernels/lk_ptx90.h"
#endif
