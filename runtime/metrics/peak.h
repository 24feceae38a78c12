/* The speed that MFU is a fraction of. */
#ifndef LT_RUNTIME_METRICS_PEAK_H
#define LT_RUNTIME_METRICS_PEAK_H

#include <stdbool.h>

struct lt_pool;

/*
 * FLOP/s of a large matrix product in f32, or bf16 with f32 sums: the best
 * of some runs within about 0.2 s.  0 if there is no memory for it.
 */
double lt_peak_measure(struct lt_pool *, bool bf16);

#endif
