/* Our declarations of cuBLASLt against its header and its library. */
#include "runtime/gpu/cublas.c"

#if __has_include(<cublasLt.h>)
/* The header is for C++ or for C without these warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <cublasLt.h>
#pragma GCC diagnostic pop

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(TYPE_F32, CUDA_R_32F);
SAME(TYPE_BF16, CUDA_R_16BF);
SAME(TYPE_E4M3, CUDA_R_8F_E4M3);
SAME(TYPE_E5M2, CUDA_R_8F_E5M2);
SAME(COMPUTE_F32, CUBLAS_COMPUTE_32F);
SAME(DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(DESC_TRANSB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(DESC_EPILOGUE, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(DESC_BIAS, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(DESC_BIAS_TYPE, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
SAME(DESC_SCALE_A, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER);
SAME(DESC_SCALE_B, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER);
SAME(EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BIAS);
SAME(PREF_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(PREF_ALIGN_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(PREF_ALIGN_A + 3, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(CUBLAS_OP_N, false);
SAME(CUBLAS_OP_T, true);
SAME(sizeof(struct algorithm), sizeof(cublasLtMatmulAlgo_t));
SAME(sizeof(struct found), sizeof(cublasLtMatmulHeuristicResult_t));
SAME(offsetof(struct found, state),
    offsetof(cublasLtMatmulHeuristicResult_t, state));

int
main(void)
{
	struct lt_blas b = {.lib = find_library()};

	if (!b.lib)
		return 77;
	return bind_functions(&b) ? 0 : 1;
}
#else
int
main(void)
{
	puts("no cublasLt.h");
	return 77;
}
#endif
