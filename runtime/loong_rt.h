/*
 * The contract between a generated trainer and the runtime.
 *
 * The generated program is one `struct lt_program`: tables (tensors, arenas,
 * recipe, plan) and three functions (step, eval, logits).  Its main() calls
 * lt_main, which owns everything around them: options, ranks, data, schedule,
 * checkpoints, metrics, signals.  One `struct lt` per rank; nothing global.
 *
 * Sizes are bytes unless said; shapes are global and row-major; a rank's part
 * of a tensor is described by runs (global start, length) per dimension.
 */
#ifndef LOONG_RT_H
#define LOONG_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/dtype.h"
#include "runtime/runs.h"

enum { LT_ABI = 8 };
enum { LT_RANK_MAX = 8, LT_AXES_MAX = 8 };
enum lt_init { LT_INIT_ZEROS, LT_INIT_ONES, LT_INIT_NORMAL, LT_INIT_UNIFORM };
/* LT_HOST: what forward sends to the host's memory for backward. */
enum lt_arena { LT_STATE, LT_KEEP, LT_ACT, LT_IO, LT_HOST, LT_WORK, LT_ARENAS };
enum lt_device_kind { LT_DEVICE_CPU, LT_DEVICE_CUDA, LT_DEVICE_EMU };
enum lt_nan_policy { LT_NAN_STOP, LT_NAN_SKIP };
enum lt_schedule { LT_CONSTANT, LT_COSINE, LT_WSD };

/* Exit codes, as documented in the trainer's man page. */
enum lt_exit {
	LT_OK = 0,
	LT_EXIT_FAIL = 1,      /* anything without a code of its own */
	LT_EXIT_USAGE = 2,
	LT_EXIT_DATA = 65,     /* bad data or checkpoint */
	LT_EXIT_COMM = 69,     /* a peer or the transport failed */
	LT_EXIT_INTERNAL = 70,
	LT_EXIT_IO = 74,       /* could not write */
	LT_EXIT_SAVED = 75,    /* stopped by a signal, checkpoint saved */
	LT_EXIT_NAN = 76,      /* stopped by the NaN policy */
	LT_EXIT_CONFIG = 78    /* program and machine do not fit */
};

/*
 * How the ranks share one dimension: shards, outermost first, each over mesh
 * axes, major to minor.  Over n coordinates a block shard gives coordinate c
 * piece c of n, a zigzag shard pieces c and 2n-1-c of 2n.  Pieces are
 * equal.  A part has no axes: positions from..to-1 of what there is.
 */
enum lt_shard { LT_BLOCK, LT_ZIGZAG, LT_PART };
enum { LT_SHARDS_MAX = 3, LT_SHARD_AXES_MAX = 3 };
struct lt_layout {
	uint64_t size;         /* global */
	uint8_t n;
	struct {
		uint8_t kind;  /* enum lt_shard */
		uint8_t n, axis[LT_SHARD_AXES_MAX];
		uint32_t from, to; /* of a part */
	} s[LT_SHARDS_MAX];
};

/*
 * What a communication moves.  It is a call of the group: the ranks that have
 * my coordinate on every axis that no hop names.  Members are numbered in
 * mixed radix by their coordinates on the hops' axes, the first hop major.
 * Arrays are the local ones, row-major.
 *
 * For member p my piece is the block of src that has, along the dimension
 * `to` of each hop, p's coordinate on that hop's axis as its number (several
 * hops into one dimension: mixed radix, the first major).  It lands in p's dst
 * as the block that has, along `from`, my coordinate as its number.
 *	a2a        every hop has from and to
 *	gather     to is -1: everybody gets everything
 *	rscatter   from is -1: pieces are added
 *	allreduce  both are -1: arrays are added; dst may be src
 *	shift      dst of the rank at coordinate + by, modulo the axis, gets
 *	           src; from and to mean nothing
 * Sums are of f32, in the order of the members: all replicas get the same
 * bits.  In an allreduce with `max` the largest number takes the place of the
 * sum; numbers are at least 0, and a NaN is larger than all others.
 */
