/*
 * The attention kernels for sm_80 and later, forward and backward, in the
 * emulator against f64: every head dim, masks by runs and documents, ragged
 * lengths, groups, rings.  `long` as argument: every shape with every head dim
 * in every mode.
 */
#define HEAD_DIM 16
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 32
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 80
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 96
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 128
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

static const attn_kernels kernels[] = {
	ROW(16), ROW(32), ROW(64), ROW(80), ROW(96), ROW(128), ROW(256),
};

/* name, b, sq, sk, k, g, causal, window, docs, layout, steps */
static const attn_shape shapes[] = {
	{"one", 1, 1, 1, 1, 1, true, 0, 0, LINE, 0},
	{"77 causal", 2, 77, 77, 1, 2, true, 0, 0, LINE, 0},
	{"130 full", 1, 130, 130, 1, 2, false, 0, 0, LINE, 0},
	{"64 full", 1, 64, 64, 1, 1, false, 0, 0, LINE, 0},
	{"200x300 causal, 4:2", 1, 200, 300, 2, 2, true, 0, 0, LINE, 0},
	{"130x77 full, 4:1", 1, 130, 77, 1, 4, false, 0, 0, LINE, 0},
	{"100 causal, 8:1", 1, 100, 100, 1, 8, true, 0, 0, LINE, 0},
	{"200 window 20", 1, 200, 200, 1, 1, true, 20, 0, LINE, 0},
	{"300 window 100", 1, 300, 300, 1, 1, true, 100, 0, LINE, 0},
	{"150 window 30, not causal", 1, 150, 150, 1, 1, false, 30, 0, LINE, 0},
	{"200 documents", 2, 200, 200, 1, 1, true, 0, 45, LINE, 0},
	{"300 documents, window, full", 1, 300, 300, 1, 1, false, 50, 100, LINE, 0},
	{"200 zigzag", 1, 200, 200, 1, 2, true, 0, 0, ZIGZAG, 0},
	{"200 shuffled, window", 1, 200, 200, 1, 1, true, 60, 0, SHUFFLE, 0},
	{"ring of 1", 1, 70, 70, 1, 1, true, 0, 0, LINE, 1},
	{"ring of 2, zigzag", 1, 150, 300, 1, 2, true, 0, 0, ZIGZAG, 2},
	{"ring of 3, line", 1, 100, 300, 2, 1, true, 0, 0, LINE, 3},
	{"ring of 4, zigzag, documents", 1, 90, 360, 1, 1, true, 0, 70, ZIGZAG, 4},
	{"ring of 4, window", 1, 300, 300, 1, 1, true, 90, 0, LINE, 4},
	{"ring of 2, full", 1, 66, 130, 1, 1, false, 0, 0, LINE, 2},
};

struct mode {
	emu::Mode mode;
	bool race;
	u64 seed;
};

static bool
run(const attn_kernels &k, const attn_shape &s, const mode &m)
{
	attn_case c;

	attn_case_make(&c, s, k.d);
	lk_emu_control(m.mode, m.race, m.seed);
	return attn_run(k, c);
}

int
main(int argc, char **argv)
{
	static const mode modes[] = {{emu::LAZY, true, 1}, {emu::EAGER, false, 1},
		{emu::RANDOM, true, 7}, {emu::RANDOM, false, 11}};
	const int nshape = sizeof(shapes) / sizeof(shapes[0]), nk = sizeof(kernels) / sizeof(kernels[0]);
	const bool all = argc > 1 && !strcmp(argv[1], "long");
	int bad = 0, n = 0;

	for (int i = 0; i < nshape; i++)
		for (int k = 0; k < nk; k++)
			for (int m = 0; m < 4; m++)
				if (all || (i + k) % 7 == 0 || (kernels[k].d == 64 && m == 0)) {
					bad += !run(kernels[k], shapes[i], modes[m]);
					n++;
				}
	printf("%d runs, %d bad\n", n, bad);
	return bad > 0;
}
