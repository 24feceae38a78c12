/*
 * What a run trains on and is judged by.
 *
 * Training data are cut into windows of seq + 1 tokens that share their end
 * tokens: window w of an epoch starts at shift + w * seq, its first seq
 * tokens are the input and its last seq the labels.  Each epoch visits all
 * windows in its own order (order.h).  Sample number i of a run is window
 * i mod W of epoch i div W, whatever the batch or the ranks.
 *
 * Held-out data are a second file, or the tail of the first; evaluation
 * always reads the same windows, spread evenly.
 */
#ifndef LT_RUNTIME_DATA_DATA_H
#define LT_RUNTIME_DATA_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/data/tokens.h"

struct lt;
struct lt_program;

/* Tokens first..first+count-1 of a file. */
struct lt_part {
	const struct lt_tokens *tokens;
	uint64_t first, count;
};

struct lt_data {
	struct lt_tokens file, val_file;
	struct lt_part train, val; /* val.count 0: nothing held out */
	uint64_t windows, slack;   /* of train: per epoch, and for the shift */
	uint64_t val_windows;
	int64_t val_batches;       /* microbatches of an evaluation */
	uint64_t seed;
	char id[96];               /* contents: count of tokens and a hash */
};

/* Tokens of a sequence that come from the data: the program's sequences may be
 * longer, and end in labels that do not count. */
int64_t lt_data_seq(const struct lt_program *);
/* Tokens of a step. */
int64_t lt_data_step(const struct lt_program *);

/* Opens what the recipe of prog (after options) names.  LT_OK, or an exit
 * code after a message. */
int lt_data_open(struct lt_data *, const struct lt_program *prog);
void lt_data_close(struct lt_data *);

/* Fills this rank's tokens, labels and documents in LT_IO for one step, from
 * sample number `sample` on: the step's data do not depend on the ranks.  LT_OK, or LT_EXIT_DATA after a message. */
int lt_data_load(const struct lt_data *, struct lt *, uint64_t sample);

/* The same for batch 0..val_batches-1 of an evaluation, as microbatch 0. */
int lt_data_load_val(const struct lt_data *, struct lt *, int64_t batch);

/* The message about token `at` of the file; LT_EXIT_DATA. */
int lt_data_bad_token(const struct lt_part *, uint64_t at, int64_t vocab);

#endif
