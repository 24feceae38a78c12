/*
 * The language `.lt`: text in, a verified module in stage a out.
 *
 * The module holds one `fn NAME(l:L, ...)` per repeat and `fn model(tok, lab
 * [, doc])`, which returns the sum of the token losses; the settings of the
 * chosen recipe and plan are in it as `recipe.KEY` and `plan.KEY`.
 */
#ifndef LOONG_FRONTEND_FRONTEND_H
#define LOONG_FRONTEND_FRONTEND_H

#include <stdio.h>

#include "ir/ir.h"

struct frontend_options {
	/* Which ones to take where a file has several; NULL: the first. */
	const char *model, *recipe, *plan;
	/* `name=value` from the command line, in order: a dim ("s=512"), or
	 * an entry of the recipe or plan ("recipe.seed=2", "plan.micro=1"). */
	const char *const *set;
	int nset;
	/* `dp=2,hp=2,cp=4,inner=2,place=head_first` or `usp(hp=2,cp=4)`: instead
	 * of the plan's mesh, and of its nodes and gpus; or NULL. */
	const char *mesh;
};

/* The module, in mem; NULL after errors, all reported to d.  Reads d->src. */
struct module *frontend_compile(struct arena *mem, struct diag *d,
    const struct frontend_options *o);

/* The syntax tree of d->src as indented text; errors found. */
int frontend_print_ast(struct arena *mem, struct diag *d, FILE *out);

#endif
