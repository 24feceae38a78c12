/*
 * The language the GPU kernels are written in: CUDA C++ plus some sixty
 * functions whose names begin with lk_.  Two headers implement them:
 *
 *	lk_ptx.h   for NVRTC, by inline PTX; no CUDA header is included
 *	lk_emu.h   for any C++17 compiler: the block runs on the CPU, one fiber
 *	           per thread, and mistakes of synchronisation are found
 *
 * A kernel has one parameter, a struct by value (of runtime/gpu/args.h):
 *
 *	LK_KERNEL(scale, 256, 1, struct scale_args)
 *	{
 *		for (i64 i = lk_index(); i < a.n; i += lk_stride())
 *			a.y[i] = a.x[i] * a.by;
 *	}
 *
 * 256 is the number of threads of a block (blocks are 1-dimensional, grids
 * have up to 3 dimensions), 1 the number of blocks that shall fit on a
 * multiprocessor.  For the GPU this defines
 *	extern "C" __global__ void scale(const __grid_constant__ scale_args a)
 * and for the CPU
 *	extern "C" void scale(const void *args, const unsigned grid[3],
 *	    unsigned threads, unsigned smem)
 * which runs the whole grid; smem is the dynamic shared memory in bytes.
 *
 * Rules, so that one text serves both:
 *	- never raw PTX, never __shared__: shared memory is dynamic, named by
 *	  32-bit addresses (lk_saddr) and touched by lk_ functions only, for
 *	  the emulator checks every access to it;
 *	- every thread of a block comes to every lk_sync(), every lane of a
 *	  warp to every warp-wide function, in the same order;
 *	- lanes that exchange data through shared memory put lk_syncwarp() in
 *	  between;
 *	- sums are made in a fixed order: same inputs, same bits.
 *
 * Shared memory holds anything when a block begins.
 */
#pragma once

#include "runtime/gpu/args.h"

#if defined __CUDACC_RTC__ || defined __CUDACC__
#include "codegen/kernels/lk_ptx.h"
#else
#include "codegen/kernels/lk_emu.h"
#endif
#include "codegen/kernels/lk_common.h"
