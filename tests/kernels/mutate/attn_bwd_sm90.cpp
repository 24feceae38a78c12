/*
 * The part of check_attn_sm90's backward pass that finds bugs in little time:
 * with the forward pass for sm_80.
 */
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm90.cuh"
#include "tests/kernels/attn_run.h"

static const attn_kernels d64 = {
	"sm90 backward d64", 64,
	{attn_fwd_sm80_d64, ATTN80_THREADS, ATTN80_FWD_SMEM(64), 1, ATTN80_ROWS, false},
	{attn_bwd_keys_sm90_d64, ATTN90_THREADS, ATTN90_KEYS_SMEM(64), 1, ATTN90_BWD_BK, true,
	    ATTN90_BWD_BQ, ATTN90_BWD_BK},
	{attn_bwd_queries_sm80_d64, ATTN80_THREADS, ATTN80_QUERIES_SMEM(64), 1, ATTN80_ROWS, false},
	attn_docs,
};

/* name, b, sq, sk, k, g, causal, window, docs, layout, steps */
static const attn_shape shapes[] = {
	{"200x300 causal, 4:2", 1, 200, 300, 2, 2, true, 0, 0, LINE, 0},
	{"ring of 2, zigzag", 1, 150, 300, 1, 2, true, 0, 0, ZIGZAG, 2},
};

int
main()
{
	for (const attn_shape &s : shapes) {
		attn_case made;

		attn_case_make(&made, s, d64.d);
		for (int mode = emu::LAZY; mode <= emu::RANDOM; mode++) {
			lk_emu_control(mode, 1, 5);
			if (!attn_run(d64, made))
				return 1;
		}
	}
	return 0;
}
