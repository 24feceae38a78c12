/*
 * Golden losses and gradients: the formula of README.md for weights and
 * inputs, and a comparison of gradients with what a file holds.
 */
#ifndef LOONG_TESTS_GOLDEN_H
#define LOONG_TESTS_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

enum { GOLDEN_RANK = 8, GOLDEN_GRADS = 32, GOLDEN_IGNORE = -100 };

/* One gradient.  `index` is NULL if all of its elements are in `value`. */
struct golden_grad {
	char name[64];
	int rank;
	size_t shape[GOLDEN_RANK];
	size_t size;            /* elements of the tensor */
	size_t count;           /* of value and index */
	size_t *index;
	double *value;
	double sum, sumsq, probe;
};

struct golden {
	size_t b, s, v;         /* from the line of dims */
	long count;             /* labels that count */
	double loss;            /* sum of their losses / count */
	size_t ngrad;
	struct golden_grad grad[GOLDEN_GRADS];
};

/* Element i of the parameter called name, "layer.attn.wq". */
double golden_weight(const char *name, uint64_t i);

/* tok, lab and doc, n = b * s elements each, row-major. */
void golden_inputs(size_t b, size_t s, size_t v, int32_t *tok, int32_t *lab,
    int32_t *doc);

/* NULL, with a line on stderr, if the file is missing or malformed. */
struct golden *golden_read(const char *path);
void golden_free(struct golden *g);

const struct golden_grad *golden_find(const struct golden *g,
    const char *name);

/*
 * Largest absolute difference between the n computed elements and what the
 * file holds of them, sums divided by n; INFINITY if the sizes differ.
 */
double golden_distance(const struct golden_grad *want, const double *got,
    size_t n);

#endif
