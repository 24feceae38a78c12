/* The cases that attention kernels are tested with. */
#include <stdio.h>
#include <string.h>

#include "tests/kernels/attn_run.h"

extern "C" void lk_emu_control(int mode, int race, unsigned long long seed);

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
	{"300x100 window, 3 heads: tiles without keys", 1, 300, 100, 3, 1, true, 20, 0, LINE, 0},
	{"100x300 window, 3 heads: tiles without queries", 1, 100, 300, 3, 1, true, 20, 0, LINE, 0},
	{"ring of 4, 3 heads: tiles without keys", 1, 300, 300, 3, 1, true, 0, 0, LINE, 4},
	{"ring of 2, window: queries without keys", 1, 300, 100, 1, 1, true, 20, 0, LINE, 2},
};

enum { EAGER, LAZY, RANDOM };

static const struct mode {
	const char *name;
	int mode, race;
	unsigned long long seed;
} modes[] = {
	{"lazy", LAZY, 1, 1}, {"eager", EAGER, 0, 1}, {"random", RANDOM, 1, 7},
	{"random without race", RANDOM, 0, 11},
};

static bool
run(const attn_kernels &k, const attn_shape &s, const mode &m)
{
	attn_case c;

	attn_case_make(&c, s, k.d);
	lk_emu_control(m.mode, m.race, m.seed);
	if (attn_run(k, c))
		return true;
	fprintf(stderr, "in mode %s\n", m.name);
	return false;
}

bool
attn_check(const attn_kernels &k, const char *shape)
{
	for (const attn_shape &s : shapes)
		if (!strcmp(s.name, shape))
			return run(k, s, modes[0]);
	fprintf(stderr, "no shape %s\n", shape);
	return false;
}

/* A sample in which every shape meets d = 64 lazily, and every shape and every
 * head dim something in all modes. */
static bool
in_sample(const attn_kernels &k, size_t shape, size_t kernel, size_t mode)
{
	return (shape + kernel) % 7 == 0 || (k.d == 64 && mode == 0);
}

int
attn_test(int argc, char **argv, const attn_kernels *kernels, size_t n)
{
	const char *what = argc > 1 ? argv[1] : "";
	bool all = !strcmp(what, "long");
	int bad = 0, runs = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (size_t k = 0; k < n; k++)
			for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
				if (all || (*what ? strstr(shapes[i].name, what) != NULL :
				    in_sample(kernels[k], i, k, m))) {
					bad += !run(kernels[k], shapes[i], modes[m]);
					runs++;
				}
	printf("%d runs, %d bad\n", runs, bad);
	return bad > 0 || runs == 0;
}
