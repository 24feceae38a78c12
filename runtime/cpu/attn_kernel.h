/*
 * Between the scheduling of attn.c and the block kernels of one CPU level.
 * Work goes by blocks of AB queries times AB keys.  Packed rows are f32,
 * d filled up with zeros to dp, row counts to a multiple of AB.
 */
#ifndef LT_RUNTIME_CPU_ATTN_KERNEL_H
#define LT_RUNTIME_CPU_ATTN_KERNEL_H

#include "runtime/cpu/attn.h"

enum { AB = 64 };

enum block_kind { BLOCK_EMPTY, BLOCK_PART, BLOCK_FULL };

/* Smallest and largest of a block of AB values. */
struct range {
	int32_t lo, hi;
};

/* Positions and documents of one side, filled up to blocks. */
struct side {
	int blocks;
	int32_t *pos;            /* [blocks * AB]; INT32_MAX where no row is */
	struct range *pos_range; /* [blocks], of the rows there are */
	int32_t *doc;            /* [b][blocks * AB], or NULL */
	struct range *doc_range; /* [b][blocks] */
};

struct attn_mask {
	const struct lt_attn *p;
	struct side q, k;
};

/* A head of a tensor: row i starts at data + i * stride elements. */
struct head {
	const void *data;
	size_t stride;
	enum lt_dtype type;
};

/* One block of queries against all keys of its kv head. */
struct fwd_task {
	const struct attn_mask *mask;
	uint32_t b, block; /* batch, block of queries */
	int rows, d, dp;
	struct head q, o;  /* of the first row of the block */
	const float *kt;   /* [blocks][d][AB], keys transposed */
	const float *v;    /* [blocks * AB][dp] */
	float *z;          /* first row; z_stride between rows */
	size_t z_stride;
	bool merge;
};

/* One query head against its kv head, packed. */
struct bwd_head {
	const struct attn_mask *mask;
	uint32_t b;
	int d, dp;
	const float *k;        /* [blocks * AB][dp] */
	const float *kt, *vt;  /* [blocks][d][AB] */
	const float *q, *dout; /* [blocks * AB][dp] */
	const float *z2;       /* z in base 2, [blocks * AB] */
	const float *delta;
};

struct attn_kernel {
	/* rows of a head into [AB][dp], or transposed into [d][AB] */
	void (*pack)(struct head, int rows, int d, int dp, float *out);
	void (*pack_t)(struct head, int rows, int d, float *out);
	/* packed rows times factor into a head, or added to it */
	void (*unpack)(const float *in, int rows, int d, int dp, struct head,
	    bool add);
	void (*fwd)(const struct fwd_task *);
	/* block (i, j): adds to any of dq[AB][dp], dk[AB][dp], dv[AB][dp] that
	 * is not NULL */
	void (*bwd)(const struct bwd_head *, uint32_t i, uint32_t j,
	    enum block_kind, float *dq, float *dk, float *dv);
	float (*dot)(const void *a, const void *b, size_t at, int n,
	    enum lt_dtype);
};

extern const struct attn_kernel lt_attn_base;
extern const struct attn_kernel lt_attn_avx2;
extern const struct attn_kernel lt_attn_avx512;

/* What queries of block i see of keys of block j. */
enum block_kind lt_attn_block(const struct attn_mask *, uint32_t b, uint32_t i,
    uint32_t j);

#endif
