/* A name for the contents of the training data. */
#include "config.h"

#include "runtime/data/identity.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/data/data.h"
#include "support/rng.h"

enum { BLOCKS = 64, BLOCK = 4096 };

static uint64_t
hash_block(const struct lt_part *p, uint64_t at, uint64_t n, uint64_t h)
{
	for (uint64_t i = 0; i < n; i++)
		h = lt_mix64(h ^ (uint64_t)lt_tokens_value(p->tokens,
		    p->first + at + i));
	return h;
}

void
lt_data_identify(struct lt_data *d)
{
	const struct lt_part *p = &d->train;
	uint64_t n = p->count, h = lt_mix64(n);

	if (n <= BLOCKS * BLOCK)
		h = hash_block(p, 0, n, h);
	else
		for (uint64_t i = 0; i < BLOCKS; i++)
			h = hash_block(p, (n - BLOCK) * i / (BLOCKS - 1),
			    BLOCK, h);
	snprintf(d->id, sizeof d->id, "%" PRIu64 " tokens, hash %016" PRIx64,
	    n, h);
}
