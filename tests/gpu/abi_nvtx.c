/* Our declarations of NVTX 3 against NVIDIA's headers. */
#include "runtime/trace/nvtx.c"

#include <stdio.h>

#if __has_include(<nvtx3/nvToolsExt.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <nvtx3/nvToolsExt.h>
#pragma GCC diagnostic pop

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(INTERFACE, NVTX_VERSION);
SAME(CALLBACKS, NVTX_ETID_CALLBACKS);
SAME(VERSION_INFO, NVTX_ETID_VERSIONINFO);
SAME(CORE, NVTX_CB_MODULE_CORE);
SAME(MODULES, NVTX_CB_MODULE_SIZE);
SAME(RANGE_PUSH, NVTX_CBID_CORE_RangePushA);
SAME(RANGE_POP, NVTX_CBID_CORE_RangePop);
SAME(NAME_THREAD, NVTX_CBID_CORE_NameOsThreadA);
SAME(sizeof(struct callbacks), sizeof(NvtxExportTableCallbacks));
SAME(offsetof(struct callbacks, table),
    offsetof(NvtxExportTableCallbacks, GetModuleFunctionTable));
SAME(sizeof(struct version_info), sizeof(NvtxExportTableVersionInfo));
SAME(offsetof(struct version_info, set_version),
    offsetof(NvtxExportTableVersionInfo, SetInjectionNvtxVersion));

int
main(void)
{
	static const unsigned theirs[MODULES] = {0, NVTX_CBID_CORE_SIZE,
		NVTX_CBID_CUDA_SIZE, NVTX_CBID_OPENCL_SIZE,
		NVTX_CBID_CUDART_SIZE, NVTX_CBID_CORE2_SIZE,
		NVTX_CBID_SYNC_SIZE};

	for (int i = 1; i < MODULES; i++) {
		function ***to = NULL;
		unsigned n = 0;

		if (!table_of(i, &to, &n) || n != theirs[i] || n > SLOTS)
			return 1;
	}
	return 0;
}
#else
int
main(void)
{
	puts("no nvtx3/nvToolsExt.h");
	return 77;
}
#endif
