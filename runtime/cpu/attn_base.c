/* Attention kernels for any CPU: 4-float vectors. */
#define LT_SIMD 4
#define ATTN_NAME lt_attn_base
#define TILE_V 2
#include "runtime/cpu/attn_body.h"
