# The runtime's half of the GPU target, on the emulator.
EXTRA_DIST += %D%/kernels.h
if HAVE_CHECK
check_PROGRAMS += check_suits
TESTS += check_suits
check_suits_SOURCES = %D%/check_suits.c
check_suits_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_suits_LDADD = libloong_rt.a $(RT_LIBS) $(CHECK_LIBS)
if HAVE_CXX
gpu_tests = check_calls
check_PROGRAMS += $(gpu_tests)
TESTS += $(gpu_tests)
check_calls_SOURCES = %D%/check_calls.c %D%/kernels.cpp
check_calls_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_calls_LDADD = libloong_rt.a $(RT_LIBS) $(CHECK_LIBS)
check_calls_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
TESTS += %D%/fake.sh %D%/graph.sh
plain_tests += %D%/record.sh # takes what memory there is for addresses
endif
endif

# Our declarations against NVIDIA's headers and libraries, if they are here.
abi_tests = abi_cuda abi_cublas abi_nccl abi_nvtx
abi_cppflags = $(AM_CPPFLAGS) -isystem /usr/local/cuda/include
check_PROGRAMS += $(abi_tests)
TESTS += $(abi_tests)
abi_cuda_SOURCES = %D%/abi_cuda.c
abi_cuda_CPPFLAGS = $(abi_cppflags)
abi_cublas_SOURCES = %D%/abi_cublas.c
abi_cublas_CPPFLAGS = $(abi_cppflags)
abi_cublas_LDADD = libloong_rt.a $(RT_LIBS)
abi_nccl_SOURCES = %D%/abi_nccl.c
abi_nccl_CPPFLAGS = $(abi_cppflags)
abi_nccl_LDADD = libloong_rt.a $(RT_LIBS)

abi_nvtx_SOURCES = %D%/abi_nvtx.c
abi_nvtx_CPPFLAGS = $(abi_cppflags)
abi_nvtx_LDADD = libloong_rt.a $(RT_LIBS)

# Ranges for a profiler.
TESTS += %D%/nvtx.sh
EXTRA_DIST += %D%/nvtx.sh %D%/fake_nvtx.c
check_DATA = %D%/libs/libnvtx.so
CLEANFILES += %D%/libs/libnvtx.so
%D%/libs/libnvtx.so: %D%/fake_nvtx.c
	$(AM_V_CC)$(MKDIR_P) %D%/libs && $(CC) -std=gnu11 -g -O1 -Wall \
	    -fPIC -shared -o $@ $(srcdir)/%D%/fake_nvtx.c -lpthread

# A driver for machines without a GPU, and that it is as strict as CUDA.
check_PROGRAMS += fake_capture
plain_tests += fake_capture # what it pretends to keep leaks
fake_capture_SOURCES = %D%/capture.c
fake_capture_LDADD = $(RT_LIBS)
EXTRA_DIST += %D%/graph.sh %D%/late.c %D%/counted.h
EXTRA_DIST += %D%/record.sh %D%/recorded.c %D%/record.c %D%/record.h
EXTRA_DIST += %D%/order.c %D%/order.h
EXTRA_DIST += %D%/fake.sh %D%/fake_cuda.c %D%/fake_cublas.c %D%/fake_nccl.c \
	%D%/fake_stream.h
fakes = %D%/libs/libcuda.so.1 %D%/libs/libcublasLt.so.13 %D%/libs/libnccl.so.2
fakes += %D%/libs/empty/libnccl.so.2
check_DATA += $(fakes)
CLEANFILES += $(fakes)
%D%/libs/libcuda.so.1: %D%/fake_cuda.c %D%/fake_stream.h
	$(AM_V_CC)$(MKDIR_P) %D%/libs && $(CC) -std=gnu11 -g -O1 -Wall \
	    -I$(srcdir) -fPIC -shared -o $@ $(srcdir)/%D%/fake_cuda.c \
	    -lpthread
%D%/libs/libcublasLt.so.13: %D%/fake_cublas.c
	$(AM_V_CC)$(MKDIR_P) %D%/libs && $(CC) -std=gnu11 -g -O1 -Wall \
	    -fPIC -shared -o $@ $(srcdir)/%D%/fake_cublas.c -lm
%D%/libs/empty/libnccl.so.2:
	$(AM_V_CC)$(MKDIR_P) %D%/libs/empty && $(CC) -shared -o $@ \
	    -x c /dev/null
