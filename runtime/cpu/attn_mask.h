/* Positions and documents as the block kernels want them. */
#ifndef LT_RUNTIME_CPU_ATTN_MASK_H
#define LT_RUNTIME_CPU_ATTN_MASK_H

#include "runtime/cpu/attn_kernel.h"

/* Bytes attn_mask_make takes from the workspace, a multiple of 64. */
size_t attn_mask_bytes(const struct lt_attn *);

/* Fills *m; its arrays lie in memory[attn_mask_bytes]. */
void attn_mask_make(struct attn_mask *m, const struct lt_attn *, void *memory);

#endif
