/* Our declarations of NVIDIA's driver against its header and its stub. */
#include "config.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

#include "runtime/gpu/cuda_api.h"

#if __has_include(<cuda.h>)
#include <cuda.h>

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(LT_CU_OK, CUDA_SUCCESS);
SAME(LT_CU_NO_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME(LT_CU_STUB, CUDA_ERROR_STUB_LIBRARY);
SAME(LT_CU_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME(LT_CU_INVALID_IMAGE, CUDA_ERROR_INVALID_IMAGE);
SAME(LT_CU_NO_BINARY, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(LT_CU_ECC, CUDA_ERROR_ECC_UNCORRECTABLE);
SAME(LT_CU_UNSUPPORTED_PTX, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME(LT_CU_NOT_READY, CUDA_ERROR_NOT_READY);
SAME(LT_CU_MISMATCH, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
SAME(LT_CU_PROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(LT_CU_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(LT_CU_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(LT_CU_FUNC_SMEM, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(LT_CU_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
SAME(LT_CU_NO_TIMING, CU_EVENT_DISABLE_TIMING);
SAME(LT_CU_HOST_PORTABLE, CU_MEMHOSTALLOC_PORTABLE);
SAME(LT_CU_TMAP_BF16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
SAME(LT_CU_TMAP_SWIZZLE_128B, CU_TENSOR_MAP_SWIZZLE_128B);
SAME(LT_CU_TMAP_L2_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
SAME(LT_CU_CAPTURE_THREAD, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME(sizeof(lk_tmap), sizeof(CUtensorMap));
SAME(_Alignof(lk_tmap), _Alignof(CUtensorMap));
SAME(sizeof(lt_cu_ptr), sizeof(CUdeviceptr));

/* The stub that programs are linked with has all functions and does nothing. */
int
main(void)
{
	void *lib = dlopen("/usr/local/cuda/lib64/stubs/libcuda.so",
	    RTLD_NOW | RTLD_LOCAL);
	int missing = 0;

	if (!lib)
		return 77;
#define F(name, symbol, args)                                                 \
	if (!dlsym(lib, symbol)) {                                            \
		printf("libcuda has no %s\n", symbol);                        \
		missing++;                                                    \
	}
	LT_CU_FUNCTIONS(F)
#undef F
	return missing ? 1 : 0;
}
#else
int
main(void)
{
	puts("no cuda.h");
	return 77;
}
#endif
