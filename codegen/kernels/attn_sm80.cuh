/*
 * attn_sm80: the entries of attention for every GPU from sm_80 on.
 *
 *	#define HEAD_DIM 64
 *	#include "codegen/kernels/attn_sm80.cuh"
 *
 * defines attn_fwd_sm80_d64, attn_bwd_keys_sm80_d64, attn_bwd_queries_sm80_d64
 * and, once, attn_docs; HEAD_DIM is a multiple of 16, at most 256.  May be
 * included again for another.
 */
#include "codegen/kernels/lk.h"
#include "codegen/kernels/attn.cuh"
#include "codegen/kernels/attn_docs.cuh"
#include "codegen/kernels/attn_mma.cuh"
#include "codegen/kernels/attn_state.cuh"
#include "codegen/kernels/attn_fwd_sm80.cuh"
#include "codegen/kernels/attn_bwd_keys_sm80.cuh"
#include "codegen/kernels/attn_bwd_queries_sm80.cuh"

#define ATTN_ENTRY2(name, d)                                                  \
	LK_KERNEL(name##d, ATTN80_THREADS, ATTN80_BLOCKS(d), struct attn_args)
#define ATTN_ENTRY(name, d) ATTN_ENTRY2(name, d)

ATTN_ENTRY(attn_fwd_sm80_d, HEAD_DIM)
{
	attn_fwd_sm80<HEAD_DIM>(a);
}

ATTN_ENTRY(attn_bwd_keys_sm80_d, HEAD_DIM)
{
	attn_bwd_keys_sm80<HEAD_DIM>(a);
}

ATTN_ENTRY(attn_bwd_queries_sm80_d, HEAD_DIM)
{
	attn_bwd_queries_sm80<HEAD_DIM>(a);
}

#undef ATTN_ENTRY2
#undef ATTN_ENTRY
#undef HEAD_DIM
