noinst_LIBRARIES += libcodegen.a
libcodegen_a_SOURCES = \
	%D%/attn.c \
	%D%/callees.def \
	%D%/codegen.h \
	%D%/comm.c \
	%D%/comment.c \
	%D%/cuda.h %D%/cuda_tables.c \
	%D%/cuda_entry.c \
	%D%/cuda_ops.c \
	%D%/emit.h \
	%D%/gemm.c \
	%D%/hostcopy.c \
	%D%/host.c %D%/host.h \
	%D%/image.c \
	%D%/kernel.c %D%/kernel.h \
	%D%/kernel_c.c \
	%D%/kernel_cuda.c %D%/kernel_cuda.h \
	%D%/kernel_grid.c %D%/kernel_grid.h \
	%D%/kernel_launch.c \
	%D%/kernel_loop.c \
	%D%/kernel_map.c \
	%D%/kernel_row.c \
	%D%/kernel_shape.c \
	%D%/layout.c %D%/layout.h \
	%D%/library.c %D%/library.def %D%/library_calls.def %D%/library.h \
	%D%/loops.c \
	%D%/mark.c \
	%D%/ops.c \
	%D%/place.c \
	%D%/plan.c \
	%D%/program.c \
	%D%/quote.c \
	%D%/recipe.c \
	%D%/rehearse.c \
	%D%/scalar.c \
	%D%/tables.c \
	%D%/target.c %D%/target.h \
	%D%/traffic.c %D%/traffic.h

# The texts of the CUDA kernels, compiled into loongc: see codegen/texts.h.
kernel_texts =
kernel_texts += runtime/gpu/args.h
kernel_texts += runtime/fp8.h
kernel_texts += codegen/kernels/lk.h
kernel_texts += codegen/kernels/lk_ptx.h
kernel_texts += codegen/kernels/lk_ptx90.h
kernel_texts += codegen/kernels/lk_emu.h
kernel_texts += codegen/kernels/lk_fp8.h
kernel_texts += codegen/kernels/lk_common.h
kernel_texts += codegen/kernels/emu_block.h
kernel_texts += codegen/kernels/emu_copy.h
kernel_texts += codegen/kernels/emu_fiber.h
kernel_texts += codegen/kernels/emu_race.h
kernel_texts += codegen/kernels/emu_warp.h
kernel_texts += codegen/kernels/emu_wgmma.h
kernel_texts += codegen/kernels/adamw.cuh
kernel_texts += codegen/kernels/convert.cuh
kernel_texts += codegen/kernels/embed.cuh
kernel_texts += codegen/kernels/fp8.cuh
kernel_texts += codegen/kernels/fused.cuh
kernel_texts += codegen/kernels/fill.cuh
kernel_texts += codegen/kernels/gemm.cuh
kernel_texts += codegen/kernels/head.cuh
kernel_texts += codegen/kernels/nest.cuh
kernel_texts += codegen/kernels/probe.cuh
kernel_texts += codegen/kernels/attn.cuh
kernel_texts += codegen/kernels/attn_bwd_keys_sm80.cuh
kernel_texts += codegen/kernels/attn_bwd_queries_sm80.cuh
kernel_texts += codegen/kernels/attn_docs.cuh
kernel_texts += codegen/kernels/attn_fwd_sm80.cuh
kernel_texts += codegen/kernels/attn_mma.cuh
kernel_texts += codegen/kernels/attn_sm80.cuh
kernel_texts += codegen/kernels/attn_state.cuh
kernel_texts += codegen/kernels/attn_fwd_sm90.cuh
kernel_texts += codegen/kernels/attn_bwd_keys_sm90.cuh
kernel_texts += codegen/kernels/attn_bwd_queries_sm90.cuh
kernel_texts += codegen/kernels/attn_sm90.cuh
kernel_texts += codegen/kernels/attn_tasks.cuh
kernel_texts += codegen/kernels/attn_tma.cuh
kernel_texts += codegen/kernels/reduce.cuh
kernel_texts += codegen/kernels/scalar.cuh
EXTRA_DIST += $(kernel_texts)
CLEANFILES += codegen/kernel-texts.c
libcodegen_a_SOURCES += %D%/texts.c %D%/texts.h
nodist_libcodegen_a_SOURCES = codegen/kernel-texts.c
codegen/kernel-texts.c: $(kernel_texts) build-aux/embed.sh
	@$(MKDIR_P) codegen
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/build-aux/embed.sh $(top_srcdir) \
		$(kernel_texts) >$@.tmp && mv $@.tmp $@
