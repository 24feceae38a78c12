/*
 * The attention kernels for sm_80 and later, forward and backward, in the
 * emulator against f64: every head dim, masks by runs and documents, ragged
 * lengths, groups, rings.
 */
#define HEAD_DIM 16
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 32
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 64
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 80
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 96
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 128
#include "codegen/kernels/attn_sm80.cuh"
#define HEAD_DIM 256
#include "codegen/kernels/attn_sm80.cuh"
#include "tests/kernels/attn_run.h"

#define ROW(d)                                                                \
	{"sm80 d" #d, d,                                                      \
	    {attn_fwd_sm80_d##d, ATTN80_THREADS, ATTN80_FWD_SMEM(d), 1,       \
	        ATTN80_ROWS, false},                                          \
	    {attn_bwd_keys_sm80_d##d, ATTN80_THREADS, ATTN80_KEYS_SMEM(d),    \
	        ATTN80_PARTS(d), ATTN80_ROWS, true},                          \
	    {attn_bwd_queries_sm80_d##d, ATTN80_THREADS,                      \
	        ATTN80_QUERIES_SMEM(d), 1, ATTN80_ROWS, false},               \
	    attn_docs}

static const attn_kernels kernels[] = {
	ROW(16), ROW(32), ROW(64), ROW(80), ROW(96), ROW(128), ROW(256),
};

int
main(int argc, char **argv)
{
	return attn_test(argc, argv, kernels, sizeof(kernels) / sizeof(kernels[0]));
}
