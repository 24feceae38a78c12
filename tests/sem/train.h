/*
 * A program run in the interpreter as a trainer runs it: fixed weights, fixed
 * inputs, one step; losses and gradients come back as doubles.
 */
#ifndef LOONG_TESTS_TRAIN_H
#define LOONG_TESTS_TRAIN_H

#include "ir/interp/interp.h"
#include "passes/pass.h"

enum { TRAIN_PARAMS = 3 };

struct train {
	struct arena mem;
	struct source src;
	struct diag diag;
	struct module *m;
	struct interp *in;
	double *arg[TRAIN_PARAMS]; /* of step: tok, lab [, doc] */
	uint64_t tokens;           /* elements of each */
	double loss, gnorm;        /* of the last step */
};

/* text through the passes up to stop; false after errors, printed. */
bool train_load(struct train *t, const char *name, const char *text,
    const char *stop);
/* The same with more arguments: on_value and its arg may be set. */
bool train_load_with(struct train *t, const char *name, const char *text,
    const char *stop, const struct interp_options *o);
void train_free(struct train *t);

/* Weights in [-1/2, 1/2) by name and index; norm weights would do too. */
void train_weights(struct train *t);
/* Tokens, labels below `classes`, every fifth label ignored; documents. */
void train_inputs(struct train *t, int classes);
bool train_step(struct train *t);
/* Sum of token losses of microbatch 0 and labels that count. */
bool train_eval(struct train *t, double *nll, double *count);

/* The gradient of a field of parameters b: `n` numbers, in the arena. */
double *train_grad(struct train *t, const struct bundle *b, int field,
    uint64_t *n);
double *train_field(struct train *t, const struct bundle *b, int field,
    uint64_t *n);

/* A text file of the source tree, in mem; NULL if it cannot be read. */
char *train_file(struct arena *mem, const char *path);

#endif
