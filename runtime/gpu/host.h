/*
 * The arenas of a rank from the host, whatever computes: x is an address in
 * one of them.  On CPUs nothing is copied; on a device the bytes pass through
 * host memory, after everything that was enqueued before.
 */
#ifndef LT_RUNTIME_GPU_HOST_H
#define LT_RUNTIME_GPU_HOST_H

#include <stdint.h>

struct lt;

void lt_read(const struct lt *, void *to, const void *x, uint64_t bytes);
void lt_write(const struct lt *, void *x, const void *from, uint64_t bytes);
void lt_clear(const struct lt *, void *x, uint64_t bytes);

/*
 * Where the host may read and write these bytes until they are given back:
 * x itself on CPUs.  EMPTY: they will all be written, what they were does not
 * matter.  lt_forget instead of lt_give_back: nothing was changed.
 */
enum lt_borrowed { LT_EMPTY, LT_AS_IT_IS };
void *lt_borrow(struct lt *, void *x, uint64_t bytes, enum lt_borrowed);
void lt_give_back(struct lt *, void *x, uint64_t bytes, void *borrowed);
void lt_forget(struct lt *, void *borrowed);

#endif
