/*
 * Parameters of tests/train/exact.lt that make its sums exact.
 *
 * Feature 0 of a token is 1 and stays 1: no layer writes it.  A logit is 128
 * times (128 times a sum of other features, plus the class), so the largest
 * stands 128 or more above all others, whose share of the softmax is 0 in f32.
 * Queries are 0, so that a token's weight for itself is exp(0).  An output of
 * another matrix adds up about three inputs, with signs.
 */
#ifndef LOONG_TESTS_INTEGERS_H
#define LOONG_TESTS_INTEGERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { INTEGERS_FEATURES = 16, INTEGERS_CLASSES = 128, INTEGERS_GAP = 128 };

/* A number for this element: the same on every machine. */
static inline uint32_t
integers_draw(uint64_t seed, const char *field, uint64_t i)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u;

	while (*field)
		x = (x ^ (unsigned char)*field++) * 0x100000001b3u;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(x >> 32);
}

/* -1 or 1 for one of n, else 0. */
static inline int
integers_sparse(uint32_t r, uint32_t n)
{
	return r % n ? 0 : r / n % 2 ? 1 : -1;
}

/* Element i of all layers of a field. */
static inline int
integers_element(uint64_t seed, const char *field, uint64_t i)
{
	uint32_t r = integers_draw(seed, field, i);
	bool writes = strcmp(field, "wo") == 0 || strcmp(field, "w2") == 0;

	if (strcmp(field, "wq") == 0)
		return 0;
	if (strcmp(field, "emb") == 0)
		return i % INTEGERS_FEATURES ? (int)(r % 5) - 2 : 1;
	if (strcmp(field, "head") == 0)
		return INTEGERS_GAP * (i < INTEGERS_CLASSES ? (int)i :
		    INTEGERS_CLASSES * integers_sparse(r, 4));
	if (writes && i % INTEGERS_FEATURES == 0)
		return 0;
	return integers_sparse(r, !writes ? 5 :
	    strcmp(field, "wo") == 0 ? 24 : 8);
}

#endif
