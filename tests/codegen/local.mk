# Emitted C, compiled, run and compared with the interpreter.
EXTRA_DIST += \
	%D%/cases.def %D%/cuda_cases.def \
	%D%/gpu.h %D%/gpu_calls.h \
	%D%/harness.c %D%/ranks.h \
	%D%/attn.lir %D%/carried.lt %D%/dots.lir %D%/flight.lir %D%/flow.lir %D%/head.lir %D%/maps.lir %D%/mesh.lir %D%/ring.lir %D%/rounds.lir %D%/rows.lir %D%/shares.lir %D%/shares-micro.lir %D%/wide.lir %D%/windows.lir
CLEANFILES += codegen-*.tmp* cuda-*.tmp* plan-*.tmp.c

if HAVE_CHECK
check_PROGRAMS += check_codegen check_plan check_replay
TESTS += check_codegen check_plan check_replay
check_PROGRAMS += check_cuda
TESTS += check_cuda
if HAVE_CXX
check_PROGRAMS += check_codegen_cuda
TESTS += check_codegen_cuda
endif
codegen_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DTEST_DIR='"$(abs_top_srcdir)/tests"' \
	-DSAN_CFLAGS='"$(SAN_CFLAGS)"' \
	-DTOP_SRCDIR='"$(abs_top_srcdir)"' \
	-DRUNTIME_LIB='"$(abs_top_builddir)/libloong_rt.a"'
codegen_libs = libcodegen.a libfrontend.a libpasses.a libplan.a libir.a libsupport.a
check_codegen_SOURCES = %D%/check_codegen.c %D%/program.c %D%/program.h
check_codegen_CPPFLAGS = $(codegen_cppflags)
check_codegen_LDADD = $(codegen_libs) $(CHECK_LIBS)
check_codegen_DEPENDENCIES = $(codegen_libs) libloong_rt.a
check_codegen_cuda_SOURCES = %D%/check_codegen.c %D%/program.c %D%/program.h
check_codegen_cuda_CPPFLAGS = $(codegen_cppflags) -DCUDA
check_codegen_cuda_LDADD = $(codegen_libs) $(CHECK_LIBS)
check_codegen_cuda_DEPENDENCIES = $(codegen_libs) libloong_rt.a
check_cuda_SOURCES = %D%/check_cuda.c
check_cuda_CPPFLAGS = $(codegen_cppflags)
check_cuda_LDADD = $(codegen_libs) $(CHECK_LIBS)
check_plan_SOURCES = %D%/check_plan.c
check_plan_CPPFLAGS = $(codegen_cppflags)
check_plan_LDADD = $(codegen_libs) $(CHECK_LIBS)
check_replay_SOURCES = %D%/check_replay.c %D%/program.c %D%/program.h
check_replay_CPPFLAGS = $(codegen_cppflags)
check_replay_LDADD = $(codegen_libs) $(CHECK_LIBS)
endif
