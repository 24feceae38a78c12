/* Copies and sums of boxes on a device, as runtime/comm/nest.h has them. */
#ifndef LT_RUNTIME_GPU_NEST_H
#define LT_RUNTIME_GPU_NEST_H

#include "runtime/comm/nest.h"
#include "runtime/gpu/device.h"

/* dst = src, elements of 2 or 4 bytes. */
void lt_gpu_nest_copy(struct lt *, enum lt_stream, const struct lt_nest *,
    size_t size, void *dst, const void *src);
/* SUM: dst = src[0] + src[1] + .., f32, in this order for every element; ADD:
 * dst + src[0] + ..; MAX: the largest; dst may be one of the sources. */
enum lt_nest_op { LT_NEST_SUM, LT_NEST_ADD, LT_NEST_MAX };
void lt_gpu_nest_sum(struct lt *, enum lt_stream, const struct lt_nest *,
    float *dst, int n, const struct lt_source src[],
    enum lt_nest_op);

/* The same with one side packed. */
struct lt_nest lt_nest_to_packed(const struct lt_nest *);
struct lt_nest lt_nest_from_packed(const struct lt_nest *);

/* Threads of a map over n elements, in blocks of 256. */
uint64_t lt_gpu_blocks(const struct lt *, uint64_t n);

#endif
