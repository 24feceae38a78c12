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

#define ROW(d)                                                                \
	{"sm90 d" #d, d,                                                      \
	    {attn_fwd_sm90_d##d, ATTN90_THREADS, ATTN90_FWD_SMEM(d), 1,       \
	        ATTN90_BQ, false, ATTN90_BQ, ATTN90_BK(d), 3},                \
	    {}, {}, attn_docs}

static const attn_kernels kernels[] = {
	ROW(64), ROW(80), ROW(96), ROW(128), ROW(256),
};

int
main(int argc, char **argv)
{
	return attn_test(argc, argv, kernels, sizeof(kernels) / sizeof(kernels[0]));
}
