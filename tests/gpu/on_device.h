/*
 * Kernels called as in the emulator, but run on a GPU: with -DLK_ON_DEVICE the
 * entry of each kernel is on_device(), so that the programs that test the
 * emulator test the GPU.
 *
 * Arguments that point to what `new` gave, or to an array of a caller, are
 * copied to the GPU before and back after the launch.  The first call loads the
 * driver and compiles kernels by NVRTC as units.def lists them; without a GPU
 * the program ends with 77 and says why.
 */
#pragma once

#include <stddef.h>

extern "C" void on_device(const char *kernel, const void *args, size_t size,
    const unsigned grid[3], unsigned threads, unsigned smem);
