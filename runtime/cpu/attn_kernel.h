/*
 * Between the scheduling of attn.c and the block kernels of one CPU level.
 * Work goes by blocks of AB queries times AB keys.  A packed block of AB rows
 * takes `step` floats; what is in it is the kernel's business:
 *
 *	        vectors                     tiles (bf16)
 *	k       [AB][dp]                    tiles of A, d deep
 *	kt      [d][AB]                     forward: unused
 *	                                    backward: tiles of A, AB deep
 *	v       [AB][dp]                    tiles of A, AB deep
 *	vt      [d][AB]                     tiles of A, d deep
 *	q, dout [AB][dp]                    tiles of B, d deep; then AB deep
 *	dk, dv  [AB][dp]                    [AB][dt]
 *	dq      [AB][dp]                    [dt][AB]
 *
 * Vectors are f32, d filled up with zeros to dp, a multiple of 16; tiles to
 * dt, a multiple of 32.
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
	int rows, d;
	size_t step;
	struct head q, o;  /* of the first row of the block */
	const float *k, *v; /* packed for forward, of all blocks */
	float *z;          /* first row; z_stride between rows */
	size_t z_stride;
	bool merge;
};

/* One query head against its kv head, packed. */
struct bwd_head {
	const struct attn_mask *mask;
	uint32_t b;
	int d;
	size_t step;
	const float *k, *kt, *vt, *q, *dout; /* packed, of all blocks */
	const float *z2;       /* z in base 2, [blocks * AB] */
	const float *delta;
};

struct attn_kernel {
	/* around the work of one thread, or NULL */
	void (*begin)(void);
	void (*end)(void);

	/* one block: keys and values forward, keys and values backward,
	 * queries backward */
	void (*pack_fwd)(struct head k, struct head v, int rows, int d,
	    float *pk, float *pv);
	void (*pack_keys)(struct head k, struct head v, int rows, int d,
	    float *pk, float *pkt, float *pvt);
	void (*pack_queries)(struct head q, struct head dout, int rows, int d,
	    float *pq, float *pdout);
	/* dk or dv, and dq, of a block into a head, or added to it */
	void (*unpack_keys)(const float *in, int rows, int d, struct head,
	    bool add);
	void (*unpack_queries)(const float *in, int rows, int d, struct head,
	    bool add);

	void (*fwd)(const struct fwd_task *);
	/* block (i, j): adds to any of dq, dk, dv that is not NULL */
	void (*bwd)(const struct bwd_head *, uint32_t i, uint32_t j,
	    enum block_kind, float *dq, float *dk, float *dv);
	float (*dot)(const void *a, const void *b, size_t at, int n,
	    enum lt_dtype);
};

extern const struct attn_kernel lt_attn_base;
extern const struct attn_kernel lt_attn_avx2;
extern const struct attn_kernel lt_attn_avx512;
extern const struct attn_kernel lt_attn_amx; /* bf16 only, no dot */
extern const struct attn_kernel lt_attn_dot;
extern const struct attn_kernel lt_attn_emu;

/* What queries of block i see of keys of block j. */
enum block_kind lt_attn_block(const struct attn_mask *, uint32_t b, uint32_t i,
    uint32_t j);

#endif
