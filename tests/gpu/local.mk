# The runtime's half of the GPU target, on the emulator.
EXTRA_DIST += %D%/kernels.h
if HAVE_CHECK
if HAVE_CXX
gpu_tests = check_calls
check_PROGRAMS += $(gpu_tests)
TESTS += $(gpu_tests)
check_calls_SOURCES = %D%/check_calls.c %D%/kernels.cpp
check_calls_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_calls_LDADD = libloong_rt.a $(RT_LIBS) $(CHECK_LIBS)
endif
endif
