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
	int bad = 0, tma, others;

	attn_calls_open(arch, 0);
	for (const char *shape : shapes)
		for (const attn_kernels &k : kernels)
			bad += !attn_check(k, shape);
	tma = attn_calls_count("sm90");
	others = attn_calls_count("sm80");
	/* Forward, keys, queries, of every shape and head dim. */
	if ((arch == 90 ? tma : others) < 3 * 4 * 2 || (arch == 90 ? others : tma)) {
		printf("sm_%d: %d launches of kernels for sm_90a, %d of others\n", arch, tma,
		    others);
		bad++;
	}
	attn_calls_close();
	return bad;
}

/* Of the emulator's four multiprocessors, what is left of a margin computes the
 * 8 and more tiles: all, one, and one where nothing would be left. */
static int
run_margins()
{
	static const struct {
		int margin;
		unsigned blocks;
	} cases[] = {{0, 4}, {3, 1}, {1000, 1}};
	int bad = 0;

	for (auto &c : cases) {
		attn_calls_open(90, c.margin);
		bad += !attn_check(kernels[0], "200x300 causal, 4:2");
		if (attn_calls_blocks() != c.blocks) {
			printf("margin %d: %u blocks, not %u\n", c.margin, attn_calls_blocks(),
			    c.blocks);
			bad++;
		}
		attn_calls_close();
	}
	return bad;
}

int
main()
{
	return run(80) + run(90) + run(100) + run_margins() > 0;
}
