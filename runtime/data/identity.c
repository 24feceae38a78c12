/* A name for the contents of the training data. */
#include "config.h"

#include "runtime/data/identity.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/data/data.h"
#include "runtime/loong_rt.h"
#include "support/rng.h"

enum { BLOCKS = 64, BLOCK = 4096 };

/* Goes on with *h; false at a bad token, with *at there. */
static bool
hash_block(const struct lt_part *p, int64_t vocab, uint64_t n, uint64_t *at,
    uint64_t *h)
{
	int32_t tok[BLOCK];
	uint64_t got = lt_tokens_read(p->tokens, *at, n, vocab, tok);

	for (uint64_t i = 0; i < got; i++)
		*h = lt_mix64(*h ^ (uint64_t)tok[i]);
	*at += got;
	return got == n;
}

/* Block i of the sample; short data are covered without gaps. */
static uint64_t
block_at(uint64_t n, uint64_t i)
{
	return n <= BLOCKS * BLOCK ? i * BLOCK :
	    (n - BLOCK) / (BLOCKS - 1) * i + (n - BLOCK) % (BLOCKS - 1) * i /
	    (BLOCKS - 1);
}

int
lt_data_identify(struct lt_data *d, int64_t vocab)
{
	const struct lt_part *p = &d->train;
	uint64_t n = p->count, h = lt_mix64(n);

	for (uint64_t i = 0; i < BLOCKS && block_at(n, i) < n; i++) {
		uint64_t at = p->first + block_at(n, i);
		uint64_t left = p->first + n - at;

		if (!hash_block(p, vocab, left < BLOCK ? left : BLOCK, &at,
		    &h))
			return lt_data_bad_token(p, at, vocab);
	}
	snprintf(d->id, sizeof d->id, "%" PRIu64 " tokens, hash %016" PRIx64,
	    n, h);
	return LT_OK;
}
