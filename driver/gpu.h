/*
 * The kernels of a program, compiled by NVRTC for each architecture in the
 * range of their unit.
 */
#ifndef LOONG_DRIVER_GPU_H
#define LOONG_DRIVER_GPU_H

#include <stdio.h>

#include "codegen/cuda.h"
#include "driver/arch.h"
#include "support/nvrtc.h"

struct gpu_code {
	struct cuda_code *code; /* n of them, unit after unit */
	struct nvrtc_code *made; /* the same, with logs */
	int n;
	bool checked;           /* false: there is no NVRTC */
};

/*
 * All units for all architectures that they are for.  Without NVRTC: a
 * note on stderr, true, and no code.  A unit that does not compile: what NVRTC
 * says, false.
 */
bool gpu_compile(struct gpu_code *g, const struct cuda_program *p,
    const struct arch_list *arch, enum nvrtc_kind kind);
void gpu_free(struct gpu_code *g);

/* Registers, shared memory, spills and advisories of each kernel: a table.
 * Without code: the kernels alone. */
void gpu_report(const struct gpu_code *g, const struct cuda_program *p,
    FILE *out);

/* The sources, or what NVRTC made of them (PTX, or one cubin), as texts one
 * after the other with a line of comment before each. */
void gpu_print_sources(const struct cuda_program *p, bool emulated,
    FILE *out);
bool gpu_print_code(const struct gpu_code *g, const struct cuda_program *p,
    enum nvrtc_kind kind, FILE *out);

#endif
