/*
 * One test program: a module, the C made of it, and what the interpreter says
 * it computes.
 */
#ifndef LOONG_TESTS_CODEGEN_PROGRAM_H
#define LOONG_TESTS_CODEGEN_PROGRAM_H

#include "passes/pass.h"

enum { STEPS = 3 };

/*
 * A .lir file holds fn step, as after autodiff, with $T for the dtype; a .lt
 * file goes through the whole pipeline.
 */
struct variant {
	const char *file;      /* below tests/ */
	const char *dtype;     /* "f32" or "bf16" */
	uint64_t stretch;      /* seed of other sizes; 0: those of the file */
	const char *recompute; /* .lt: policy */
	const char *micro;     /* .lt: sequences of a microbatch, or NULL */
	bool small;            /* .lt: of other sizes than its own */
	const char *mesh;      /* .lt: for several ranks, and their sizes */
	const char *shard;     /* .lt: axes that share all state, or NULL */
};

struct program {
	struct arena mem;
	struct source src;
	struct diag diag;
	struct module *ref;  /* stage a, with gradients */
	struct module *gen;  /* after the last pass */
	uint64_t tokens;     /* of a step */
	int32_t *tok[STEPS], *lab[STEPS], *doc[STEPS];
	float **init;        /* by parameter field, in order */
	uint64_t *size;
	int nfield;
};

/* What a run says of one step, or of one evaluation. */
struct result {
	double loss, gnorm;
	double **grad, **master, **moment1, **moment2; /* by field */
};
struct results {
	struct result step[STEPS];
	double nll, count;
	double *logits;
	uint64_t nlogits;
};

/* Exits the test on any error. */
struct program *program_load(const struct variant *v);
void program_free(struct program *p);
/* By the interpreter; round: every value as the trainer stores it. */
void program_interpret(struct program *p, bool round, struct results *r);
/* Emits and compiles, for one level of instructions or all. */
void program_compile(struct program *p, const char *exe, bool clones);
/* For GPUs, with kernels in the emulator.  The library kernels' objects,
 * cuda-NAME-HASH.tmp.o, are made once. */
void program_compile_cuda(struct program *p, const char *exe);
void program_run(struct program *p, const char *exe, int threads,
    struct results *r);

#endif
