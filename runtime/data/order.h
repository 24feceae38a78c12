/*
 * The order of the training windows: a permutation by counter.
 *
 * Window number k of an epoch is a pure function of (seed, epoch, k), so the
 * order does not depend on ranks, and a resumed run needs only a count.
 */
#ifndef LT_RUNTIME_DATA_ORDER_H
#define LT_RUNTIME_DATA_ORDER_H

#include <stdint.h>

/* Where k of 0..n-1 goes: a bijection on 0..n-1.  n < 2^48. */
uint64_t lt_order_permute(uint64_t seed, uint64_t epoch, uint64_t n,
    uint64_t k);

/* The epoch's shift of all windows: uniform in 0..slack. */
uint64_t lt_order_shift(uint64_t seed, uint64_t epoch, uint64_t slack);

#endif
