/* --run: a few steps in the interpreter. */
#ifndef LOONG_DRIVER_RUN_H
#define LOONG_DRIVER_RUN_H

#include "ir/ir.h"

/*
 * Trains from the trainer's initial values on one made-up batch and prints
 * step, loss and gradient norm.  The module has fn step and fits an
 * interpreter; false after errors reported to m->diag.
 */
bool run_module(struct module *m, FILE *out);

/* Can an interpreter do a step of a module with fn step in seconds? */
bool run_is_small(struct module *m);

#endif