%D%/libs/libnccl.so.2: %D%/fake_nccl.c
	$(AM_V_CC)$(MKDIR_P) %D%/libs && $(CC) -std=gnu11 -g -O1 -Wall \
	    -fPIC -shared -o $@ $(srcdir)/%D%/fake_nccl.c -lpthread

# What needs a GPU: make check-gpu, ten minutes at most.  The programs that test
# the emulator, with kernels on the device.
dev_tests = dev_emulator dev_kernels_fp8 dev_kernels_gemm dev_kernels_memory dev_kernels_sums \
	dev_attn_sm80 dev_attn_sm90
EXTRA_PROGRAMS = dev_emulator dev_kernels_fp8 dev_attn_sm80 dev_attn_sm90
CLEANFILES += $(dev_tests)
dev_sources = %D%/on_device.cpp %D%/on_device.h
dev_flags = $(AM_CPPFLAGS) -DLK_ON_DEVICE
dev_libs = libcodegen.a libloong_rt.a libsupport.a $(RT_LIBS)
dev_link = $(AM_LDFLAGS) -Wl,--export-dynamic
dev_emulator_SOURCES = tests/kernels/check_emulator.cpp $(dev_sources)
dev_emulator_CPPFLAGS = $(dev_flags)
dev_emulator_LDADD = $(dev_libs)
dev_emulator_LDFLAGS = $(dev_link)
dev_kernels_fp8_SOURCES = tests/kernels/check_kernels_fp8.cpp $(dev_sources)
dev_kernels_fp8_CPPFLAGS = $(dev_flags)
dev_kernels_fp8_LDADD = $(dev_libs)
dev_kernels_fp8_LDFLAGS = $(dev_link)
dev_kernels_gemm_SOURCES = tests/kernels/check_kernels_gemm.cpp $(dev_sources)
dev_kernels_gemm_CPPFLAGS = $(dev_flags)
dev_kernels_gemm_LDADD = $(dev_libs)
dev_kernels_gemm_LDFLAGS = $(dev_link)
dev_kernels_memory_SOURCES = tests/kernels/check_kernels_memory.cpp \
	$(dev_sources)
dev_kernels_memory_CPPFLAGS = $(dev_flags)
dev_kernels_memory_LDADD = $(dev_libs)
dev_kernels_memory_LDFLAGS = $(dev_link)
dev_kernels_sums_SOURCES = tests/kernels/check_kernels_sums.cpp $(dev_sources)
dev_kernels_sums_CPPFLAGS = $(dev_flags)
dev_kernels_sums_LDADD = $(dev_libs)
dev_kernels_sums_LDFLAGS = $(dev_link)
dev_attn_sm80_SOURCES = tests/kernels/check_attn_sm80.cpp $(attn_test) \
	$(dev_sources)
dev_attn_sm80_CPPFLAGS = $(dev_flags)
dev_attn_sm80_LDADD = $(dev_libs)
dev_attn_sm80_LDFLAGS = $(dev_link)
dev_attn_sm90_SOURCES = tests/kernels/check_attn_sm90.cpp $(attn_test) \
	$(dev_sources)
dev_attn_sm90_CPPFLAGS = $(dev_flags)
dev_attn_sm90_LDADD = $(dev_libs)
dev_attn_sm90_LDFLAGS = $(dev_link)
gpu_only_tests = %D%/check-gpu.sh
TESTS += %D%/table.sh
EXTRA_DIST += %D%/check-gpu.sh %D%/on_device.sh %D%/table.sh
check-gpu: all $(dev_tests)
	@srcdir='$(srcdir)' LOONGC='$(abs_top_builddir)/loongc' \
	    $(srcdir)/%D%/check-gpu.sh
# The same for a machine where nothing can be compiled but trainers.
gpu-kit: all $(dev_tests)
	srcdir='$(srcdir)' CC='$(CC)' MAKE='$(MAKE)' \
	    $(SHELL) $(srcdir)/bench/gpu/kit $(dev_tests)
.PHONY: check-gpu gpu-kit
CLEANFILES += gpu-kit.tar.gz
EXTRA_DIST += bench/gpu/kit %D%/kit_test.sh
if HAVE_CXX
plain_tests += %D%/on_device.sh # copies stacks, guards and all
plain_tests += %D%/kit_test.sh
check_PROGRAMS += dev_kernels_gemm dev_kernels_memory dev_kernels_sums
endif
