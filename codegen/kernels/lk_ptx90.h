/*
 * The primitives that Hopper added (sm_90 and later): mbarriers, copies by the
 * tensor memory accelerator (TMA), and for sm_90a products by a warpgroup
 * (wgmma) and the exchange of registers between warpgroups (setmaxnreg).
 */
#pragma once

/* ---- mbarriers: 8 bytes of shared memory each ---- */

/* One thread initialises, then fences, then the block synchronises. */
LK_FN void lk_mbar_init(u32 bar, int count)
{ asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
    :: "r"(bar), "r"(count) : "memory"); }
LK_FN void lk_mbar_fence_init()
{ asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
/* Arrives, and makes the phase wait for so many bytes of copies too. */
LK_FN void lk_mbar_expect(u32 bar, int bytes)
{ asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
    :: "r"(bar), "r"(bytes) : "memory"); }
LK_FN void lk_mbar_arrive(u32 bar)
{ asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];"
    :: "r"(bar) : "memory"); }
/* Until the phase of that parity is complete: 0 for the first, then 1, 0, ..
 * Parity 1 on a new barrier does not wait. */
LK_FN void
lk_mbar_wait(u32 bar, u32 parity)
{
	asm volatile("{\n"
	    ".reg .pred p;\n"
	    "W%=: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n"
	    "@p bra D%=;\n"
	    "bra W%=;\n"
	    "D%=:\n"
	    "}" :: "r"(bar), "r"(parity) : "memory");
}
/* What this thread wrote to shared memory is seen by wgmma and bulk copies. */
LK_FN void lk_fence_proxy()
{ asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* ---- copies in bulk, issued by one thread ---- */

/* A box of a tensor of 4 dimensions to shared memory; coordinates from the
 * fastest; what lies outside is zero.  The bytes count at the mbarrier. */
LK_FN void
lk_tma_ld4(u32 s, const lk_tmap *m, u32 bar, int c0, int c1, int c2, int c3)
{
	asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile"
	    ".mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];"
	    :: "r"(s), "l"(m), "r"(bar), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
	    : "memory");
}
/* Multiples of 16 bytes at multiples of 16. */
LK_FN void
lk_bulk_ld(u32 s, const void *g, int bytes, u32 bar)
{
	asm volatile("cp.async.bulk.shared::cluster.global"
	    ".mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
	    :: "r"(s), "l"(g), "r"(bytes), "r"(bar) : "memory");
}
/* g[i] += s[i], f32, in no fixed order with those of other blocks. */
LK_FN void
lk_bulk_red_add(float *g, u32 s, int bytes)
{
	asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group"
	    ".add.f32 [%0], [%1], %2;"
	    :: "l"(g), "r"(s), "r"(bytes) : "memory");
}
/* g[i] = s[i] */
LK_FN void
lk_bulk_st(void *g, u32 s, int bytes)
{
	asm volatile("cp.async.bulk.global.shared::cta.bulk_group "
	    "[%0], [%1], %2;" :: "l"(g), "r"(s), "r"(bytes) : "memory");
}
/* Groups of a thread's lk_bulk_red_add and lk_bulk_st. */
LK_FN void lk_bulk_commit()
{ asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
/* Until at most N groups still read shared memory; still are under way. */
template <int N> LK_FN void lk_bulk_wait_read()
{ asm volatile("cp.async.bulk.wait_group.read %0;" :: "n"(N) : "memory"); }
template <int N> LK_FN void lk_bulk_wait()
{ asm volatile("cp.async.bulk.wait_group %0;" :: "n"(N) : "memory"); }

/* ---- registers per thread of this warpgroup, up or down to N ---- */

template <int N> LK_FN void lk_reg_inc()
{ asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(N)); }
template <int N> LK_FN void lk_reg_dec()
{ asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(N)); }

