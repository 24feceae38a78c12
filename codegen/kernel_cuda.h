/* CUDA C++ for a fusion group: what stands around its loops, and its launch. */
#ifndef LOONG_CODEGEN_KERNEL_CUDA_H
#define LOONG_CODEGEN_KERNEL_CUDA_H

#include "codegen/kernel.h"

enum { KERNEL_FLAT_COLS = 2048 };

/* kernel_launch.c: the kernel to the text of the GPU's kernels, the launch to
 * the host's. */
void emit_cuda_kernel(struct emit *e, struct op *const *op, int n);

/*
 * A kernel of the program: its index, by which the host launches it.  threads
 * of a block, dynamic shared memory, type of the argument.
 */
int emit_cuda_entry(struct emit *e, const char *name, unsigned threads,
    unsigned smem, const char *args, const struct op *at);
/* `lt_gpu_launch(rt, K_.., (const unsigned[]){..}, &(struct ..){` */
void emit_cuda_launch(struct emit *e, int kernel, uint64_t blocks);

/* A kernel with one thread for each i < n (e->elements), struct NAME_args and
 * a loop that the caller ends; its launch, up to the fields. */
void emit_cuda_elements(struct emit *e, const char *name, uint64_t n);
void emit_cuda_launch_elements(struct emit *e, const char *name,
    const struct op *at);

#endif
