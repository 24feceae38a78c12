/*
 * The primitives on a CPU: see lk.h for what they are, emu_block.h for how a
 * block runs, emu_race.h for what is checked.
 */
#pragma once

#include "codegen/kernels/emu_fiber.h"
#include "codegen/kernels/emu_block.h"
#include "codegen/kernels/emu_race.h"

#include <math.h>

#define LK_FN static inline
#define LK_UNROLL
#define LK_NO_UNROLL
#ifndef LK_ARCH
#define LK_ARCH 90
#endif
#define LK_INF __builtin_inff()
#define LK_DYN_SMEM(name) char *name = emu::block->shared

#ifdef LK_ON_DEVICE
/* The tests of the emulator, on a GPU: see tests/gpu/on_device.h. */
extern "C" void on_device(const char *kernel, const void *args, size_t size,
    const unsigned grid[3], unsigned threads, unsigned smem);
#define LK_ENTRY(name, args)                                                  \
	extern "C" void name(const void *p, const unsigned grid[3],           \
	    unsigned threads, unsigned smem)                                  \
	{                                                                     \
		on_device(#name, p, sizeof(args), grid, threads, smem);       \
	}                                                                     \
	extern "C" void name##_emulated(const void *p,                        \
	    const unsigned grid[3], unsigned threads, unsigned smem)
#else
#define LK_ENTRY(name, args)                                                  \
	extern "C" void name(const void *p, const unsigned grid[3],           \
	    unsigned threads, unsigned smem)
#endif

/* See lk.h.  The body is a function of its own, called by every thread. */
#define LK_KERNEL(name, nthreads, blocks, args)                               \
	static void name##_body(const args &a);                               \
	LK_ENTRY(name, args)                                                  \
	{                                                                     \
		if (threads != (nthreads))                                    \
			emu::die(#name " needs " #nthreads " threads");       \
		emu::launch(grid, threads, smem,                              \
		    [p] { name##_body(*(const args *)p); });                  \
	}                                                                     \
	static void name##_body([[maybe_unused]] const args &a)

/* CUDA's vectors and names. */
struct alignas(8) float2 {
	float x, y;
};
struct alignas(16) float4 {
	float x, y, z, w;
};
struct alignas(8) uint2 {
	u32 x, y;
};
struct alignas(16) uint4 {
	u32 x, y, z, w;
};
#define threadIdx (emu::self->tid)
#define blockIdx (emu::block->id)
#define blockDim (emu::block->threads)
#define gridDim (emu::block->grid)

/* ---- numbers ---- */

LK_FN u32
lk_f2u(float x)
{
	u32 v;

	memcpy(&v, &x, sizeof v);
	return v;
}

LK_FN float
lk_u2f(u32 x)
{
	float v;

	memcpy(&v, &x, sizeof v);
	return v;
}

LK_FN float lk_bf(u16 x) { return lk_u2f((u32)x << 16); }
LK_FN float lk_bflo(u32 x) { return lk_u2f(x << 16); }
LK_FN float lk_bfhi(u32 x) { return lk_u2f(x & 0xffff0000u); }

/* To nearest even; NaN becomes 0x7fff, as cvt.rn.bf16x2 makes it. */
LK_FN u16
lk_tobf(float x)
{
	u32 v = lk_f2u(x);

	if ((v & 0x7fffffffu) > 0x7f800000u)
		return 0x7fff;
	return (u16)((v + 0x7fff + (v >> 16 & 1)) >> 16);
}

LK_FN u32
lk_bf2(float lo, float hi)
{
	return lk_tobf(lo) | (u32)lk_tobf(hi) << 16;
}

LK_FN float lk_exp2(float x) { return exp2f(x); }
LK_FN float lk_log2(float x) { return log2f(x); }
LK_FN float lk_exp(float x) { return expf(x); }
LK_FN float lk_log(float x) { return logf(x); }
LK_FN float lk_tanh(float x) { return tanhf(x); }
LK_FN float lk_erf(float x) { return erff(x); }
LK_FN float lk_sin(float x) { return sinf(x); }
LK_FN float lk_cos(float x) { return cosf(x); }
LK_FN float lk_pow(float x, float y) { return powf(x, y); }
LK_FN float lk_sqrt(float x) { return sqrtf(x); }
LK_FN float lk_rsqrt(float x) { return 1.f / sqrtf(x); }
LK_FN float lk_floor(float x) { return floorf(x); }
LK_FN float lk_abs(float x) { return fabsf(x); }
LK_FN float lk_fma(float x, float y, float z) { return fmaf(x, y, z); }
LK_FN double lk_exp(double x) { return exp(x); }
LK_FN double lk_sin(double x) { return sin(x); }
LK_FN double lk_cos(double x) { return cos(x); }
LK_FN double lk_sqrt(double x) { return sqrt(x); }
LK_FN double lk_pow(double x, double y) { return pow(x, y); }
LK_FN int lk_popc(u32 x) { return __builtin_popcount(x); }

#include "codegen/kernels/emu_warp.h"
#include "codegen/kernels/emu_copy.h"
#include "codegen/kernels/emu_wgmma.h"
