/*
 * attn_sm90: the entries of attention for sm_90a, made as in attn_sm80.cuh for
 * head dims 64, 80, 96, 128 and 256: attn_fwd_sm90_d64, attn_bwd_keys_sm90_d64,
 * attn_bwd_queries_sm90_d64 ..  The ranges of documents are made by attn_docs of
 * attn_sm80.cuh.
 */
#include "codegen/kernels/lk.h"
#include "codegen/kernels/attn.cuh"
#include "codegen/kernels/attn_mma.cuh"
#include "codegen/kernels/attn_tma.cuh"
#include "codegen/kernels/attn_tasks.cuh"
#include "codegen/kernels/attn_state.cuh"
#include "codegen/kernels/attn_fwd_sm90.cuh"
#include "codegen/kernels/attn_bwd_keys_sm80.cuh"
#include "codegen/kernels/attn_bwd_keys_sm90.cuh"
#include "codegen/kernels/attn_bwd_queries_sm90.cuh"

#define ATTN_ENTRY2(name, d)                                                  \
	LK_KERNEL(name##d, ATTN90_THREADS, 1, struct attn_tma_args)
#define ATTN_ENTRY(name, d) ATTN_ENTRY2(name, d)

ATTN_ENTRY(attn_fwd_sm90_d, HEAD_DIM)
{
	attn_fwd_sm90<HEAD_DIM>(a);
}

ATTN_ENTRY(attn_bwd_keys_sm90_d, HEAD_DIM)
{
	attn_bwd_keys_sm90<HEAD_DIM>(a);
}

ATTN_ENTRY(attn_bwd_queries_sm90_d, HEAD_DIM)
{
	attn_bwd_queries_sm90<HEAD_DIM>(a);
}

#undef ATTN_ENTRY2
#undef ATTN_ENTRY
#undef HEAD_DIM
