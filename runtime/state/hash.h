/*
 * XXH3-128 digests, as 32 lower-case hex digits most significant first
 * (xxhsum -H2 prints the same).  They find accidents, not attackers.
 */
#ifndef LT_RUNTIME_STATE_HASH_H
#define LT_RUNTIME_STATE_HASH_H

#include <stddef.h>

struct lt_digest {
	char hex[33];
};

struct lt_digest lt_hash(const void *bytes, size_t n);

/* The same in pieces; NULL: no memory. */
struct lt_hasher;
struct lt_hasher *lt_hasher_new(void);
void lt_hasher_reset(struct lt_hasher *);
void lt_hasher_add(struct lt_hasher *, const void *bytes, size_t n);
struct lt_digest lt_hasher_end(const struct lt_hasher *);
void lt_hasher_free(struct lt_hasher *);

#endif
