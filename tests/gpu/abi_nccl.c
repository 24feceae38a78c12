/* Our declarations of NCCL against its header and its library. */
#include "runtime/gpu/nccl.c"

#if __has_include(<nccl.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <nccl.h>
#pragma GCC diagnostic pop

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(SUCCESS, ncclSuccess);
SAME(IN_PROGRESS, ncclInProgress);
SAME(BYTES, ncclUint8);
SAME(ID, NCCL_UNIQUE_ID_BYTES);
SAME(UNDEFINED, NCCL_CONFIG_UNDEF_INT);
SAME(offsetof(struct config, magic), offsetof(ncclConfig_t, magic));
SAME(offsetof(struct config, blocking), offsetof(ncclConfig_t, blocking));
SAME(offsetof(struct config, max_ctas), offsetof(ncclConfig_t, maxCTAs));
SAME(offsetof(struct config, net), offsetof(ncclConfig_t, netName));
SAME(offsetof(struct config, split_share), offsetof(ncclConfig_t, splitShare));

int
main(void)
{
	ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
	struct lt_nccl n = {.lib = NULL};

	if (theirs.magic != (unsigned)MAGIC)
		return 1;
	n.lib = find_library();
	if (!n.lib)
		return 77;
	dlclose(n.lib);
	return load(&n) == LT_OK ? 0 : 1;
}
#else
int
main(void)
{
	puts("no nccl.h");
	return 77;
}
#endif
