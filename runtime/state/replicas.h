/*
 * Ranks that store the same block hold the same bytes: sums between ranks are
 * done in a fixed order, so a difference is a fault of the hardware or of the
 * program, and must not be trained on or saved unseen.
 */
#ifndef LT_RUNTIME_STATE_REPLICAS_H
#define LT_RUNTIME_STATE_REPLICAS_H

#include "runtime/state/parts.h"

/* Collective: compares hashes of what every rank stores of each part.  False
 * on all ranks: *error names the tensor and the ranks. */
bool lt_replicas_agree(struct lt *rt, const struct lt_parts *,
    struct lt_error *error);

#endif
