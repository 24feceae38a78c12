/*
 * Between the blocking loops of gemm.c and the kernels of one CPU level.
 *
 * Packed A, one block of rows:  panels of mr rows.
 *	plain       row i of panel q at a + (q * mr + i) * GEMM_LDA
 *	transposed  column p of panel q at a + (q * kc + p) * ma
 * Packed B, one strip of columns: panels of nr columns, [kc][nr] each,
 * filled up with zeros.
 */
#ifndef LT_RUNTIME_CPU_GEMM_KERNEL_H
#define LT_RUNTIME_CPU_GEMM_KERNEL_H

#include "runtime/cpu/gemm.h"

#define GEMM_KC 768            /* depth of a block */
#define GEMM_LDA (GEMM_KC + 16) /* not a power of two: no cache aliasing */
#define GEMM_MC 168            /* rows of a block of A, about */
#define GEMM_NC 768           /* columns of a strip of B, about */
#define GEMM_MR_MAX 14
#define GEMM_NR_MAX 32

struct gemm_kernel {
	int mr, nr;
	int ma; /* floats per column of a transposed panel, >= mr */

	/* out[rows][nr] = (out +) A panel (rows of it) times B panel */
	void (*plain)(int rows, int kc, const float *a, const float *b,
	    float *out, size_t ldo, bool add);
	void (*transposed)(int rows, int kc, const float *a, const float *b,
	    float *out, size_t ldo, bool add);

	/* rows x kc of op(A) from row 0, column 0 of the given pointer;
	 * `round` what is f32 to bf16 */
	void (*pack_a)(const void *a, uint64_t lda, bool ta, enum lt_dtype,
	    bool round, int rows, int kc, float *out);
	/* one panel: kc x cols, cols <= nr */
	void (*pack_b)(const void *b, uint64_t ldb, bool tb, enum lt_dtype,
	    bool round, int kc, int cols, float *out);

	/* one row of a tile into C: c = tile (+ add) (+ bias) (+ resid) */
	void (*store)(const float *tile, int cols, void *c, enum lt_dtype,
	    const float *add, const void *bias, enum lt_dtype bias_type,
	    const void *resid, enum lt_dtype resid_type);
};

extern const struct gemm_kernel lt_gemm_base;
extern const struct gemm_kernel lt_gemm_avx2;
extern const struct gemm_kernel lt_gemm_avx512;

#endif
