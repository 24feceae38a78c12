/*
 * The options of a trainer: one struct, one table (options.def).
 */
#ifndef LT_RUNTIME_MAIN_OPTIONS_H
#define LT_RUNTIME_MAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct lt_program;

typedef bool lt_opt_flag;
typedef const char *lt_opt_text; /* NULL: not given */
typedef int64_t lt_opt_count;
typedef double lt_opt_real;

struct lt_options {
#define GROUP(title)
#define OPT(field, kind, name, arg, lo, hi, help) lt_opt_##kind field;
#include "runtime/main/options.def"
#undef OPT
#undef GROUP
};

/* The defaults: the recipe's, and ours. */
void lt_options_default(struct lt_options *, const struct lt_program *);

/* Overrides them from the command line; strings point into argv.  LT_OK, or
 * the exit code after a message. */
int lt_options_parse(struct lt_options *, int argc, char **argv);

/* What --help prints; o holds the defaults. */
void lt_options_help(FILE *, const char *argv0, const struct lt_program *,
    const struct lt_options *o);

/* The man page, loong-train(1), in mdoc; the same for every program. */
void lt_options_man(FILE *);

#endif
