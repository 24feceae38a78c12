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
check_calls_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
TESTS += %D%/fake.sh
endif
endif

# A driver for machines without a GPU.
EXTRA_DIST += %D%/fake.sh %D%/fake_cuda.c %D%/fake_cublas.c
fakes = %D%/libs/libcuda.so.1 %D%/libs/libcublasLt.so.13
check_DATA = $(fakes)
CLEANFILES += $(fakes)
%D%/libs/libcuda.so.1: %D%/fake_cuda.c
	$(AM_V_CC)$(MKDIR_P) %D%/libs && $(CC) -std=gnu11 -g -O1 -Wall \
	    -fPIC -shared -o $@ $(srcdir)/%D%/fake_cuda.c -lpthread
%D%/libs/libcublasLt.so.13: %D%/fake_cublas.c
	$(AM_V_CC)$(MKDIR_P) %D%/libs && $(CC) -std=gnu11 -g -O1 -Wall \
	    -fPIC -shared -o $@ $(srcdir)/%D%/fake_cublas.c
