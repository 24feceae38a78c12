/* From attention as the CPU kernels take it to the arguments of a GPU's. */
#ifndef LT_RUNTIME_GPU_ATTN_ARGS_H
#define LT_RUNTIME_GPU_ATTN_ARGS_H

#include "runtime/cpu/attn.h"
#include "runtime/gpu/args.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Shape, mask and positions; all pointers are NULL but those to the documents.
 * False if a kernel cannot do it: sizes past what its grid or its 32-bit
 * indices hold, or a scale that is not positive.
 */
bool lt_attn_args(struct attn_args *, const struct lt_attn *);

/* Pairs of int that the ranges of documents of so many rows take; 0 rows: 0. */
uint64_t lt_attn_spans(uint32_t b, uint32_t rows);

#ifdef __cplusplus
}
#endif

#endif