/*
 * ---- wgmma: D[64, N] (+)= A[64, 16] B[16, N] by the 128 threads of a
 * warpgroup, bf16 with sums in f32; N is twice the floats of a thread's part
 * of D.  Warp w of the four has rows 16 w.., and within these thread t holds
 *	d[4 i + 2 j + e] = D[t / 4 + 8 j][8 i + 2 (t % 4) + e]
 *
 * A and B are descriptors (lk_desc); A may be registers, as in lk_mma.  TA, TB
 * 1: that operand is MN-major in shared memory.  acc 0: D is overwritten.
 *
 *	lk_wg_fence(); lk_wgmma..(); lk_wg_commit(); .. lk_wg_wait<0>();
 *
 * Between commit and wait nobody may touch d, register operands, or what the
 * descriptors name.
 */
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
LK_FN void lk_wg_fence()
{ asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
LK_FN void lk_wg_commit()
{ asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/* Until at most N groups are under way. */
template <int N> LK_FN void lk_wg_wait()
{ asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(N) : "memory"); }

#define LK_R0_31 \
	"%0, %1, %2, %3, %4, %5, %6, %7, " \
	"%8, %9, %10, %11, %12, %13, %14, %15, " \
	"%16, %17, %18, %19, %20, %21, %22, %23, " \
	"%24, %25, %26, %27, %28, %29, %30, %31"
#define LK_R32_39 \
	"%32, %33, %34, %35, %36, %37, %38, %39"
#define LK_R40_47 \
	"%40, %41, %42, %43, %44, %45, %46, %47"
#define LK_R48_63 \
	"%48, %49, %50, %51, %52, %53, %54, %55, " \
	"%56, %57, %58, %59, %60, %61, %62, %63"
#define LK_R64_127 \
	"%64, %65, %66, %67, %68, %69, %70, %71, " \
	"%72, %73, %74, %75, %76, %77, %78, %79, " \
	"%80, %81, %82, %83, %84, %85, %86, %87, " \
	"%88, %89, %90, %91, %92, %93, %94, %95, " \
	"%96, %97, %98, %99, %100, %101, %102, %103, " \
	"%104, %105, %106, %107, %108, %109, %110, %111, " \
	"%112, %113, %114, %115, %116, %117, %118, %119, " \
	"%120, %121, %122, %123, %124, %125, %126, %127"

#define LK_ARG(...) __VA_ARGS__ /* one argument with commas */
#define LK_F4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define LK_F8(i) LK_F4(i), LK_F4(i + 4)
#define LK_F16(i) LK_F8(i), LK_F8(i + 8)
#define LK_F32(i) LK_F16(i), LK_F16(i + 16)

/* n: columns; m: floats of a thread; regs, floats: these as text and as
 * operands; p0..p6: the operands after them. */
#define LK_WGMMA(n, m, regs, floats, p0, p1, p2, p3, p4, p5, p6)              \
	template <int TA, int TB> LK_FN void                                  \
	lk_wgmma_sst(float (&d)[m], u64 a, u64 b, int acc)                    \
	{                                                                     \
		asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p2 ", 0;\n"  \
		    "wgmma.mma_async.sync.aligned.m64n" #n                    \
		    "k16.f32.bf16.bf16 {" regs "}, " p0 ", " p1               \
		    ", p, 1, 1, " p3 ", " p4 ";\n}"                           \
		    : floats : "l"(a), "l"(b), "r"(acc), "n"(TA), "n"(TB));   \
	}                                                                     \
	template <int TB> LK_FN void                                          \
	lk_wgmma_rs(float (&d)[m], const u32 (&a)[4], u64 b, int acc)         \
	{                                                                     \
		asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p5 ", 0;\n"  \
		    "wgmma.mma_async.sync.aligned.m64n" #n                    \
		    "k16.f32.bf16.bf16 {" regs "}, {" p0 ", " p1 ", " p2      \
		    ", " p3 "}, " p4 ", p, 1, 1, " p6 ";\n}"                  \
		    : floats : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]),    \
		    "l"(b), "r"(acc), "n"(TB));                               \
	}

LK_WGMMA(64, 32, LK_R0_31,
    LK_ARG(LK_F32(0)),
    "%32", "%33", "%34", "%35", "%36", "%37", "%38")
LK_WGMMA(80, 40, LK_R0_31 ", " LK_R32_39,
    LK_ARG(LK_F32(0), LK_F8(32)),
    "%40", "%41", "%42", "%43", "%44", "%45", "%46")
LK_WGMMA(96, 48, LK_R0_31 ", " LK_R32_39 ", " LK_R40_47,
    LK_ARG(LK_F32(0), LK_F16(32)),
    "%48", "%49", "%50", "%51", "%52", "%53", "%54")
LK_WGMMA(128, 64, LK_R0_31 ", " LK_R32_39 ", " LK_R40_47 ", " LK_R48_63,
    LK_ARG(LK_F32(0), LK_F32(32)),
    "%64", "%65", "%66", "%67", "%68", "%69", "%70")
LK_WGMMA(256, 128, LK_R0_31 ", " LK_R32_39 ", " LK_R40_47 ", " LK_R48_63
    ", " LK_R64_127,
    LK_ARG(LK_F32(0), LK_F32(32), LK_F32(64), LK_F32(96)),
    "%128", "%129", "%130", "%131", "%132", "%133", "%134")

template <int TB, int M> LK_FN void
lk_wgmma_ss(float (&d)[M], u64 a, u64 b, int acc)
{
	lk_wgmma_sst<0, TB>(d, a, b, acc);
}
#endif
