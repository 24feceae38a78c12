/*
 * The attention kernels for sm_90a in the emulator against f64; see
 * check_attn_sm80.cpp.
 */
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 80
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 96
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 128
#include "codegen/kernels/attn_sm90.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm90.cuh"
#include "codegen/kernels/attn_docs.cuh"
#include "tests/kernels/attn_run.h"

#define FWD(d)                                                                \
	{attn_fwd_sm90_d##d, ATTN90_THREADS, ATTN90_FWD_SMEM(d), 1,           \
	    ATTN90_BQ, false, ATTN90_BQ, ATTN90_BK(d), 3}
#define ROW(d)                                                                \
	{"sm90 d" #d, d, FWD(d),                                              \
	    {attn_bwd_keys_sm90_d##d, ATTN90_THREADS, ATTN90_KEYS_SMEM(d), 1, \
	        ATTN90_BWD_BK(d), true, ATTN90_BWD_BQ, ATTN90_BWD_BK(d), 3},  \
	    {attn_bwd_queries_sm90_d##d, ATTN90_THREADS,                      \
	        ATTN90_QUERIES_SMEM(d), 1, ATTN90_DQ_BQ, false, ATTN90_DQ_BQ, \
	        ATTN90_DQ_BK, 3},                                             \
	    attn_docs}

static const attn_kernels kernels[] = {
	ROW(64), ROW(80), ROW(96), ROW(128), ROW(256),
};

int
main(int argc, char **argv)
{
	return attn_test(argc, argv, kernels, sizeof(kernels) / sizeof(kernels[0]));
}
