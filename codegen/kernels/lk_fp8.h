/* Numbers of fp8 for kernels: runtime/fp8.h. */
#pragma once

#include "codegen/kernels/lk.h"

#define FP8_FN LK_FN
#define FP8_BITS lk_f2u
#define FP8_FLOAT lk_u2f
#include "runtime/fp8.h"
