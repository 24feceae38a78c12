/* XXH3-128, compiled in: the packaged library is built for size. */
#define XXH_INLINE_ALL
#include "runtime/state/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

struct lt_hasher {
	XXH3_state_t state;
};

static struct lt_digest
digest(XXH128_hash_t h)
{
	struct lt_digest d;

	snprintf(d.hex, sizeof d.hex, "%016" PRIx64 "%016" PRIx64,
	    (uint64_t)h.high64, (uint64_t)h.low64);
	return d;
}

struct lt_digest
lt_hash(const void *bytes, size_t n)
{
	return digest(XXH3_128bits(bytes, n));
}

struct lt_hasher *
lt_hasher_new(void)
{
	size_t n = (sizeof(struct lt_hasher) + 63) / 64 * 64;
	struct lt_hasher *h = aligned_alloc(64, n);

	if (h != NULL)
		lt_hasher_reset(h);
	return h;
}

void
lt_hasher_reset(struct lt_hasher *h)
{
	XXH3_INITSTATE(&h->state);
	XXH3_128bits_reset(&h->state);
}

void
lt_hasher_add(struct lt_hasher *h, const void *bytes, size_t n)
{
	XXH3_128bits_update(&h->state, bytes, n);
}

struct lt_digest
lt_hasher_end(const struct lt_hasher *h)
{
	return digest(XXH3_128bits_digest(&h->state));
}

void
lt_hasher_free(struct lt_hasher *h)
{
	free(h);
}
