/* Runs attention kernels in the emulator on an attn_case and compares. */
#ifndef TESTS_KERNELS_ATTN_RUN_H
#define TESTS_KERNELS_ATTN_RUN_H

#include "tests/kernels/attn_case.h"
#include "runtime/gpu/attn_args.h"

typedef void attn_kernel(const void *args, const unsigned grid[3], unsigned threads, unsigned smem);

/* Launches one kernel for these arguments. */
struct attn_launch {
	attn_kernel *fn;
	unsigned threads, smem;
	/* Blocks per tile and rows of a tile, of queries or of keys. */
	int parts, rows;
	bool over_keys;
};

struct attn_kernels {
	const char *name;
	int d;
	attn_launch fwd, keys, queries; /* keys.fn NULL: forward only */
	attn_kernel *docs;
};

/* False, and a line on stderr for what is wrong, if an element is off. */
bool attn_run(const attn_kernels &, const attn_case &);

#endif
