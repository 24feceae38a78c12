/*
 * What all ranks must have in common before the first step: the most common
 * cause of a hang or of a wrong result is a rank that runs something else.
 */
#ifndef LT_RUNTIME_STATE_FACTS_H
#define LT_RUNTIME_STATE_FACTS_H

#include "runtime/state/error.h"

struct lt_fact {
	const char *name; /* "data" */
	const char *text; /* of lines; a message shows the first that differs */
};

enum { LT_FACTS_MAX = 16 };

/*
 * Collective, n facts in the same order everywhere.  False on all ranks if
 * one differs: *error has a line for each rank that is not as most are (as
 * rank 0 is, if it is even) with both texts; the code is LT_EXIT_CONFIG.
 */
bool lt_facts_agree(struct lt *rt, const struct lt_fact *, int n,
    struct lt_error *error);

#endif
