# Tests: see doc/HACKING.md.
EXTRA_DIST += %D%/ir/stage-e.lir %D%/ir/tiny-forward.lir

# A .lir or .lt file in TESTS is a test of its own: see tests/filetest.
TEST_EXTENSIONS = .lir .lt
LIR_LOG_COMPILER = $(SHELL) $(srcdir)/%D%/filetest
LT_LOG_COMPILER = $(LIR_LOG_COMPILER)
AM_TESTS_ENVIRONMENT = LOONGC=$(abs_builddir)/loongc$(EXEEXT); export LOONGC; \
	LC_ALL=C; export LC_ALL;
EXTRA_DIST += %D%/filetest %D%/suite.h

# What the interpreter and the rules promise.
if HAVE_CHECK
sem_tests = check_autodiff check_comm check_coverage check_fd check_interp \
	check_exact check_ir check_partition check_partition_models check_passes \
	check_nvrtc \
	check_pipeline check_race check_ring check_rng check_rotate \
	check_rules check_schedule check_taken \
	check_trace check_zero
check_PROGRAMS += $(sem_tests)
TESTS += $(sem_tests)

sem_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
sem_ldadd = libir.a libsupport.a $(CHECK_LIBS)
pass_ldadd = libpasses.a libplan.a $(sem_ldadd)
check_autodiff_SOURCES = %D%/sem/check_autodiff.c %D%/sem/train.c \
	%D%/sem/train.h
check_autodiff_CPPFLAGS = $(sem_cppflags)
check_autodiff_LDADD = $(pass_ldadd)
check_passes_SOURCES = %D%/sem/check_passes.c %D%/sem/programs.c \
	%D%/sem/programs.h %D%/sem/trace.c %D%/sem/trace.h %D%/sem/train.c \
	%D%/sem/train.h
check_passes_CPPFLAGS = $(sem_cppflags)
check_passes_LDADD = $(pass_ldadd)
check_partition_models_SOURCES = %D%/sem/check_partition_models.c \
	%D%/sem/trace.c %D%/sem/trace.h %D%/sem/train.c %D%/sem/train.h
EXTRA_DIST += %D%/sem/captured.lt
check_partition_models_CPPFLAGS = $(sem_cppflags)
check_partition_models_LDADD = libfrontend.a $(pass_ldadd)
check_partition_SOURCES = %D%/sem/check_partition.c %D%/sem/trace.c %D%/sem/trace.h \
	%D%/sem/train.c %D%/sem/train.h
check_partition_CPPFLAGS = $(sem_cppflags)
check_partition_LDADD = $(pass_ldadd)
check_zero_SOURCES = %D%/sem/check_zero.c %D%/sem/trace.c %D%/sem/trace.h \
	%D%/sem/train.c %D%/sem/train.h
check_zero_CPPFLAGS = $(sem_cppflags)
check_zero_LDADD = $(pass_ldadd)
check_exact_SOURCES = %D%/sem/check_exact.c %D%/sem/train.c \
	%D%/sem/train.h %D%/train/integers.h
check_exact_CPPFLAGS = $(sem_cppflags)
check_exact_LDADD = $(pass_ldadd)
check_ir_SOURCES = %D%/unit/check_ir.c
check_ir_CPPFLAGS = $(sem_cppflags)
check_ir_LDADD = $(sem_ldadd)
check_pipeline_SOURCES = %D%/unit/check_pipeline.c
check_pipeline_CPPFLAGS = $(sem_cppflags)
check_pipeline_LDADD = $(pass_ldadd)
check_fd_SOURCES = %D%/sem/check_fd.c
check_fd_CPPFLAGS = $(sem_cppflags)
check_fd_LDADD = $(sem_ldadd)
check_comm_SOURCES = %D%/sem/check_comm.c %D%/sem/ringtext.h
check_rotate_SOURCES = %D%/sem/check_rotate.c
check_rotate_CPPFLAGS = $(sem_cppflags)
check_rotate_LDADD = $(pass_ldadd)
check_schedule_SOURCES = %D%/sem/check_schedule.c %D%/sem/ringtext.h
check_schedule_CPPFLAGS = $(sem_cppflags)
check_schedule_LDADD = $(pass_ldadd)
check_comm_CPPFLAGS = $(sem_cppflags)
check_comm_LDADD = $(sem_ldadd)
check_interp_SOURCES = %D%/sem/check_interp.c
check_interp_CPPFLAGS = $(sem_cppflags)
check_interp_LDADD = $(sem_ldadd)
check_coverage_SOURCES = %D%/sem/check_coverage.c
check_coverage_CPPFLAGS = $(sem_cppflags)
check_coverage_LDADD = $(pass_ldadd)
check_ring_SOURCES = %D%/sem/check_ring.c
check_ring_CPPFLAGS = $(sem_cppflags)
check_ring_LDADD = $(pass_ldadd)
check_trace_SOURCES = %D%/sem/check_trace.c %D%/sem/ringtext.h
check_trace_CPPFLAGS = $(sem_cppflags)
check_trace_LDADD = $(sem_ldadd)
check_race_SOURCES = %D%/sem/check_race.c
check_race_CPPFLAGS = $(sem_cppflags)
check_race_LDADD = $(sem_ldadd)
check_nvrtc_SOURCES = %D%/unit/check_nvrtc.c
check_nvrtc_CPPFLAGS = $(sem_cppflags)
check_nvrtc_LDADD = libsupport.a $(CHECK_LIBS)
check_rng_SOURCES = %D%/unit/check_rng.c
check_rng_CPPFLAGS = $(sem_cppflags)
check_rng_LDADD = $(sem_ldadd)
check_taken_SOURCES = %D%/unit/check_taken.c
check_taken_CPPFLAGS = $(sem_cppflags)
check_taken_LDADD = $(pass_ldadd)
check_rules_SOURCES = %D%/unit/check_rules.c
check_rules_CPPFLAGS = $(sem_cppflags)
check_rules_LDADD = $(sem_ldadd)

