/*
 * What a generated program calls to compute on a GPU: the calls of
 * runtime/cpu/ with the same descriptors, for addresses of the device.
 *
 * Everything is enqueued on the rank's compute stream and happens in the order
 * of the calls; only lt_gpu_return and lt_gpu_eval_return wait for it.  A call
 * finds its kernels by name in the program's table (NAME.cuh of
 * codegen/kernels/, struct NAME_args of runtime/gpu/args.h).  None returns
 * after an error: the run then ends with a message.
 *
 * Calls with a _workspace function use that much of LT_WORK.
 */
#ifndef LT_RUNTIME_GPU_GPU_H
#define LT_RUNTIME_GPU_GPU_H

#include "runtime/cpu/attn.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/head.h"
#include "runtime/gpu/args.h"
#include "runtime/loong_rt.h"

/* Code of a unit for one architecture. */
struct lt_cubin {
	const char *arch;      /* "sm_90a" */
	const void *data;
	size_t size;
};

/* One program for NVRTC. */
struct lt_unit {
	const char *name;
	const char *source;    /* whole, needs no header; NULL: emulated */
	int arch_min, arch_max; /* that it is for: 80 is sm_80 */
	const struct lt_cubin *cubin;
	int ncubin;
};

struct lt_kernel {
	const char *name;      /* of its entry */
	int unit;
	uint32_t threads;      /* of a block */
	uint32_t smem;         /* dynamic shared memory, bytes */
	uint32_t args;         /* bytes of its argument */
	const char *where;     /* "gqa.lt:20", or NULL */
	/* The emulator's; NULL on a GPU. */
	void (*emulated)(const void *args, const unsigned grid[3],
	    unsigned threads, unsigned smem);
};

/* A kernel of the table by its number; nothing for an empty grid. */
void lt_gpu_launch(struct lt *, int kernel, const unsigned grid[3],
    const void *args);

/* ---- the step ---- */

/* What changes from step to step, in device memory; and what comes back. */
const struct lk_step *lt_gpu_step(struct lt *);
struct lk_result *lt_gpu_result(struct lt *);
/* Before the first update: the result is marked as bad if loss or gnorm (may
 * be NULL) is not finite, and updates then do nothing. */
void lt_gpu_check(struct lt *, const float *loss, const float *gnorm);
/* The end of a step: rt->loss, gnorm, skipped. */
void lt_gpu_return(struct lt *, const float *loss, const float *gnorm);
/* The end of an evaluation: adds to rt->eval_nll, eval_count. */
void lt_gpu_eval_return(struct lt *, const float *nll, const float *count);

/* ---- memory ---- */

void lt_gpu_copy(struct lt *, void *dst, const void *src, uint64_t bytes);
/* lt_host_start, on a stream for each direction; lt_finish ends it. */
lt_token lt_gpu_host_start(struct lt *, void *dst, const void *src,
    uint64_t bytes);
void lt_gpu_host_finish(struct lt *, lt_token);
/* `rows` times `bytes` bytes; strides in bytes, all multiples of 2. */
void lt_gpu_copy_rows(struct lt *, void *dst, uint64_t dst_stride,
    const void *src, uint64_t src_stride, uint64_t bytes, uint64_t rows);
/* dst += src, f32: `rows` times n elements; strides in elements. */
void lt_gpu_add_rows(struct lt *, float *dst, uint64_t dst_stride,
    const float *src, uint64_t src_stride, uint64_t n, uint64_t rows);
void lt_gpu_zero(struct lt *, void *x, uint64_t bytes);
void lt_gpu_set(struct lt *, float *x, float value, uint64_t n);

/* ---- rows (runtime/cpu/rows.h) ---- */

void lt_gpu_embed(struct lt *, uint64_t n, uint64_t bytes, const void *table,
    const int32_t *index, void *out);
void lt_gpu_embed_bwd(struct lt *, uint64_t n, uint64_t rows, uint64_t width,
    enum lt_dtype type, const void *d, const int32_t *index, float *dtable);
