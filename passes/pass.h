/* A pass rewrites a module in place and says so in one descriptor. */
#ifndef LOONG_PASSES_PASS_H
#define LOONG_PASSES_PASS_H

#include "ir/ir.h"

struct pass {
	const char *name;
	const char *summary;
	int (*run)(struct module *m); /* errors reported to m->diag */
};

struct pipeline_options {
	const char *stop_after;  /* the last pass to run, or NULL */
	const char *print_after; /* dump after this pass; "all"; or NULL */
	bool times;              /* milliseconds of each pass, on stderr */
	FILE *dump;
};

/* By name, or NULL; the i-th of the pipeline, or NULL past the end. */
const struct pass *pass_find(const char *name);
const struct pass *pass_at(int i);

/*
 * Runs the passes that come after m->after, verifying the module after each.
 * Returns errors; a pass that breaks the module is an internal error that
 * names the pass.
 */
int pipeline_run(struct module *m, const struct pipeline_options *o);

#endif
