/* --why: every collective, who asked for it and what it costs. */
#ifndef LOONG_DRIVER_WHY_H
#define LOONG_DRIVER_WHY_H

#include "passes/pass.h"

/*
 * Runs list up to `stop` (NULL: all of it) and prints a line for each op that
 * sends: the place in the source, the op, the pass that put it there and its
 * reason, bytes a rank sends, how often in a step, and whether that goes
 * between machines.
 */
enum pipeline_result why_print(struct module *m,
    const struct pass *const *list, const char *stop, FILE *out);

#endif
