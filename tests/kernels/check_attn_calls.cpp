/*
 * The runtime's calls of attention choose the right kernels, grids, tensor maps
 * and ranges of documents: on the emulator as sm_80, sm_90 and sm_100, against
 * the reference of attn_case.h.
 */
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm90.cuh"
#include "tests/kernels/attn_calls.h"
#include "tests/kernels/attn_run.h"

static const attn_kernels kernels[] = {
	{"calls d64", 64, {}, {}, {}, NULL, attn_calls_fwd, attn_calls_bwd},
	{"calls d256", 256, {}, {}, {}, NULL, attn_calls_fwd, attn_calls_bwd},
};

static const char *const shapes[] = {
	"77 causal", "200x300 causal, 4:2", "200 documents", "ring of 2, zigzag",
};

static int
run(int arch)
{
	int bad = 0, tma;

	attn_calls_open(arch);
	for (const char *shape : shapes)
		for (const attn_kernels &k : kernels)
			bad += !attn_check(k, shape);
	tma = attn_calls_count("sm90");
	if ((tma > 0) != (arch == 90) ||
	    (attn_calls_count("bwd_keys_sm90") > 0) != (arch == 90) || (attn_calls_count("fwd_sm80") > 0) == (arch == 90)) {
		printf("sm_%d: %d launches of kernels for sm_90a\n", arch, tma);
		bad++;
	}
	attn_calls_close();
	return bad;
}

int
main()
{
	return run(80) + run(90) + run(100) > 0;
}
