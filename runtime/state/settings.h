/* The recipe as a checkpoint records it: keys and texts. */
#ifndef LT_RUNTIME_STATE_SETTINGS_H
#define LT_RUNTIME_STATE_SETTINGS_H

#include <jansson.h>

#include "runtime/state/error.h"

/* {"lr": "0.0003", ...}; numbers in the fewest digits that read back. */
json_t *lt_settings_json(const struct lt_program *, const struct lt_recipe *);

/*
 * Adds a line to *differs for each setting that must agree and does not, to
 * *note for each that may differ and does.  Unknown keys are left alone.
 */
void lt_settings_compare(const struct lt_program *, const struct lt_recipe *,
    const json_t *saved, struct lt_error *differs, struct lt_error *note);

#endif
