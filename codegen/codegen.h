/*
 * From a module in stage e to the C of a trainer.
 *
 * One translation unit: the plan as a comment table, kernels (one function per
 * fusion group), one host function per IR function, and the tables that
 * runtime/loong_rt.h asks for.  Same module, same bytes.
 */
#ifndef LOONG_CODEGEN_CODEGEN_H
#define LOONG_CODEGEN_CODEGEN_H

#include <stdio.h>

#include "ir/ir.h"

/*
 * Flags its compilation needs beside -I and optimisation: kernels rely on them
 * to become vector code.
 */
#define codegen_cflags                                                         \
	"-std=gnu11 -fopenmp-simd -fno-math-errno -fno-trapping-math"

/* Writes the program, once its memory plan has passed replay_check; returns
 * errors found (reported to m->diag). */
int codegen_c(struct module *m, FILE *out);

/* The plan as JSON: dims, arenas, slots, tensors, parameters, FLOPs. */
int codegen_plan(struct module *m, FILE *out);

/* Parameters of the model (global count). */
uint64_t codegen_parameters(const struct module *m);

#endif
