/* Whether all ranks run the same thing, asked before the first step. */
#ifndef LT_RUNTIME_MAIN_SAME_H
#define LT_RUNTIME_MAIN_SAME_H

#include "runtime/state/facts.h"

/* Collective: compares build, model, recipe, plan, options and data; needs
 * prog, opt, data.  LT_OK, or LT_EXIT_CONFIG after a message that names the
 * ranks that differ. */
int lt_same_check(struct lt *rt);

/* Collective: compares where training stands and, bit by bit, the copies of
 * the state that ranks have in common.  LT_OK, or an exit code after a
 * message. */
int lt_same_state(struct lt *rt);

/* All ranks have failed for the same reason: rank 0 says it, the code is
 * returned. */
int lt_fail_all(struct lt *rt, const struct lt_error *);

#endif
