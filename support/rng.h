/*
 * Random numbers without state: value number `counter` of a stream.
 *
 * Initial weights and dropout masks are functions of the seed and a global
 * index, so they do not depend on ranks, threads or the order of work.  The
 * generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", 2011): ten rounds of multiply and xor turn
 * key = seed and the 128-bit counter (block, stream) into 128 random bits.
 *
 * Self-contained: the runtime and the compiler's interpreter share this file,
 * so that a trainer and its reference draw the same numbers.
 */
#ifndef LOONG_RNG_H
#define LOONG_RNG_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Block `block` of a stream: four independent 32-bit words. */
static inline void
lt_rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4])
{
	uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
	uint32_t a = (uint32_t)block, b = (uint32_t)(block >> 32);
	uint32_t c = (uint32_t)stream, d = (uint32_t)(stream >> 32);

	for (int i = 0; i < 10; i++) {
		uint64_t p = (uint64_t)a * 0xd2511f53u;
		uint64_t q = (uint64_t)c * 0xcd9e8d57u;

		a = (uint32_t)(q >> 32) ^ b ^ k0;
		b = (uint32_t)q;
		c = (uint32_t)(p >> 32) ^ d ^ k1;
		d = (uint32_t)p;
		k0 += 0x9e3779b9u;
		k1 += 0xbb67ae85u;
	}
	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

/* Two 64-bit values per block. */
static inline uint64_t
lt_rng_u64(uint64_t seed, uint64_t stream, uint64_t counter)
{
	uint32_t w[4];
	int at = (int)(counter & 1) * 2;

	lt_rng_block(seed, stream, counter >> 1, w);
	return (uint64_t)w[at + 1] << 32 | w[at];
}

/* The top 53 bits, in [0, 1). */
static inline double
lt_rng_unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

static inline double
lt_rng_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
	return lt_rng_unit(lt_rng_u64(seed, stream, counter));
}

/* Box and Muller: counters 2i and 2i + 1 share a block, and a radius. */
static inline double
lt_rng_normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
	uint32_t w[4];
	double r, t;

	lt_rng_block(seed, stream, counter >> 1, w);
	r = sqrt(-2 * log(1 - lt_rng_unit((uint64_t)w[1] << 32 | w[0])));
	t = 6.283185307179586476925 *
	    lt_rng_unit((uint64_t)w[3] << 32 | w[2]);
	return r * (counter & 1 ? sin(t) : cos(t));
}

/* 64-bit FNV-1a of a name: the stream of a tensor's initial values. */
static inline uint64_t
lt_fnv1a64(const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return h;
}

/* The finalizer of splitmix64: a bijection that mixes all bits. */
static inline uint64_t
lt_mix64(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/*
 * Dropout.  A site is the op's key plus the layer; an element's index is
 * global, counted with the microbatch as the outermost dimension.  One block
 * serves four elements; an element lives if its word is below the threshold.
 */
static inline uint64_t
lt_dropout_stream(int64_t step, int64_t site)
{
	return lt_mix64(lt_mix64((uint64_t)step + 0x9e3779b97f4a7c15u) +
	    (uint64_t)site);
}

static inline uint64_t
lt_dropout_threshold(double rate) /* of 2^32: words that live */
{
	return (uint64_t)((1 - rate) * 0x1p32 + 0.5);
}

static inline bool
lt_dropout_keeps(uint64_t seed, uint64_t stream, uint64_t index,
    uint64_t threshold)
{
	uint32_t w[4];

	lt_rng_block(seed, stream, index >> 2, w);
	return w[index & 3] < threshold;
}

#endif
