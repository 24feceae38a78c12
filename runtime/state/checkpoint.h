/* Reading a checkpoint directory, believing nothing that does not hash. */
#ifndef LT_RUNTIME_STATE_CHECKPOINT_H
#define LT_RUNTIME_STATE_CHECKPOINT_H

#include "runtime/state/manifest.h"

/* The manifest of the open directory; it must say `step`. */
bool lt_checkpoint_manifest(int dir, int64_t step, struct lt_manifest *m,
    struct lt_error *error);

/*
 * Checks every byte of the files against the manifest, and reads the tensors
 * into the parts unless parts is NULL; each tensor then needs its part.
 */
bool lt_checkpoint_read(int dir, const struct lt_manifest *m,
    const struct lt_parts *parts, struct lt_error *error);

#endif
