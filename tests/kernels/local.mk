# The CUDA kernels without a GPU: by NVRTC, and in the emulator.
EXTRA_DIST += %D%/emu_test.h %D%/launch.h %D%/units.def %D%/allowed.def
if HAVE_CHECK
check_PROGRAMS += check_nvrtc_kernels
plain_tests += check_nvrtc_kernels
endif
check_nvrtc_kernels_SOURCES = %D%/check_nvrtc_kernels.c
check_nvrtc_kernels_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_nvrtc_kernels_LDADD = libcodegen.a libsupport.a $(CHECK_LIBS)

AM_CXXFLAGS = -std=c++17 $(WARN_CXXFLAGS)
emu_tests =
emu_tests += check_emulator
emu_tests += check_emulator_ucontext
emu_tests += check_attn_sm80
emu_tests += check_attn_sm90
emu_tests += check_attn_calls
emu_tests += check_kernels_fp8
emu_tests += check_kernels_gemm
emu_tests += check_kernels_memory
emu_tests += check_kernels_sums
if HAVE_CXX
check_PROGRAMS += $(emu_tests)
TESTS += $(emu_tests)
endif
check_kernels_fp8_SOURCES = %D%/check_kernels_fp8.cpp
check_kernels_gemm_SOURCES = %D%/check_kernels_gemm.cpp
check_kernels_memory_SOURCES = %D%/check_kernels_memory.cpp
check_kernels_sums_SOURCES = %D%/check_kernels_sums.cpp
check_emulator_SOURCES = %D%/check_emulator.cpp
# The fibers of other processors than x86-64.
check_emulator_ucontext_SOURCES = %D%/check_emulator.cpp
check_emulator_ucontext_CPPFLAGS = $(AM_CPPFLAGS) -DEMU_UCONTEXT

attn_test = %D%/attn_case.cpp %D%/attn_case.h %D%/attn_run.cpp %D%/attn_run.h \
	%D%/attn_test.cpp
check_attn_sm80_SOURCES = %D%/check_attn_sm80.cpp $(attn_test)
check_attn_sm80_LDADD = libloong_rt.a libsupport.a
check_attn_sm90_SOURCES = %D%/check_attn_sm90.cpp $(attn_test)
check_attn_sm90_LDADD = libloong_rt.a libsupport.a
check_attn_calls_SOURCES = %D%/check_attn_calls.cpp $(attn_test) \
	%D%/attn_calls.c %D%/attn_calls.h
check_attn_calls_LDADD = libloong_rt.a libsupport.a $(RT_LIBS)
check_attn_calls_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic

# Bugs on purpose, in copies of the kernels.
EXTRA_DIST += %D%/mutate/mutants.def %D%/mutate/result.txt
EXTRA_DIST += %D%/mutate/attn_bwd_sm90.cpp
EXTRA_DIST += %D%/mutate/mutants_attn_bwd_sm90.def
EXTRA_DIST += %D%/mutate/attn_sm80.cpp %D%/mutate/mutants_attn_sm80.def
EXTRA_DIST += %D%/mutate/attn_sm90.cpp %D%/mutate/mutants_attn_sm90.def
CLEANFILES += mutate-kernels.txt
if HAVE_CXX
check_PROGRAMS += check_mutate_kernels
plain_tests += check_mutate_kernels
endif
check_mutate_kernels_SOURCES = %D%/mutate/check_mutate_kernels.c
check_mutate_kernels_CPPFLAGS = $(AM_CPPFLAGS) -DCXX='"$(CXX)"' \
	-DCXX_FLAGS='"$(CXXFLAGS) $(WARN_CXXFLAGS)"' \
	-DSOURCE_DIR='"$(abs_top_srcdir)"'
check_mutate_kernels_LDADD = libsupport.a

# The example of doc/add-a-kernel.md.
EXTRA_DIST += %D%/doc.sh
TESTS += %D%/doc.sh
