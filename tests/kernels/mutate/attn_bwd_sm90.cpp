/*
 * The part of check_attn_sm90's backward pass that finds bugs in little time:
 * with the forward pass for sm_80, few blocks that go over many tiles, tiles
 * that meet nothing, both ways to make dk and dv.
 */
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm90.cuh"
#include "tests/kernels/attn_run.h"

#define ROW(d)                                                                \
	{"sm90 backward d" #d, d,                                             \
	    {attn_fwd_sm80_d##d, ATTN80_THREADS, ATTN80_FWD_SMEM(d), 1,       \
	        ATTN80_ROWS, false},                                          \
	    {attn_bwd_keys_sm90_d##d, ATTN90_THREADS, ATTN90_KEYS_SMEM(d), 1, \
	        ATTN90_BWD_BK(d), true, ATTN90_BWD_BQ, ATTN90_BWD_BK(d), 2},  \
	    {attn_bwd_queries_sm90_d##d, ATTN90_THREADS,                      \
	        ATTN90_QUERIES_SMEM(d), 1, ATTN90_DQ_BQ, false, ATTN90_DQ_BQ, \
	        ATTN90_DQ_BK, 2},                                             \
	    attn_docs}

static const attn_kernels d64 = ROW(64), d256 = ROW(256);

/* kernels; name, b, sq, sk, k, g, causal, window, docs, layout, steps */
static const struct {
	const attn_kernels *k;
	attn_shape shape;
} cases[] = {
	{&d64, {"200x300 causal, 4:2", 1, 200, 300, 2, 2, true, 0, 0, LINE, 0}},
	{&d64, {"ring of 2, zigzag", 1, 150, 300, 1, 2, true, 0, 0, ZIGZAG, 2}},
	{&d64, {"200x100 window, 3 heads: tiles without keys", 2, 200, 100, 3, 1, true, 20, 0, LINE,
	    0}},
	{&d64, {"100x300 window, 3 heads: tiles without queries", 1, 100, 300, 3, 1, true, 20, 0,
	    LINE, 0}},
	{&d256, {"80x130 causal", 1, 80, 130, 1, 1, true, 0, 0, LINE, 0}},
};

int
main()
{
	for (auto &c : cases) {
		attn_case made;

		attn_case_make(&made, c.shape, c.k->d);
		for (int mode = emu::LAZY; mode <= emu::RANDOM; mode++) {
			lk_emu_control(mode, 1, 5);
			if (!attn_run(*c.k, made))
				return 1;
		}
	}
	return 0;
}