enum lt_move_kind { LT_ALLREDUCE, LT_GATHER, LT_RSCATTER, LT_A2A, LT_SHIFT,
	LT_MOVE_KINDS };
struct lt_hop {
	int8_t axis;           /* of the program's mesh */
	int8_t from, to;       /* dimensions of the arrays; -1: none */
	int16_t by;
};
struct lt_move {
	const char *name;      /* for messages: "layer.wq" */
	uint8_t kind;          /* enum lt_move_kind */
	uint8_t lane;          /* calls of one lane and group match in order */
	uint8_t type;          /* enum lt_dtype */
	uint8_t max;           /* allreduce: of maxima */
	uint8_t n;
	struct lt_hop hop[LT_AXES_MAX];
	uint8_t rank;          /* shape of src, the same for every pair; with */
	uint64_t src[LT_RANK_MAX]; /* one dimension, in a shift and in an */
};                             /* allreduce the pair's count is the shape */

/*
 * Sharded storage of a group of tensors: each layer is one image, all its
 * tensors one after the other, each starting at a multiple of 16 elements, the
 * whole padded to 16 * (ranks over the axes).  A rank stores one of so many
 * equal blocks, its number being the coordinates on the axes in mixed radix.
 */
struct lt_flat {
	const char *name;
	uint64_t layers, image; /* elements of the whole image of a layer */
	uint8_t n, axis[LT_AXES_MAX]; /* major to minor; 0: the image is whole */
	/* Offsets in LT_STATE of the block of layer 0; those of the others
	 * follow at once.  f32; UINT64_MAX: not there. */
	uint64_t master, grad, moment1, moment2;
};

/*
 * One parameter tensor, stacked over layers where the model repeats: shape[0]
 * is then the number of layers.  Offsets are into the state arena; each
 * points to the elements, row-major, f32; UINT64_MAX: it is not there.
 */
struct lt_tensor {
	const char *name;      /* "layer.attn.wq": also the checkpoint's name */
	uint8_t rank;
	uint64_t shape[LT_RANK_MAX];
	uint8_t init;          /* enum lt_init */
	double init_a, init_b; /* normal: std a; uniform: [a, b) */
	bool decay;
	uint64_t count;        /* elements, all layers */
	uint64_t master, grad, moment1, moment2;
	/* In the images of lt_program.flat[flat], `at` elements from the
	 * beginning of each layer's; the offsets above are then UINT64_MAX.
	 * -1: every rank holds the whole tensor. */
	int32_t flat;
	uint64_t at;
};

/* Defaults of the recipe; options of the trainer override some of them. */
struct lt_recipe {
	int64_t steps, warmup;
	uint8_t schedule;      /* enum lt_schedule */
	double lr, lr_min;     /* peak, and where cosine and WSD end */
	double decay_fraction; /* WSD: last part of the steps that decays */
	double beta1, beta2, eps, wd, clip;
	uint64_t seed;
	uint8_t nan_policy;    /* enum lt_nan_policy */
	const char *train, *val; /* default paths, or NULL */
	const char *format;    /* "auto", "bytes", "nanogpt", "llmc", "megatron" */
	double val_fraction;   /* held-out tail of train if val is NULL */
	int64_t s;             /* tokens of a sequence in the data; the program's
	                          seq may be larger: padding; 0: not */
	int64_t eval_every, eval_batches, save_every, keep_last, log_every;
	int32_t eos;           /* document separator token; -1: none */
	int32_t ignore;        /* label that does not count */
};

struct lt;
struct lt_unit;   /* runtime/gpu/gpu.h */
struct lt_kernel;

