/* One outcome for all ranks. */
#ifndef LT_RUNTIME_STATE_AGREE_H
#define LT_RUNTIME_STATE_AGREE_H

#include "runtime/state/error.h"

/* Collective: true if all ranks say so; else false, with the error of the
 * lowest rank that does not, which it names. */
bool lt_error_agree(struct lt *rt, bool mine, struct lt_error *error);

/* Collective: what rank 0 says, its error included. */
bool lt_error_share(struct lt *rt, bool ok, struct lt_error *error);

#endif
