/*
 * The part of check_attn_sm80 that finds bugs in little time: the head dims of
 * two stages, of one, and of rows whose chunks are no power of two.
 */
#define HEAD_DIM 32
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 80
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm80.cuh"
#include "tests/kernels/attn_run.h"

#define ROW(d)                                                                \
	{"sm80 d" #d, d,                                                      \
	    {attn_fwd_sm80_d##d, ATTN80_THREADS, ATTN80_FWD_SMEM(d), 1,       \
	        ATTN80_ROWS, false},                                          \
	    {attn_bwd_keys_sm80_d##d, ATTN80_THREADS, ATTN80_KEYS_SMEM(d),    \
	        ATTN80_PARTS(d), ATTN80_ROWS, true},                          \
	    {attn_bwd_queries_sm80_d##d, ATTN80_THREADS,                      \
	        ATTN80_QUERIES_SMEM(d), 1, ATTN80_ROWS, false},               \
	    attn_docs}

static const attn_kernels d32 = ROW(32), d80 = ROW(80), d256 = ROW(256);

/* kernels; name, b, sq, sk, k, g, causal, window, docs, layout, steps */
static const struct {
	const attn_kernels *k;
	attn_shape shape;
} cases[] = {
	{&d32, {"77 causal", 2, 77, 77, 1, 2, true, 0, 0, LINE, 0}},
	{&d32, {"130x200 full", 1, 130, 200, 2, 2, false, 0, 0, LINE, 0}},
	{&d32, {"200 window 20", 1, 200, 200, 1, 1, true, 20, 0, LINE, 0}},
	{&d32, {"300 documents, window, full", 1, 300, 300, 1, 1, false, 50,
	    100, LINE, 0}},
	{&d32, {"200 documents", 1, 200, 200, 1, 1, true, 0, 45, LINE, 0}},
	{&d32, {"ring of 2, zigzag", 1, 150, 300, 1, 2, true, 0, 0, ZIGZAG,
	    2}},
	{&d32, {"ring of 3, line", 1, 100, 300, 1, 1, true, 0, 0, LINE, 3}},
	{&d32, {"ring of 4, window", 1, 200, 200, 1, 1, true, 60, 0, LINE, 4}},
	{&d32, {"200x100 window 20: some see nothing", 1, 200, 100, 1, 1, true,
	    20, 0, LINE, 0}},
	{&d32, {"ring of 2, some see nothing", 1, 200, 100, 1, 1, true, 20, 0,
	    LINE, 2}},
	{&d80, {"77 causal", 1, 77, 77, 1, 1, true, 0, 0, LINE, 0}},
	{&d256, {"130 full", 1, 130, 130, 1, 1, false, 0, 0, LINE, 0}},
};

int
main()
{
	for (auto &c : cases) {
		attn_case made;

		attn_case_make(&made, c.shape, c.k->d);
		lk_emu_control(emu::LAZY, 1, 1);
		if (!attn_run(*c.k, made))
			return 1;
	}
	return 0;
}
