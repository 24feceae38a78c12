/* Checked arithmetic on sizes: true if the result fits. */
#ifndef LOONG_SIZE_H
#define LOONG_SIZE_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
size_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

static inline bool
size_add(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

#endif
