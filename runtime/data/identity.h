/* What tells one data set from another, without reading all of it. */
#ifndef LT_RUNTIME_DATA_IDENTITY_H
#define LT_RUNTIME_DATA_IDENTITY_H

#include <stdint.h>

struct lt_data;

/*
 * Reads part of the training data (all of it, if it is short), so that bad
 * tokens there are found before anything is written: LT_OK, or LT_EXIT_DATA
 * after a message.  Sets d->id to the number of training tokens and a hash of up to 64 blocks
 * of 4096 tokens spread over them, first and last included.  Token values
 * are hashed, so the same tokens in another format are the same data.
 */
int lt_data_identify(struct lt_data *d, int64_t vocab);

#endif
