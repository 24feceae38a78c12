/* The runtime's calls of attention, on the emulator. */
#ifndef TESTS_KERNELS_ATTN_CALLS_H
#define TESTS_KERNELS_ATTN_CALLS_H

#include "runtime/gpu/attn_args.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A device of that architecture, 80 or 90, with so many multiprocessors left
 * alone (--sm-margin). */
void attn_calls_open(int arch, int margin);
/* lt_gpu_attn_fwd, or _step if the arguments have acc. */
void attn_calls_fwd(const struct lt_attn *, const struct attn_args *);
void attn_calls_bwd(const struct lt_attn *, const struct attn_args *);
/* Launches of kernels whose name has `part` so far. */
int attn_calls_count(const char *part);
/* The most blocks of any launch of a kernel for sm_90a. */
unsigned attn_calls_blocks(void);
void attn_calls_close(void);

#ifdef __cplusplus
}
#endif

#endif
