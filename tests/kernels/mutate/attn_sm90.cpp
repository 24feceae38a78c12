/*
 * The part of check_attn_sm90 that finds bugs in little time: few blocks that
 * go over many tiles, two boxes of a row, rows that see nothing, and a section
 * of heads that is not full, with tiles that meet no key before others that do.
 */
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 80
#include "codegen/kernels/attn_sm90.cuh"
#include "codegen/kernels/attn_docs.cuh"
#include "tests/kernels/attn_run.h"

#define ROW(d)                                                                \
	{"sm90 d" #d, d,                                                      \
	    {attn_fwd_sm90_d##d, ATTN90_THREADS, ATTN90_FWD_SMEM(d), 1,       \
	        ATTN90_BQ, false, ATTN90_BQ, ATTN90_BK(d), 2},                \
	    {}, {}, attn_docs}

static const attn_kernels d64 = ROW(64), d80 = ROW(80);

/* kernels; name, b, sq, sk, k, g, causal, window, docs, layout, steps */
static const struct {
	const attn_kernels *k;
	attn_shape shape;
} cases[] = {
	{&d64, {"200x700 causal, 4:2", 1, 200, 700, 2, 2, true, 0, 0, LINE,
	    0}},
	{&d80, {"300x500 full", 2, 300, 500, 1, 1, false, 0, 0, LINE, 0}},
	{&d64, {"200x100 window 20: some see nothing", 2, 200, 100, 1, 1,
	    true, 20, 0, LINE, 0}},
	{&d64, {"ring of 2, zigzag", 1, 150, 300, 1, 2, true, 0, 0, ZIGZAG,
	    2}},
	{&d64, {"300x300 causal, 3 heads", 1, 300, 300, 3, 1, true, 0, 0, LINE,
	    0}},
	{&d64, {"300x100 window, 3 heads: tiles without keys", 1, 300, 100, 3,
	    1, true, 20, 0, LINE, 0}},
	{&d64, {"ring of 4, 3 heads: tiles without keys", 1, 300, 300, 3, 1,
	    true, 0, 0, LINE, 4}},
	{&d64, {"ring of 2, window: queries without keys", 1, 300, 100, 1, 1,
	    true, 20, 0, LINE, 2}},
};

int
main()
{
	static const struct {
		emu::Mode mode;
		bool race;
	} modes[] = {{emu::LAZY, true}, {emu::RANDOM, false}};

	for (auto &c : cases) {
		attn_case made;

		attn_case_make(&made, c.shape, c.k->d);
		for (auto &m : modes) {
			lk_emu_control(m.mode, m.race, 5);
			if (!attn_run(*c.k, made))
				return 1;
		}
	}
	return 0;
}
