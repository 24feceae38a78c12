/*
 * What the library kernels of codegen/kernels/ are called with: one struct for
 * each, filled by the host and passed by value.  Plain C that a kernel can
 * include too: int, unsigned, long long, float, double, pointers to device
 * memory, lk_tmap; nothing is included here.
 *
 * Elements "bf16" are unsigned short.  Sizes are in elements unless said.
 */
#ifndef LT_RUNTIME_GPU_ARGS_H
#define LT_RUNTIME_GPU_ARGS_H

/* A tensor as the tensor memory accelerator sees it: a CUtensorMap, made by
 * the device's tensor_map(). */
typedef struct lk_tmap {
	unsigned long long word[16];
} __attribute__((aligned(128))) lk_tmap;

/* What the emulator's tensor_map() puts there: bf16, dimension 0 the fastest
 * with stride 1, up to 5 of them. */
typedef struct lk_emu_tmap {
	const void *base;
	long long stride[5];   /* elements */
	int size[5], box[5];
	int rank;
	int swizzle;           /* 1: 128 bytes, 0: none */
} lk_emu_tmap;

/* Element types, as enum lt_dtype counts them. */
enum { LK_F32 = 1, LK_BF16 = 2 };

/* ---- what steps are made of, in device memory ---- */

/* Written by the host before a step: a step reads these, so that its kernels
 * are the same calls every time. */
struct lk_step {
	double lr;
	long long step;          /* from 1 */
	unsigned long long seed; /* of dropout */
	float rate;              /* lr / (1 - beta1^step) */
	float ifix2;             /* 1 / (1 - beta2^step) */
	float decay;             /* lr * wd */
	int training;
};

/* Written by kernels, read by the host after a step or an evaluation. */
struct lk_result {
	float loss, gnorm;
	int bad;               /* 1: not finite, nothing was updated */
	int unused;
	double eval_nll, eval_count; /* added to */
};

/* Global indices of a dimension's local elements: struct lt_runs. */
struct lk_runs {
	int n, unused;
	long long start[8], len[8];
};

/* ---- fill.cuh: fill_f32, fill_bf16, iota ---- */

struct fill_args {
	void *x; /* f32 or bf16 */
	long long n;
	float value;
};

/* x[i] = global index of element i */
struct iota_args {
	int *x;
	long long n;
	struct lk_runs at;
};

/* Cosines then sines of position * base^(-2j/d), j < d/2, for n positions. */
struct rope_table_args {
	float *table;          /* [n][2][d/2] */
	long long n;
	struct lk_runs at;
	double base;
	int d;
};

/* ---- convert.cuh: accum_f32, accum_bf16 (what x is), round_bf16 ---- */

/* y = x, or y += x */
struct accum_args {
	const void *x;
	float *y;
	long long n;
	int add;
};

/* y = x in bf16, to nearest even */
struct round_args {
	const float *x;
	unsigned short *y;
	long long n;
};

/* ---- nest.cuh: nest_copy_{16,4,2}, nest_sum_{16,4}, nest_sources ---- */

/* Loops around rows of len units that lie together on both sides, as struct
 * lt_nest; a unit has the 16, 4 or 2 bytes of the kernel's name. */
struct lk_nest {
	long long n[8], src[8], dst[8]; /* loops, outermost first; units */
	long long rows, len;            /* rows: product of n; below 2^31 */
	int rank, unused;
};

struct nest_copy_args {
	const void *src;
	void *dst;
	struct lk_nest nest;
};

/* A packed source has the rows one right after the other. */
typedef struct lk_source {
	const float *at;
	long long packed;
} lk_source;

/* dst = src[0] + src[1] + .., or dst += that; f32, in this order; or the
 * largest of them, at least 0, a NaN being the largest.  dst may be a source.  More than fit here are in a table. */
enum { LK_SOURCES_MAX = 64 };
struct nest_sum_args {
	const float *src[LK_SOURCES_MAX];
	unsigned long long packed; /* bit i: src[i] is */
	const lk_source *table; /* instead, in device memory; or NULL */
	float *dst;
	struct lk_nest nest;
	int nsrc, add, max;
};

/* to[i] = src[i], for n of them; one block */
struct nest_sources_args {
	const float *src[LK_SOURCES_MAX];
	unsigned long long packed;
	lk_source *to;
	int n;
};

/* ---- reduce.cuh: colsum, sumsq_part, sumsq_total, amax_part,
 * amax_total, sum_f32, count ---- */

/* out[c] = sum over blocks of part[block * stride + c]; a block of the grid
 * takes 32 columns */
struct colsum_args {
	const float *part;
	float *out;
	long long blocks, stride, cols;
	int add;               /* to out[c] */
};

/* part[block of the grid]: sums of squares of n elements.  The number of
 * blocks decides the bits: let it depend on n alone (sumsq_blocks). */
struct sumsq_args {
	const float *x;
	double *part;
	long long n;
};
static inline int
sumsq_blocks(long long n)
{
	return n < 4096 ? 1 : n > 256 * 4096ll ? 256 : (int)(n / 4096);
}

