/* How many threads a row has, from its columns alone. */
#include "config.h"

#include "codegen/kernel_grid.h"

#include <stddef.h>

#include "support/compiler.h"

enum { WARP = 32, THREADS = 128, REGISTERS = 16, WIDE_LANES = 512 };

/* Lanes of rows that are more than a warp's, and how many columns each may
 * have: a few arrays of so many floats fit in the registers of a thread. */
static const int lanes[] = {32, 128, 256, 512};

int
kernel_grid_vec(uint64_t cols)
{
	int v = 8;

	while (cols % (uint64_t)v)
		v /= 2;
	return v;
}

static uint64_t
ceil_div(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

static int
choose_lanes(uint64_t pieces, int vec)
{
	int n = 1;

	if (pieces <= WARP) {
		while ((uint64_t)n < pieces)
			n *= 2;
		return n;
	}
	for (size_t i = 0; i < COUNT_OF(lanes); i++)
		if (ceil_div(pieces, (uint64_t)lanes[i]) * (uint64_t)vec <=
		    REGISTERS)
			return lanes[i];
	return 0;
}

struct kernel_grid
kernel_grid_choose(uint64_t cols)
{
	struct kernel_grid g = {.vec = kernel_grid_vec(cols)};
	uint64_t pieces = cols / (uint64_t)g.vec;

	g.lanes = choose_lanes(pieces, g.vec);
	g.wide = g.lanes == 0;
	if (g.wide)
		g.lanes = WIDE_LANES;
	g.threads = g.lanes > THREADS ? g.lanes : THREADS;
	if (g.lanes > WARP)
		g.threads = g.lanes;
	g.rows = g.threads / g.lanes;
	g.each = ceil_div(pieces, (uint64_t)g.lanes);
	g.exact = g.each * (uint64_t)g.lanes == pieces;
	return g;
}
