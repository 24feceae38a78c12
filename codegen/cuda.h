/*
 * From a module in stage e to a trainer for GPUs: the host program in C, and
 * the kernels in CUDA C++ as units, each one program for NVRTC.
 *
 *	struct cuda_program p;
 *
 *	codegen_cuda(m, &options, out, &p);           host program
 *	.. compile p.unit[i].source for each architecture in its range ..
 *	codegen_cuda_tables(&p, code, ncode, out);    units and kernels
 *
 * are one translation unit: the host program declares the tables `units` and
 * `kernels` (runtime/gpu/gpu.h), which follow it because they hold the code.
 * Same module, same bytes.
 */
#ifndef LOONG_CODEGEN_CUDA_H
#define LOONG_CODEGEN_CUDA_H

#include <stdio.h>

#include "ir/ir.h"

/* Architectures as numbers: 80 for sm_80, 90 for sm_90a. */
struct cuda_unit {
	const char *name;      /* "fused", "attn_fwd_sm90_d128_causal" */
	int arch_min, arch_max; /* that it is for, both included */
	const char *source;    /* for NVRTC */
	const char *emulated;  /* the same against the emulator, for C++17 */
};

struct cuda_kernel {
	const char *name;      /* its entry */
	int unit;              /* that it is in */
	unsigned threads;      /* of a block */
	unsigned smem;         /* dynamic shared memory, bytes */
	const char *args;      /* type of its argument: "struct k3_args" */
	const char *where;     /* "gqa.lt:20", its first launch's; or NULL */
	uint64_t bytes;        /* of memory that launch reads and writes; 0: not
	                        * known */
};

struct cuda_program {
	const struct cuda_unit *unit;
	const struct cuda_kernel *kernel;
	int nunit, nkernel;
};

/* Writes the host program, for GPUs or the emulator; *p lives in the module's
 * arena.  Returns errors found, all reported. */
struct cuda_options {
	bool emulated;
	bool no_attention; /* tests: it is not made of our kernels */
};
int codegen_cuda(struct module *m, const struct cuda_options *o, FILE *out,
    struct cuda_program *p);

/* A unit compiled for an architecture. */
struct cuda_code {
	int unit;
	const char *arch;      /* "sm_90a" */
	const void *data;
	size_t size;
};

/* The tables at the end of the host program.  emulated: kernels are linked
 * in as functions of their names, and units hold no code. */
void codegen_cuda_tables(const struct cuda_program *p,
    const struct cuda_code *code, int ncode, bool emulated, FILE *out);

#endif