/* out = sum of the n parts; one block */
struct sumsq_total_args {
	const double *part;
	float *out;
	long long n;
};

/* Largest magnitudes, a NaN being the largest.  part[block of the grid]: of n
 * bf16, sumsq_blocks(n) blocks; out: of n parts, one block. */
struct amax_args {
	const unsigned short *x;
	float *part;
	long long n;
};
struct amax_total_args {
	const float *part;
	float *out;
	long long n;
};

/* out = sum of x, or out += it; one block */
struct sum_args {
	const float *x;
	float *out;
	long long n;
	int add;
};

/* out = how many labels are not `ignore`; one block */
struct count_args {
	const int *labels;
	float *out;
	long long n;
	int ignore;
};

/* ---- scalar.cuh: recip, clip, step_check, step_return, eval_return ---- */

/* recip: y = 1 / x, 0 for 0; clip: y = x > max ? max / x : 1, 1 if max is 0 */
struct scalar_args {
	const float *x;
	float *y;
	float max;
};

/* step_check: bad |= a or b is not finite (b may be NULL)
 * step_return: loss = a, gnorm = b;  eval_return: nll += a, count += b */
struct result_args {
	const float *a, *b;
	struct lk_result *result;
};

/* ---- embed.cuh: embed_16, embed_2, embed_bwd_f32, embed_bwd_bf16 ---- */

/* out[i] = table[index[i]], rows of `units` units of 16 or 2 bytes */
struct embed_args {
	const void *table;
	const int *index;
	void *out;
	long long n;
	int units;
};

/* dtable[index[i]] += d[i], in the order of i.  Grid: x slices of `slice`
 * rows each, y pieces of 1024 columns. */
struct embed_bwd_args {
	const void *d;         /* [n][width], f32 or bf16 */
	const int *index;
	float *dtable;         /* [rows][width] */
	long long n;
	int rows, width, slice;
};

/* ---- head.cuh: head_rows, head_rows_bwd, head_rows_bwd_bf16 ---- */

/*
 * Rows of logits, one block each: nll[row] = -log softmax at the label, 0 if
 * the label is `ignore`.  The backward kernels leave dn * (softmax - one) in
 * place of the logits, as f32, or as bf16 in the first half of each row (so
 * that rows are 2 * vocab bf16 apart).
 */
struct head_args {
	float *logits;         /* [rows][vocab] */
	const int *labels;
	float *nll;
	const float *dn;
	long long vocab;
	int ignore;
};

/* ---- adamw.cuh: adamw, adamw_blocks ---- */

struct adamw_args {
	float *w, *m, *v;
	const float *g;
	unsigned short *w16;   /* the copy in bf16; NULL: none */
	const float *clip;     /* factor of g; NULL: 1 */
	const struct lk_step *step;
	const struct lk_result *result; /* bad: nothing happens */
	long long n;
	float b1, c1, b2, c2, eps; /* cN = 1 - bN */
	int decay;
	int random;            /* w16 is rounded at random, else to nearest */
	unsigned salt;         /* another one for each tensor */
};

/* Blocks of images of many layers, one after the other: n = layers * size.
 * Weights decay where one of the ranges, in order, has their place in the
 * image; ranges, size and first are multiples of 16. */
enum { LK_RANGES_MAX = 64 };
struct adamw_blocks_args {
	struct adamw_args a;
	long long size, first; /* of a block, and its place in the image */
	int nrange, unused;
	struct {
		long long lo, hi;
	} range[LK_RANGES_MAX];
};

/* ---- fp8.cuh: fp8_round, fp8_widen ---- */

/*
 * y = codes of x[rows][cols] / scale, t[cols][rows] the same; either may be
 * NULL.  y and t begin at multiples of 4 bytes.  format is that of
 * runtime/fp8.h.
 */
struct fp8_round_args {
	const unsigned short *x;
	const float *scale;
	unsigned char *y, *t;
	long long rows, cols;
	int format;
};

/* y = what n codes stand for, times scale; y begins at a multiple of 8 bytes */
struct fp8_widen_args {
	const unsigned char *x;
	const float *scale;
	unsigned short *y;
	long long n;
	int format;
};

/* ---- gemm.cuh: gemm_bf16_{nn,nt,tn,tt}, gemm_any ---- */

/*
 * C[m,n] (+)= op(A)[m,k] op(B)[k,n] as struct lt_gemm says, with its epilogue:
 * C = sum (+ C if acc) (+ bias[n]) (+ resid[m,n]), sums in f32.
 *	gemm_bf16_*  A and B bf16, their rows and beginnings multiples of 16
 *	             bytes; the letters are ta and tb
 *	gemm_any     everything else; any mix of types, ta and tb
 * Grid: x, tiles of 64 x 64, those of 64 rows one after the other.
 */
