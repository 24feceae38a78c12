/*
 * A Feistel network is a permutation of 2^2b values whatever its round
 * function is (Luby and Rackoff 1988); the smallest such domain that holds n
 * has less than 4n values, and walking the cycle until the value is below n
 * gives a permutation of n (Black and Rogaway 2002, "Ciphers with arbitrary
 * finite domains").  Eight rounds: the halves are short for small n.
 */
#include "config.h"

#include "runtime/data/order.h"

#include "support/rng.h"

enum { ROUNDS = 8 };

static uint64_t
feistel(uint64_t key, unsigned bits, uint64_t x)
{
	uint64_t mask = (UINT64_C(1) << bits) - 1;
	uint64_t l = x >> bits, r = x & mask;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t f = lt_mix64(key + (r << 4 | i));
		uint64_t t = l ^ (f & mask);

		l = r;
		r = t;
	}
	return l << bits | r;
}

static uint64_t
key_of(uint64_t seed, uint64_t epoch)
{
	return lt_rng_u64(seed, lt_fnv1a64("data order"), epoch);
}

uint64_t
lt_order_permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t k)
{
	uint64_t key = key_of(seed, epoch);
	unsigned bits = 1;

	while (bits < 24 && (UINT64_C(1) << 2 * bits) < n)
		bits++;
	do
		k = feistel(key, bits, k);
	while (k >= n);
	return k;
}

uint64_t
lt_order_shift(uint64_t seed, uint64_t epoch, uint64_t slack)
{
	/* slack is below 2^40, so the bias of the remainder is below 2^-24 */
	return lt_rng_u64(seed, lt_fnv1a64("data shift"), epoch) %
	    (slack + 1);
}