struct lt_program {
	uint32_t abi;          /* LT_ABI */
	const char *name;      /* of the model */
	const char *version;   /* loongc that made it */
	/*
	 * Identity.  hash: of the model alone (tensors and mathematics, not
	 * batch, sequence, dtypes, recipe or plan): a checkpoint of another
	 * hash is another model's.  The texts are lines "key=value\n" in a
	 * fixed order.  recipe_text: everything the course of training
	 * depends on, as compiled in; plan_text: what may change between
	 * runs of one training, results being equal up to rounding.
	 */
	uint64_t hash;
	const char *recipe_text, *plan_text;
	const char *plan;      /* JSON: mesh, arenas, tensors, cost; see --emit=plan */
	int naxis;             /* mesh, major to minor: the order of ranks */
	const char *axis[LT_AXES_MAX];
	int axis_size[LT_AXES_MAX];
	int64_t micro;         /* microbatches per step (gradient accumulation) */
	int64_t batch;         /* sequences per microbatch, global */
	int64_t seq;           /* tokens per sequence, global */
	int64_t vocab;
	uint64_t parameters;   /* global count */
	double flops_step;     /* model FLOPs of one step (causal counted half) */
	double flops_hardware; /* with recomputation */
	const char *flops_formula;
	bool bf16;             /* its products are of bf16 */
	uint64_t arena[LT_ARENAS];
	uint64_t (*work)(int threads); /* bytes of LT_WORK; arena[LT_WORK] is 0 */
	/* What of batch and seq this rank's tokens, labels, documents are. */
	struct lt_layout rows, cols;
	uint64_t io_tok, io_lab, io_doc; /* offsets in LT_IO: i32[micro, local
	                          rows, local columns]; UINT64_MAX: not used */
	uint64_t io_logits;    /* f32[batch,vocab] in LT_IO, on every rank */
	const struct lt_tensor *tensor;
	int ntensor;
	const struct lt_flat *flat;
	int nflat;
	const struct lt_move *move; /* all that the program does */
	int nmove;
	const char *const *lane; /* names of lanes, by number */
	int nlane;
	/* Where it computes, and there its kernels; the emulator is a device
	 * whose kernels are functions of the program. */
	uint8_t device;        /* enum lt_device_kind */
	const struct lt_unit *unit;
	int nunit;
	const struct lt_kernel *kernel;
	int nkernel;
	struct lt_recipe recipe;
	bool by_layer;         /* step updates a layer as soon as it can: some
	                          are if only the norm is not finite */

	/* One optimizer step on the batch in LT_IO; lr, step and the rest in
	 * *rt.  Leaves rt->loss, rt->gnorm; does not update if the loss or the
	 * norm is not finite. */
	void (*step)(struct lt *rt);
	/* Adds the sum of token losses and the number of counted labels of
	 * microbatch 0 (of all ranks) to rt->eval_nll, rt->eval_count. */
	void (*eval)(struct lt *rt);
	/* Logits at position rt->at of microbatch 0 into io_logits; NULL: none. */
	void (*logits)(struct lt *rt);
	/* Fills the bf16 copies from the masters (after init and restore). */
	void (*refresh)(struct lt *rt);
	/* Starts and finishes all moves of step, eval and logits in their
	 * order, and does nothing else; addresses are NULL.  NULL: they move
	 * nothing, or a device can go through the functions themselves. */
	void (*rehearse)(struct lt *rt);
};

struct lt_pool;
struct lt_comm;
struct lt_gpu;
struct lt_watch; /* runtime/trace/watch.h */

/* What generated code sees of its rank. */
struct lt {
	const struct lt_program *prog;
	int rank, ranks, coord[LT_AXES_MAX];
	char *arena[LT_ARENAS]; /* 64-byte aligned, zeroed at start; addresses
	                           of the device */
	struct lt_pool *pool;
	struct lt_gpu *gpu;    /* NULL: this rank computes on CPUs */
	struct lt_comm *comm;  /* NULL with one rank */
	int64_t step;          /* number of this step, from 1 */
	uint64_t seed;         /* of dropout */
	int64_t micro;         /* microbatch at work; set by step */
	double lr;             /* of this step */
	bool training;         /* dropout is active */
	int64_t at;            /* logits: position */
	float loss, gnorm;     /* results of step: mean loss, norm before clip */
	bool skipped;          /* step: not finite, nothing was updated */
	const char *source;    /* the statement at work: "gqa.lt:20 attention";
	                          NULL: none */
	struct lt_watch *watch; /* who wants to know of it; NULL: nobody */
	double eval_nll, eval_count;
	struct lt_run *run;    /* everything else the runtime keeps */
};

