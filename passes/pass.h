/*
 * A pass rewrites the module in place and says what it is in one descriptor;
 * passes.def is their order.  The pipeline verifies after every pass, so a
 * pass may rely on a verified module and must leave one.
 */
#ifndef LOONG_PASSES_PASS_H
#define LOONG_PASSES_PASS_H

#include "ir/ir.h"

struct pass {
	const char *name;
	const char *summary; /* one line for --help and the manual */
	char leaves;         /* stage of the module afterwards; 0: as before */
	int (*run)(struct module *m); /* errors, reported to m->diag */
};

struct pipeline_options {
	const char *stop;  /* name of the last pass to run; "read": none */
	const char *print; /* print the module after this pass; "all" */
	FILE *out;         /* where it is printed */
	FILE *times;       /* milliseconds of every pass; NULL: not wanted */
	/* Called with every verified module, the first one included. */
	void (*watch)(struct module *m, const char *after, void *arg);
	void *arg;
};

enum pipeline_result {
	PIPELINE_OK,
	PIPELINE_ERRORS, /* the program is wrong; reported */
	PIPELINE_BROKEN  /* a pass left a wrong module; reported */
};

extern const struct pass *const pipeline[]; /* in order, NULL at the end */

/* The pass called name in list, or NULL. */
const struct pass *pass_find(const struct pass *const *list, const char *name);

/*
 * Runs the passes of list that come after the one named by m->after, up to
 * o->stop.  m->after and m->stage follow.
 */
enum pipeline_result pipeline_run(const struct pass *const *list,
    struct module *m, const struct pipeline_options *o);

#endif