# What the CPU kernels promise, at every level this CPU has.
kernel_tests = check_attn check_gemm check_vec
check_PROGRAMS += $(kernel_tests)
TESTS += $(kernel_tests)
EXTRA_DIST += %D%/unit/kernels.h

kernel_ldadd = libloong_rt.a $(CHECK_LIBS)
check_attn_SOURCES = %D%/unit/check_attn.c
check_attn_CPPFLAGS = $(sem_cppflags)
check_attn_LDADD = $(kernel_ldadd)
check_gemm_SOURCES = %D%/unit/check_gemm.c
check_gemm_CPPFLAGS = $(sem_cppflags)
check_gemm_LDADD = $(kernel_ldadd)
check_vec_SOURCES = %D%/unit/check_vec.c
check_vec_CPPFLAGS = $(sem_cppflags)
check_vec_LDADD = $(kernel_ldadd)
endif

# What each pass makes of a small program, one folder per pass.
ir_tests = \
	%D%/ir/autodiff/around-a-loop.lir \
	%D%/ir/autodiff/block.lir \
	%D%/ir/autodiff/called-twice.lir \
	%D%/ir/autodiff/bad-inputs.lir \
	%D%/ir/autodiff/bad-model.lir \
	%D%/ir/autodiff/has-step.lir \
	%D%/ir/autodiff/returns-a-parameter.lir \
	%D%/ir/autodiff/made-in-a-loop.lir \
	%D%/ir/autodiff/micro.lir \
	%D%/ir/autodiff/no-index.lir \
	%D%/ir/autodiff/no-model.lir \
	%D%/ir/autodiff/no-parameter.lir \
	%D%/ir/autodiff/twice.lir \
	%D%/ir/firstwrite/called-twice.lir \
	%D%/ir/firstwrite/microbatches.lir \
	%D%/ir/firstwrite/not-all-layers.lir \
	%D%/ir/firstwrite/once.lir \
	%D%/ir/firstwrite/read-first.lir \
	%D%/ir/firstwrite/shares.lir \
	%D%/ir/update/clip.lir \
	%D%/ir/update/layer.lir \
	%D%/ir/update/micro.lir \
	%D%/ir/update/skip.lir \
	%D%/ir/update/twice.lir \
	%D%/ir/fit/hopeless.lir \
	%D%/ir/fit/smaller-batch.lir \
	%D%/ir/fit/too-much.lir \
	%D%/ir/fuse/rows.lir \
	%D%/ir/losshead/chunks.lir \
	%D%/ir/fp8/block.lir \
	%D%/ir/fp8/derivative.lir \
	%D%/ir/fp8/maxima.lir \
	%D%/ir/fp8/off.lir \
	%D%/ir/losshead/head.lir \
	%D%/ir/losshead/logits-read-twice.lir \
	%D%/ir/losshead/not-a-head.lir \
	%D%/ir/offload/ahead.lir \
	%D%/ir/offload/bad.lir \
	%D%/ir/offload/save.lir \
	%D%/ir/offload/unknown.lir \
	%D%/ir/offload/unknown-name.lir \
	%D%/ir/partition/captured.lir \
	%D%/ir/partition/documents.lir \
	%D%/ir/partition/kv-heads.lir \
	%D%/ir/partition/microbatches.lir \
	%D%/ir/partition/not-of-tokens.lir \
	%D%/ir/partition/pieces.lir \
	%D%/ir/partition/two-rings.lir \
	%D%/ir/partition/unknown-axis.lir \
	%D%/ir/partition/windows.lir \
	%D%/ir/recompute/full.lir \
	%D%/ir/recompute/half-of-attention.lir \
	%D%/ir/recompute/save-x-attention.lir \
	%D%/ir/recompute/save-x-y-u.lir \
	%D%/ir/recompute/unknown-name.lir \
	%D%/ir/recompute/many-names.lir \
	%D%/ir/recompute/unknown-policy.lir \
	%D%/ir/ring/bad.lir \
	%D%/ir/ring/double.lir \
	%D%/ir/ring/halo.lir \
	%D%/ir/ring/hidden.lir \
	%D%/ir/ring/halo-zz.lir \
	%D%/ir/ring/part-of-field.lir \
	%D%/ir/ring/queries.lir \
	%D%/ir/ring/shares.lir \
	%D%/ir/ring/short.lir \
	%D%/ir/ring/window.lir \
	%D%/ir/ring/window-zz.lir \
	%D%/ir/zero/all.lir \
	%D%/ir/zero/micro.lir \
	%D%/ir/zero/not-nested.lir \
	%D%/ir/zero/optimizer-only.lir \
	%D%/ir/zero/split.lir \
	%D%/ir/zero/unknown-axis.lir \
	%D%/ir/zero/unfilled.lir \
	%D%/ir/zero/unwritten.lir \
	%D%/ir/simplify/dead.lir \
	%D%/ir/simplify/silu-read-twice.lir \
	%D%/ir/simplify/swiglu.lir
TESTS += $(ir_tests)
EXTRA_DIST += $(ir_tests)
