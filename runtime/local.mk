# What a generated trainer links.
pkglib_LIBRARIES += libloong_rt.a
libloong_rt_a_SOURCES = \
	%D%/cpu/act.h \
	%D%/dtype.h \
	%D%/loong_rt.h \
	%D%/cpu/attn.c %D%/cpu/attn.h \
	%D%/cpu/attn_avx2.c \
	%D%/cpu/attn_avx512.c \
	%D%/cpu/attn_base.c \
	%D%/cpu/attn_body.h \
	%D%/cpu/attn_kernel.h \
	%D%/cpu/attn_mask.c %D%/cpu/attn_mask.h \
	%D%/cpu/cpu.c %D%/cpu/cpu.h \
	%D%/cpu/gemm.c %D%/cpu/gemm.h \
	%D%/cpu/gemm_amx.c \
	%D%/cpu/gemm_avx2.c \
	%D%/cpu/gemm_avx512.c \
	%D%/cpu/gemm_base.c \
	%D%/cpu/gemm_body.h \
	%D%/cpu/gemm_emu.c \
	%D%/cpu/gemm_kernel.h \
	%D%/cpu/gemm_tile.c %D%/cpu/gemm_tile.h \
	%D%/cpu/gemm_tile_body.h \
	%D%/cpu/head.c %D%/cpu/head.h \
	%D%/cpu/pool.c %D%/cpu/pool.h \
	%D%/cpu/rows.c %D%/cpu/rows.h \
	%D%/cpu/simd.h \
	%D%/cpu/simd_end.h \
	%D%/cpu/tile.h \
	%D%/cpu/vec.h \
	%D%/state/adamw.c \
	%D%/state/error.c %D%/state/error.h \
	%D%/state/init.c \
	%D%/state/slice.h \
	%D%/state/state.h \
	%D%/state/sumsq.c
libloong_rt_a_CFLAGS = $(AM_CFLAGS) $(RT_CFLAGS)

# Generated programs include these; loongc looks for include/ in pkglibdir.
rtincludedir = $(pkglibdir)/include
nobase_rtinclude_HEADERS = \
	%D%/cpu/act.h \
	%D%/cpu/attn.h \
	%D%/cpu/gemm.h \
	%D%/cpu/head.h \
	%D%/cpu/pool.h \
	%D%/cpu/rows.h \
	%D%/cpu/tile.h \
	%D%/cpu/vec.h \
	%D%/dtype.h \
	%D%/loong_rt.h \
	support/rng.h
