/* Bugs on purpose: mutations of modules, and what finds them. */
#ifndef LOONG_TESTS_MUTATE_H
#define LOONG_TESTS_MUTATE_H

#include "ir/trace.h"

/* One place of a module that a mutation may want. */
struct mut {
	struct module *m;
	struct func *f;
	struct region *r; /* r->op[at] is looked at */
	int at;
	int left; /* candidates to pass before it is done */
	const char *where;
};

/* True if op was a candidate and was changed. */
typedef bool mutation(struct mut *x, struct op *op);

/* True if a candidate is the one; then where says what it is. */
bool mut_here(struct mut *x, const struct op *op);
/* Walks the module; false if it has fewer than site + 1 candidates. */
bool mut_apply(struct module *m, mutation *fn, int site, const char **where);

/* What mutations are made of. */
bool mut_comm(const struct op *op); /* a collective; wait is none */
bool mut_value(const struct op *op, int i); /* operand i is a typed value */
bool mut_reads(const struct op *op, const struct op *maker);
void mut_remove(struct mut *x); /* the op looked at, whatever reads it */
void mut_bypass(struct mut *x, struct op *op); /* operands for results */

#define MUT(subject, pass, fn, sites, by, what) mutation fn;
#include "tests/mutate/mutants.def"

/* One rank's trace; false if there is no such site. */
typedef bool trace_mutation(struct module *m, struct trace *t, int site,
    const char **where);
#define TMUT(fn, sites, what) trace_mutation fn;
#include "tests/mutate/mutants.def"

#endif
