# The CUDA kernels without a GPU: by NVRTC, and in the emulator.
EXTRA_DIST += %D%/emu_test.h %D%/units.def %D%/allowed.def
if HAVE_CHECK
check_PROGRAMS += check_nvrtc_kernels
TESTS += check_nvrtc_kernels
endif
check_nvrtc_kernels_SOURCES = %D%/check_nvrtc_kernels.c
check_nvrtc_kernels_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_nvrtc_kernels_LDADD = libcodegen.a libsupport.a $(CHECK_LIBS)

AM_CXXFLAGS = -std=c++17 $(WARN_CXXFLAGS)
emu_tests =
emu_tests += check_emulator
if HAVE_CXX
check_PROGRAMS += $(emu_tests)
TESTS += $(emu_tests)
endif
check_emulator_SOURCES = %D%/check_emulator.cpp
