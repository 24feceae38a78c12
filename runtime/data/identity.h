/* What tells one data set from another, without reading all of it. */
#ifndef LT_RUNTIME_DATA_IDENTITY_H
#define LT_RUNTIME_DATA_IDENTITY_H

struct lt_data;

/*
 * Sets d->id to the number of training tokens and a hash of up to 64 blocks
 * of 4096 tokens spread over them, first and last included.  Token values
 * are hashed, so the same tokens in another format are the same data.
 */
void lt_data_identify(struct lt_data *d);

#endif