void lt_gpu_colsum(struct lt *, const float *part, uint64_t blocks,
    uint64_t stride, uint64_t cols, float *out, bool add);
void lt_gpu_accum(struct lt *, uint64_t n, enum lt_dtype type, const void *x,
    float *y, bool add);
void lt_gpu_round(struct lt *, uint64_t n, const float *w, uint16_t *w16);
void lt_gpu_iota(struct lt *, int32_t *x, const struct lt_runs *);
void lt_gpu_rope_table(struct lt *, float *table, const struct lt_runs *,
    uint64_t d, double base);

/* ---- single numbers ---- */

/* out = the sum of n elements */
void lt_gpu_sum(struct lt *, uint64_t n, const float *x, float *out);
/* out = how many of n labels are not `ignore` */
void lt_gpu_count(struct lt *, uint64_t n, const int32_t *labels,
    int64_t ignore, float *out);
/* out = the largest magnitude of n bf16, which begin at a multiple of 4 bytes;
 * a NaN is larger than all others */
uint64_t lt_gpu_amax_workspace(void);
void lt_gpu_amax(struct lt *, uint64_t n, const uint16_t *x, float *out);
/* y = 1 / x, 0 for 0 */
void lt_gpu_recip(struct lt *, const float *x, float *y);
/* y = max / x if x > max, else 1; max 0: 1 */
void lt_gpu_clip(struct lt *, const float *x, float max, float *y);

/* ---- optimizer ---- */

struct lt_gpu_array {
	const float *x;
	uint64_t n;
};
/* out = sum of the squares of all n arrays, in a fixed order. */
uint64_t lt_gpu_sumsq_workspace(int n);
void lt_gpu_sumsq(struct lt *, int n, const struct lt_gpu_array *, float *out);

/* clip: where the factor of g is; NULL: 1. */
void lt_gpu_adamw(struct lt *, uint64_t n, float *w, const float *g, float *m,
    float *v, uint16_t *w16, const float *clip, bool decay);
void lt_gpu_adamw_blocks(struct lt *, const struct lt_flat *,
    const struct lt_range *decay, int n, float *w, const float *g, float *m,
    float *v, const float *clip);

/* ---- matrix products, attention, loss ---- */

/*
 * y[rows][cols] = codes of x[rows][cols] / *scale, bf16, t[cols][rows] the
 * same with rows and columns exchanged; either may be NULL.  *scale is a power
 * of two or NaN.
 */
void lt_gpu_fp8_round(struct lt *, enum lt_dtype type, uint64_t rows,
    uint64_t cols, const uint16_t *x, const float *scale, uint8_t *y,
    uint8_t *t);
/* Products of fp8 are made by tensor cores that have it, with both operands
 * [.., k]; else of bf16, in the workspace. */

uint64_t lt_gpu_gemm_workspace(const struct lt_gemm *, int threads);
void lt_gpu_gemm(struct lt *, const struct lt_gemm *, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *);

uint64_t lt_gpu_attn_fwd_workspace(const struct lt_attn *, int threads);
uint64_t lt_gpu_attn_bwd_workspace(const struct lt_attn *, int threads);
void lt_gpu_attn_fwd(struct lt *, const struct lt_attn *, const void *q,
    const void *k, const void *v, void *o, float *z);
void lt_gpu_attn_step(struct lt *, const struct lt_attn *, const void *q,
    const void *k, const void *v, float *o, float *z);
void lt_gpu_attn_bwd(struct lt *, const struct lt_attn *, const void *dout,
    const void *q, const void *k, const void *v, const float *z,
    const float *delta, void *dq, void *dk, void *dv);

/* dn: where the factor of the gradient is.  scratch as for the CPU's. */
uint64_t lt_gpu_head_workspace(const struct lt_head *, int threads);
void lt_gpu_head(struct lt *, const struct lt_head *, const void *h,
    const void *w, const int32_t *labels, float *nll, float *scratch);
void lt_gpu_head_bwd(struct lt *, const struct lt_head *, const float *dn,
    const void *h, const void *w, const int32_t *labels, float *nll, void *dh,
    float *dw, bool add_dw, float *scratch);

#endif
