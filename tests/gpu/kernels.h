/*
 * A program whose kernels are the library's, on the emulator, or, if the
 * environment says TEST_DEVICE=cuda, on the GPU that fake_cuda.c pretends to
 * be.
 */
#ifndef TESTS_GPU_KERNELS_H
#define TESTS_GPU_KERNELS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* With the sizes of the arguments, which only the compiler knows. */
static inline const char *
kernels_image(void)
{
	static char image[8192];
	size_t n = 0;

	if (*image)
		return image;
	n = (size_t)snprintf(image, sizeof image, "FAKE\n");
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		n += (size_t)snprintf(image + n, sizeof image - n,
		    "%s %u\n", kernels[i].name, kernels[i].args);
	return image;
}

static inline void
kernels_program(struct lt_program *p)
{
	static struct lt_cubin cubin = {.arch = "sm_90a"};
	static struct lt_unit unit = {.name = "library", .arch_max = 999,
	    .cubin = &cubin, .ncubin = 1};
	const char *on = getenv("TEST_DEVICE");

	cubin.data = kernels_image();
	cubin.size = strlen(kernels_image());
	p->device = on && strcmp(on, "cuda") == 0 ? LT_DEVICE_CUDA :
	    LT_DEVICE_EMU;
	p->unit = &unit;
	p->nunit = 1;
	p->kernel = kernels;
	p->nkernel = sizeof kernels / sizeof *kernels;
}

#endif
