/* Reading a checkpoint directory, believing nothing that does not hash. */
#ifndef LT_RUNTIME_STATE_CHECKPOINT_H
#define LT_RUNTIME_STATE_CHECKPOINT_H

#include "runtime/state/carry.h"
#include "runtime/state/manifest.h"

/* The manifest of the open directory; it must say `step`. */
bool lt_checkpoint_manifest(int dir, int64_t step, struct lt_manifest *m,
    struct lt_error *error);

/*
 * Checks every byte of the files against the manifest; if load is set, the
 * tensors go to the ranks that store them on the way, and each needs its
 * part.
 */
bool lt_checkpoint_read(int dir, const struct lt_manifest *m,
    struct lt_carry *, bool load, struct lt_error *error);

#endif