struct gemm_args {
	const void *a, *b;
	void *c;
	const void *bias, *resid; /* NULL: none */
	long long lda, ldb, ldc, ldr;
	int m, n, k;
	int ta, tb, acc;
	int a_type, b_type, c_type, bias_type, resid_type; /* LK_F32, LK_BF16 */
};

/* ---- probe.cuh ---- */

struct probe_args {
	const void *x, *y;
	float *out;
	int n;
	lk_tmap map, map2;
};

/* attn_sm80.cuh, attn_sm90.cuh */

/*
 * Tiles of the kernels for sm_80 by head dim: rows that a block keeps, rows of
 * keys and of queries that pass by, forward and backward; stages of backward's
 * pipelines; blocks per tile of keys there.  Small enough for 255 registers
 * and the 99 KiB of shared memory of sm_86.
 */
#define ATTN80_THREADS 128
#define ATTN80_ROWS 64
#define ATTN80_BK(d) ((d) > 128 ? 32 : 64)
#define ATTN80_BWD_BK(d) ((d) > 128 ? 16 : 64)
#define ATTN80_BWD_BQ(d) ((d) > 128 ? 16 : (d) > 64 ? 32 : 64)
#define ATTN80_BLOCKS(d) ((d) > 128 ? 1 : 2) /* on a multiprocessor */
#define ATTN80_STAGES(d) ((d) > 128 ? 1 : 2)
#define ATTN80_PARTS(d) ((d) > 128 ? 2 : 1)
/* Bytes of dynamic shared memory. */
#define ATTN80_FWD_SMEM(d) ((ATTN80_ROWS + 4 * ATTN80_BK(d)) * (d) * 2)
#define ATTN80_KEYS_SMEM(d)                                                   \
	(2 * ATTN80_ROWS * (d) * 2 + ATTN80_STAGES(d) * ATTN80_BWD_BQ(d) *    \
	    (2 * (d) * 2 + 8))
#define ATTN80_QUERIES_SMEM(d)                                                \
	((2 * ATTN80_ROWS + 2 * ATTN80_STAGES(d) * ATTN80_BWD_BK(d)) * (d) * 2)

/* Those for sm_90a. */
#define ATTN90_THREADS 384
#define ATTN90_CONSUMER_WARPS 8
#define ATTN90_BQ 128
#define ATTN90_BK(d) ((d) > 128 ? 64 : 128)
#define ATTN90_COLUMNS(d) (((d) + 63) / 64 * 64) /* in shared memory */
#define ATTN90_FWD_SMEM(d)                                                    \
	((ATTN90_BQ + 4 * ATTN90_BK(d)) * ATTN90_COLUMNS(d) * 2 + 1024)

/* Backward over keys: one tile of them for each warpgroup, or one for both,
 * of which one makes dk and the other dv. */
#define ATTN90_BWD_BK(d) ((d) > 128 ? 64 : 128)
#define ATTN90_BWD_BQ 64
#define ATTN90_KEYS_SMEM(d)                                                   \
	((2 * ATTN90_BWD_BK(d) + 4 * ATTN90_BWD_BQ) * ATTN90_COLUMNS(d) * 2 + \
	    4 * ATTN90_BWD_BQ * 4 + 1024)

/* Backward over queries. */
#define ATTN90_DQ_BQ 128
#define ATTN90_DQ_BK 64
#define ATTN90_DQ_SLOTS(d) ((d) > 128 ? 3 : 4)
#define ATTN90_QUERIES_SMEM(d)                                                \
	((2 * ATTN90_DQ_BQ + ATTN90_DQ_SLOTS(d) * ATTN90_DQ_BK) *             \
	    ATTN90_COLUMNS(d) * 2 + 1024)

#define ATTN_DOCS_THREADS 128

enum {
	ATTN_RUNS = 8,  /* LT_RUNS_MAX */
	ATTN_GRAIN = 32 /* rows whose documents share a range */
};

/* Rows at[j] .. at[j + 1] - 1 are at positions off[j] + row; at[n] is their
 * number, n >= 1. */
struct attn_rows {
	int n, at[ATTN_RUNS + 1], off[ATTN_RUNS];
};

struct attn_args {
	const void *q, *k, *v, *dout; /* bf16 */
	void *o;                      /* bf16, if acc is NULL */
	float *acc, *z;
	const float *delta;
	void *dq, *dk, *dv;           /* bf16, or f32 and added to */
	const int *qdoc, *kdoc;       /* both or none */
	const int *qspan, *kspan;     /* attn_docs of these */
	struct attn_rows qpos, kpos;
	int b, sq, sk, heads, group;  /* kv heads; query heads of each */
	int causal, window, add;      /* window 0: none */
	float scale;                  /* > 0 */
};

/* With tensor maps (D, head, row, b) of the operands, boxes of 64 columns. */
struct attn_tma_args {
	lk_tmap q, k, v, dout;
	struct attn_args at;
	int section; /* heads of all batch items that go together */
};

struct attn_docs_args {
	const int *doc; /* [b, rows] */
	int *span;      /* [b, ceil(rows / ATTN_GRAIN), 2] */
	int b, rows;
};

#endif
