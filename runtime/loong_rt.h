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

enum { LT_ABI = 2 };
enum { LT_RANK_MAX = 8, LT_AXES_MAX = 8 };
enum lt_init { LT_INIT_ZEROS, LT_INIT_ONES, LT_INIT_NORMAL, LT_INIT_UNIFORM };
enum lt_arena { LT_STATE, LT_KEEP, LT_ACT, LT_IO, LT_WORK, LT_ARENAS };
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
 * One parameter tensor, stacked over layers where the model repeats: shape[0]
 * is then the number of layers.  Offsets are into the state arena; each
 * points to the local elements, row-major, f32 except `cast` (bf16 copy used
 * by bf16 programs; UINT64_MAX: none; also grad, moment offsets).
 */
struct lt_tensor {
	const char *name;      /* "layer.attn.wq": also the checkpoint's name */
	uint8_t rank;
	uint64_t shape[LT_RANK_MAX];
	uint8_t init;          /* enum lt_init */
	double init_a, init_b; /* normal: std a; uniform: [a, b) */
	bool decay;
	uint64_t count;        /* local elements */
	uint64_t master, grad, moment1, moment2, cast;
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
	int64_t eval_every, eval_batches, save_every, keep_last, log_every;
	int32_t eos;           /* document separator token; -1: none */
	int32_t ignore;        /* label that does not count */
};

struct lt;

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
	int naxis;
	const char *axis[LT_AXES_MAX];
	int axis_size[LT_AXES_MAX];
	int64_t micro;         /* microbatches per step (gradient accumulation) */
	int64_t batch;         /* sequences per microbatch on this rank */
	int64_t seq;           /* tokens per sequence, global */
	int64_t vocab;
	uint64_t parameters;   /* global count */
	double flops_step;     /* model FLOPs of one step (causal counted half) */
	double flops_hardware; /* with recomputation */
	const char *flops_formula;
	uint64_t arena[LT_ARENAS];
	uint64_t (*work)(int threads); /* bytes of LT_WORK; arena[LT_WORK] is 0 */
	uint64_t io_tok, io_lab, io_doc; /* offsets in LT_IO: i32[micro,batch,seq]
	                          each; io_doc UINT64_MAX: not used */
	uint64_t io_logits;    /* f32[batch,vocab] in LT_IO */
	const struct lt_tensor *tensor;
	int ntensor;
	struct lt_recipe recipe;

	/* One optimizer step on the batch in LT_IO; lr, step and the rest in
	 * *rt.  Leaves rt->loss, rt->gnorm; does not update if the loss or the
	 * norm is not finite. */
	void (*step)(struct lt *rt);
	/* Adds the sum of token losses and the number of counted labels of
	 * microbatch 0 in LT_IO to rt->eval_nll, rt->eval_count. */
	void (*eval)(struct lt *rt);
	/* Logits at position rt->at of microbatch 0 into io_logits; NULL: none. */
	void (*logits)(struct lt *rt);
	/* Fills the `cast` copies from the masters (after init and restore). */
	void (*refresh)(struct lt *rt);
};

struct lt_pool;

/* What generated code sees of its rank. */
struct lt {
	const struct lt_program *prog;
	int rank, ranks, coord[LT_AXES_MAX];
	char *arena[LT_ARENAS]; /* 64-byte aligned, zeroed at start */
	struct lt_pool *pool;
	int64_t step;          /* number of this step, from 1 */
	uint64_t seed;         /* of dropout */
	int64_t micro;         /* microbatch at work; set by step */
	double lr;             /* of this step */
	bool training;         /* dropout is active */
	int64_t at;            /* logits: position */
	float loss, gnorm;     /* results of step: mean loss, norm before clip */
	bool skipped;          /* step: not finite, nothing was updated */
	double eval_nll, eval_count;
	struct lt_run *run;    /* everything else the runtime keeps */
};

int lt_main(int argc, char **argv, const struct lt_program *prog);

/*
 * One AdamW update of n elements (Loshchilov and Hutter 2019, decoupled decay,
 * bias correction by rt->step): g is scaled by `clip` first.  w16, if not
 * NULL, receives w rounded to bf16.  Split over the pool; bit-identical for
 * any number of threads.
 */
void lt_adamw(struct lt *rt, uint64_t n, float *w, const float *g, float *m,
    float *v, uint16_t *w16, float clip, bool decay);
/* Sum of squares in a fixed order that does not depend on the threads. */
double lt_sumsq(struct lt *rt, uint64_t n, const float *x);
/* 1 if loss and norm are finite; else marks the step as skipped. */
bool lt_step_ok(struct lt *rt, float loss, float gnorm);

#endif
