/*
 * A 3-gram model of bytes: what counting alone learns from a text.
 *
 * Interpolated Witten-Bell: a context that was seen n times before t distinct
 * bytes gives the next shorter context the weight t / (n + t).  Below the
 * single byte lies 1/256, so every byte of any text has a probability.
 */
#ifndef LOONG_TRIGRAM_H
#define LOONG_TRIGRAM_H

#include <stddef.h>
#include <stdint.h>

struct trigram {
	uint32_t n3[256][256][256]; /* times a, b, c came in a row */
	uint32_t n2[256][256], n1[256];
	uint32_t total2[256][256], total1[256], total; /* of the rows above */
	uint16_t kinds2[256][256], kinds1[256], kinds; /* entries not zero */
};

/* Counts a text of fewer than 2^32 bytes; NULL: no memory.  The caller frees. */
struct trigram *trigram_train(const uint8_t *text, size_t n);
/* Probability of c after a, b; over all c they sum to 1. */
double trigram_probability(
    const struct trigram *m, uint8_t a, uint8_t b, uint8_t c);
/* Mean of -ln probability over text[2..n), in nats a byte; n > 2. */
double trigram_loss(const struct trigram *m, const uint8_t *text, size_t n);

#endif
