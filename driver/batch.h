/*
 * Made-up input for --run and --verify: parameters, tokens, labels, documents,
 * all functions of a seed.
 */
#ifndef LOONG_DRIVER_BATCH_H
#define LOONG_DRIVER_BATCH_H

#include "ir/interp/interp.h"

struct batch {
	uint64_t count;		 /* elements of each of these, row-major */
	double *tok, *lab, *doc; /* of step: [mb,b,s] */
	uint64_t micro;		 /* elements of one microbatch */
	uint64_t at;		 /* position whose logits are asked for */
	uint64_t vocab;
};

/*
 * Tokens of a made-up language in which the next token mostly follows from
 * the last; every fifth label is ignored, and on a mesh all of the first
 * rank.  False after a reported error: the
 * module has no sizes b and s, or nothing that says what a token may be.
 */
bool batch_make(struct batch *x, struct module *m, uint64_t seed);

/*
 * The arguments of step, eval, logits or model, by the parameters' names;
 * eval, logits and model get the first microbatch.
 */
const double *const *batch_args(
    const struct batch *x, struct module *m, const struct func *f);

/*
 * Field i of bundle b, all layers: values that f32 holds exactly, large enough
 * that every part of the program matters.  n elements to out.
 */
void batch_parameter(const struct bundle *b, int i, uint64_t n, double *out);

/* Sets every parameter of the interpreter so, and copies of them. */
void batch_set_parameters(struct module *m, struct interp *in);

#endif
