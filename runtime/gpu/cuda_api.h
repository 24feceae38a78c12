/*
 * What is used of NVIDIA's driver, by declarations of our own: nothing of CUDA
 * is needed to compile this.  libcuda.so.1 is loaded when a program for GPUs
 * starts.
 */
#ifndef LT_RUNTIME_GPU_CUDA_API_H
#define LT_RUNTIME_GPU_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/gpu/args.h"

typedef struct CUctx_st *lt_cu_context;
typedef struct CUstream_st *lt_cu_stream;
typedef struct CUevent_st *lt_cu_event;
typedef struct CUmod_st *lt_cu_module;
typedef struct CUfunc_st *lt_cu_function;
typedef struct CUgraph_st *lt_cu_graph;
typedef struct CUgraphExec_st *lt_cu_exec;
typedef unsigned long long lt_cu_ptr;

enum lt_cu_result {
	LT_CU_OK = 0, LT_CU_NO_MEMORY = 2, LT_CU_STUB = 34, LT_CU_NO_DEVICE = 100,
	LT_CU_INVALID_IMAGE = 200, LT_CU_NO_BINARY = 209, LT_CU_ECC = 214,
	LT_CU_UNSUPPORTED_PTX = 222, LT_CU_NOT_READY = 600, LT_CU_MISMATCH = 803
};

enum lt_cu_attribute {
	LT_CU_PROCESSORS = 16, LT_CU_MAJOR = 75, LT_CU_MINOR = 76
};
enum {
	LT_CU_FUNC_SMEM = 8,         /* most dynamic shared memory */
	LT_CU_NON_BLOCKING = 1,      /* stream */
	LT_CU_NO_TIMING = 2,         /* event */
	LT_CU_HOST_PORTABLE = 1,
	LT_CU_TMAP_BF16 = 9, LT_CU_TMAP_SWIZZLE_128B = 3,
	LT_CU_TMAP_L2_128B = 2,
	LT_CU_CAPTURE_THREAD = 1     /* stream capture: of this thread */
};

/* NAME(symbol, (arguments)); all return 0 for success. */
#define LT_CU_FUNCTIONS(F)                                                    \
	F(init, "cuInit", (unsigned))                                         \
	F(version, "cuDriverGetVersion", (int *))                             \
	F(count, "cuDeviceGetCount", (int *))                                 \
	F(get, "cuDeviceGet", (int *, int))                                   \
	F(name, "cuDeviceGetName", (char *, int, int))                        \
	F(uuid, "cuDeviceGetUuid_v2", (unsigned char[16], int))               \
	F(attribute, "cuDeviceGetAttribute", (int *, int, int))               \
	F(retain, "cuDevicePrimaryCtxRetain", (lt_cu_context *, int))         \
	F(release, "cuDevicePrimaryCtxRelease_v2", (int))                     \
	F(set_current, "cuCtxSetCurrent", (lt_cu_context))                    \
	F(mem_info, "cuMemGetInfo_v2", (size_t *, size_t *))                  \
	F(mem_alloc, "cuMemAlloc_v2", (lt_cu_ptr *, size_t))                  \
	F(mem_free, "cuMemFree_v2", (lt_cu_ptr))                              \
	F(host_alloc, "cuMemHostAlloc", (void **, size_t, unsigned))          \
	F(host_free, "cuMemFreeHost", (void *))                               \
	F(host_address, "cuMemHostGetDevicePointer_v2",                       \
	    (lt_cu_ptr *, void *, unsigned))                                  \
	F(upload, "cuMemcpyHtoDAsync_v2",                                     \
	    (lt_cu_ptr, const void *, size_t, lt_cu_stream))                  \
	F(download, "cuMemcpyDtoHAsync_v2",                                   \
	    (void *, lt_cu_ptr, size_t, lt_cu_stream))                        \
	F(copy, "cuMemcpyDtoDAsync_v2",                                       \
	    (lt_cu_ptr, lt_cu_ptr, size_t, lt_cu_stream))                     \
	F(fill, "cuMemsetD8Async",                                            \
	    (lt_cu_ptr, unsigned char, size_t, lt_cu_stream))                 \
	F(stream_new, "cuStreamCreate", (lt_cu_stream *, unsigned))           \
	F(stream_free, "cuStreamDestroy_v2", (lt_cu_stream))                  \
	F(stream_sync, "cuStreamSynchronize", (lt_cu_stream))                 \
	F(stream_query, "cuStreamQuery", (lt_cu_stream))                      \
	F(stream_wait, "cuStreamWaitEvent",                                   \
	    (lt_cu_stream, lt_cu_event, unsigned))                            \
	F(stream_write, "cuStreamWriteValue32_v2",                            \
	    (lt_cu_stream, lt_cu_ptr, uint32_t, unsigned))                    \
	F(event_new, "cuEventCreate", (lt_cu_event *, unsigned))              \
	F(event_free, "cuEventDestroy_v2", (lt_cu_event))                     \
	F(event_record, "cuEventRecord", (lt_cu_event, lt_cu_stream))         \
	F(event_query, "cuEventQuery", (lt_cu_event))                         \
	F(event_elapsed, "cuEventElapsedTime",                                \
	    (float *, lt_cu_event, lt_cu_event))                              \
	F(module_load, "cuModuleLoadData", (lt_cu_module *, const void *))    \
	F(module_free, "cuModuleUnload", (lt_cu_module))                      \
	F(function, "cuModuleGetFunction",                                    \
	    (lt_cu_function *, lt_cu_module, const char *))                   \
	F(function_set, "cuFuncSetAttribute", (lt_cu_function, int, int))     \
	F(launch, "cuLaunchKernel",                                           \
	    (lt_cu_function, unsigned gx, unsigned gy, unsigned gz,           \
	    unsigned bx, unsigned by, unsigned bz, unsigned smem,             \
	    lt_cu_stream, void **args, void **extra))                         \
	F(tensor_map, "cuTensorMapEncodeTiled",                               \
	    (lk_tmap *, int type, uint32_t rank, void *base,                  \
	    const uint64_t *size, const uint64_t *stride /* bytes */,         \
	    const uint32_t *box, const uint32_t *step, int interleave,        \
	    int swizzle, int l2, int fill))                                   \
	F(capture, "cuStreamBeginCapture_v2", (lt_cu_stream, int))            \
	F(capture_end, "cuStreamEndCapture", (lt_cu_stream, lt_cu_graph *))   \
	F(graph_make, "cuGraphInstantiateWithFlags",                          \
	    (lt_cu_exec *, lt_cu_graph, unsigned long long))                  \
	F(graph_launch, "cuGraphLaunch", (lt_cu_exec, lt_cu_stream))          \
	F(graph_free, "cuGraphDestroy", (lt_cu_graph))                        \
	F(exec_free, "cuGraphExecDestroy", (lt_cu_exec))                      \
	F(error_name, "cuGetErrorName", (int, const char **))                 \
	F(error_text, "cuGetErrorString", (int, const char **))

struct lt_cu {
	void *lib;
	int driver;            /* 13000: CUDA 13.0 */
#define F(name, symbol, args) int(*name) args;
	LT_CU_FUNCTIONS(F)
#undef F
};

/* The driver, loaded and initialised once; NULL after a message (*rc: the
 * exit code).  Any thread. */
const struct lt_cu *lt_cu_load(int *rc);

/* "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)" */
const char *lt_cu_text(const struct lt_cu *, int result, char buf[256]);

#endif
