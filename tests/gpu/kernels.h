/* A program whose kernels are the library's, on the emulator. */
#ifndef TESTS_GPU_KERNELS_H
#define TESTS_GPU_KERNELS_H

#include "runtime/gpu/device.h"

#define LIBRARY(file, name, threads, smem, args)                              \
	void name(const void *, const unsigned grid[3], unsigned, unsigned);
#include "codegen/library.def"
#undef LIBRARY

static const struct lt_kernel kernels[] = {
#define LIBRARY(file, name, threads, smem, args)                              \
	{#name, 0, threads, smem, sizeof(struct args), NULL, name},
#include "codegen/library.def"
#undef LIBRARY
};

static const struct lt_unit kernels_unit = {.name = "library",
    .arch_max = 999};

static inline void
kernels_program(struct lt_program *p)
{
	p->device = LT_DEVICE_EMU;
	p->unit = &kernels_unit;
	p->nunit = 1;
	p->kernel = kernels;
	p->nkernel = sizeof kernels / sizeof *kernels;
}

#endif
