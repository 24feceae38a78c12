/* Attention with heads that no kernel of a GPU has is the CPU's: see
 * gpu_calls.h. */
#include "runtime/cpu/pool.h"
#include "runtime/cpu/vec.h"
#include "runtime/gpu/device.h"

static void any_attn_fwd(struct lt *, const struct lt_attn *, const void *q,
    const void *k, const void *v, void *o, float *z);
static void any_attn_step(struct lt *, const struct lt_attn *, const void *q,
    const void *k, const void *v, float *o, float *z);
static void any_attn_bwd(struct lt *, const struct lt_attn *, const void *dout,
    const void *q, const void *k, const void *v, const float *z,
    const float *delta, void *dq, void *dk, void *dv);

#define lt_gpu_attn_fwd_workspace(...) 0
#define lt_gpu_attn_bwd_workspace(...) 0
#define lt_gpu_attn_fwd  any_attn_fwd
#define lt_gpu_attn_step any_attn_step
#define lt_gpu_attn_bwd  any_attn_bwd