int lt_main(int argc, char **argv, const struct lt_program *prog);

/*
 * Where a program is: at a statement, until the next; inside of layer 3, say.
 * For messages, for --trace and for profilers; no result depends on it.
 */
void lt_watch_at(struct lt *);
void lt_watch_enter(struct lt *, const char *what, int64_t index);
void lt_watch_leave(struct lt *);

static inline void
lt_at(struct lt *rt, const char *source)
{
	rt->source = source;
	if (rt->watch)
		lt_watch_at(rt);
}

static inline void
lt_enter(struct lt *rt, const char *what, int64_t index)
{
	if (rt->watch)
		lt_watch_enter(rt, what, index);
}

static inline void
lt_leave(struct lt *rt)
{
	if (rt->watch)
		lt_watch_leave(rt);
}

/* Elements of src and where they go; see lt_move. */
struct lt_pair {
	void *dst;
	const void *src;
	uint64_t count;        /* elements of src */
};
typedef uint32_t lt_token;

/*
 * Starts a move of n pairs, after everything this rank did before; all ranks
 * of the group start the same moves of a lane in the same order.  Between
 * start and finish no src may be changed and no dst touched.  lt_finish
 * returns when every dst is there and every src may be overwritten.  Neither
 * returns when a rank is missing or has failed: the run then ends.
 */
lt_token lt_start(struct lt *, const struct lt_move *, int n,
    const struct lt_pair *);
void lt_finish(struct lt *, lt_token);

/*
 * Starts a copy to or from LT_HOST, after everything this rank did before;
 * until it is finished src may not be changed and dst not touched.  On a CPU
 * both are the same memory, and it is copied at once: LT_TOKEN_DONE.
 */
#define LT_TOKEN_DONE UINT32_MAX
#define LT_TOKEN_HOST (UINT32_C(1) << 31) /* and up: copies of a device */
lt_token lt_host_start(struct lt *, void *dst, const void *src, uint64_t bytes);

/* The indices of a dimension that this rank holds, or, with skew (one number
 * per axis of the layout, in order), the rank whose coordinates are larger by
 * skew, modulo the axes. */
struct lt_runs lt_runs(const struct lt *, const struct lt_layout *,
    const int64_t *skew);

/*
 * One AdamW update of n elements (Loshchilov and Hutter 2019, decoupled decay,
 * bias correction by rt->step): g is scaled by `clip` first.  w16, if not
 * NULL, receives w rounded to bf16.  Split over the pool; bit-identical for
 * any number of threads.
 */
void lt_adamw(struct lt *rt, uint64_t n, float *w, const float *g, float *m,
    float *v, uint16_t *w16, float clip, bool decay);
/*
 * The same for what this rank has of the images of all layers: w, g, m, v are
 * its blocks, layer after layer.  decay: n parts of an image, in order, where
 * weights decay; a block may begin and end anywhere in them.
 */
struct lt_range { /* elements of an image, half open; multiples of 16 */
	uint64_t lo, hi;
};
void lt_adamw_blocks(struct lt *rt, const struct lt_flat *,
    const struct lt_range *decay, int n, float *w, const float *g, float *m,
    float *v, float clip);
/* Sum of squares in a fixed order that does not depend on the threads. */
double lt_sumsq(struct lt *rt, uint64_t n, const float *x);
/* 1 if loss and norm are finite; else marks the step as skipped. */
bool lt_step_ok(struct lt *rt, float loss, float gnorm);

#endif
