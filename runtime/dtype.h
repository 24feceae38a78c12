/* Element types of the tensors a trainer keeps in memory. */
#ifndef LT_RUNTIME_DTYPE_H
#define LT_RUNTIME_DTYPE_H

#include <stddef.h>
#include <stdint.h>

enum lt_dtype {
	LT_F32 = 1,
	LT_BF16, /* upper half of an f32, stored as uint16_t */
	LT_I32,
	LT_E4M3, /* codes of runtime/fp8.h, a byte each */
	LT_E5M2
};

static inline int
lt_is_fp8(enum lt_dtype t)
{
	return t == LT_E4M3 || t == LT_E5M2;
}

static inline size_t
lt_dtype_size(enum lt_dtype t)
{
	return lt_is_fp8(t) ? 1 : t == LT_BF16 ? 2 : 4;
}

#endif
