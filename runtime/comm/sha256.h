/*
 * SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104): how processes that join a
 * run prove that they know its token.
 */
#ifndef LT_RUNTIME_COMM_SHA256_H
#define LT_RUNTIME_COMM_SHA256_H

#include <stdbool.h>
#include <stddef.h>

enum { LT_SHA256 = 32 }; /* bytes of a digest */

void lt_sha256(const void *bytes, size_t n, unsigned char digest[LT_SHA256]);

/* Of n bytes, by a key as long as a digest. */
void lt_hmac(const unsigned char key[LT_SHA256], const void *bytes, size_t n,
    unsigned char mac[LT_SHA256]);

/* Takes as long whether they are the same or not. */
bool lt_digest_same(const unsigned char *, const unsigned char *);

/* 2 * LT_SHA256 lower-case digits and a final zero; and back: false if the
 * text is anything else. */
void lt_digest_text(const unsigned char *, char text[2 * LT_SHA256 + 1]);
bool lt_digest_parse(const char *text, unsigned char digest[LT_SHA256]);

#endif
