/* A golden model, compiled, with the weights and inputs PyTorch had. */
#ifndef LOONG_TESTS_LT_EXAMPLE_H
#define LOONG_TESTS_LT_EXAMPLE_H

#include "ir/interp/interp.h"
#include "tests/golden/golden.h"
#include "tests/lt/load.h"

enum { EXAMPLES = 6 };
extern const char *const example_name[EXAMPLES];

struct example {
	struct load l;
	struct golden *g;
	struct module *m;
	const double *arg[3]; /* tok, lab, doc */
};

/* Aborts the test if something is missing. */
void example_open(struct example *x, const char *name,
    const struct frontend_options *o);
void example_close(struct example *x);
/* The parameters of m. */
void example_weights(const struct module *m, struct interp *in,
    struct arena *mem);

#endif
