/*
 * The library kernels by name, called with what codegen/library.def says of
 * them: launch_NAME(args, x, y, z), the grid's size by default one block.
 */
#pragma once

#include "tests/kernels/emu_test.h"

#include "codegen/kernels/adamw.cuh"
#include "codegen/kernels/convert.cuh"
#include "codegen/kernels/embed.cuh"
#include "codegen/kernels/fill.cuh"
#include "codegen/kernels/fp8.cuh"
#include "codegen/kernels/gemm.cuh"
#include "codegen/kernels/head.cuh"
#include "codegen/kernels/nest.cuh"
#include "codegen/kernels/reduce.cuh"
#include "codegen/kernels/scalar.cuh"

#define LIBRARY(file, name, threads, smem, args)                              \
	inline void launch_##name(const struct args &a, unsigned x = 1,       \
	    unsigned y = 1, unsigned z = 1)                                   \
	{                                                                     \
		const unsigned grid[3] = {x, y, z};                           \
                                                                              \
		name(&a, grid, threads, smem);                                \
	}
#include "codegen/library.def"
#undef LIBRARY
