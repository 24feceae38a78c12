/* Runs attention kernels in the emulator on an attn_case and compares. */
#ifndef TESTS_KERNELS_ATTN_RUN_H
#define TESTS_KERNELS_ATTN_RUN_H

#include "tests/kernels/attn_case.h"
#include "runtime/gpu/attn_args.h"

typedef void attn_kernel(const void *args, const unsigned grid[3], unsigned threads, unsigned smem);

/* How to launch a kernel.  By tensor maps: its argument is attn_tma_args. */
struct attn_launch {
	attn_kernel *fn;
	unsigned threads, smem;
	/* Blocks per tile and rows of a tile, of queries or of keys. */
	int parts, rows;
	bool over_keys;
	/* Rows of the boxes of queries and of keys; 0: without tensor maps. */
	int box_q = 0, box_k = 0;
	int blocks = 0; /* > 0: that go over all tiles */
};

struct attn_kernels {
	const char *name;
	int d;
	attn_launch fwd, keys, queries; /* keys.fn NULL: forward only */
	attn_kernel *docs;
	/* Not NULL: who launches them, with what is in the arguments. */
	void (*call_fwd)(const lt_attn *, const attn_args *) = NULL;
	void (*call_bwd)(const lt_attn *, const attn_args *) = NULL;
};

/* False, and a line on stderr for what is wrong, if an element is off. */
bool attn_run(const attn_kernels &, const attn_case &);

/*
 * main of a test: a sample of shapes, kernels and modes; all of them with
 * `long` as argument, or those of the shapes whose name has the argument.
 */
int attn_test(int argc, char **argv, const attn_kernels *, size_t n);

/* One of these shapes, lazily. */
bool attn_check(const attn_kernels &, const char *shape);

#endif
