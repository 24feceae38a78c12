#include "config.h"

#include "runtime/comm/sha256.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64, LENGTH = 8 };

struct sha {
	uint32_t h[8];
	unsigned char block[BLOCK];
	size_t fill;
	uint64_t bytes;
};

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
turn(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static uint32_t
word(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static void
spread(const unsigned char *block, uint32_t w[64])
{
	for (int i = 0; i < 16; i++)
		w[i] = word(block + 4 * i);
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		    (turn(a, 7) ^ turn(a, 18) ^ a >> 3) +
		    (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
}

static void
compress(struct sha *s)
{
	uint32_t w[64], v[8];

	spread(s->block, w);
	memcpy(v, s->h, sizeof v);
	for (int i = 0; i < 64; i++) {
		uint32_t a = v[0], e = v[4];
		uint32_t t = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
		    ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
		uint32_t u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
		    ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof *v);
		v[4] += t;
		v[0] = t + u;
	}
	for (int i = 0; i < 8; i++)
		s->h[i] += v[i];
}

static struct sha
begin(void)
{
	return (struct sha){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
	    0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

static void
add(struct sha *s, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	s->bytes += n;
	while (n--) {
		s->block[s->fill++] = *p++;
		if (s->fill == BLOCK) {
			compress(s);
			s->fill = 0;
		}
	}
}

static void
end(struct sha *s, unsigned char digest[LT_SHA256])
{
	uint64_t bits = 8 * s->bytes;
	unsigned char pad[BLOCK + LENGTH] = {0x80};
	size_t n = (s->fill < BLOCK - LENGTH ? BLOCK : 2 * BLOCK) - LENGTH -
	    s->fill;

	for (int i = 0; i < LENGTH; i++)
		pad[n + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
	add(s, pad, n + LENGTH);
	for (int i = 0; i < LT_SHA256; i++)
		digest[i] = (unsigned char)(s->h[i / 4] >> (24 - i % 4 * 8));
}

void
lt_sha256(const void *bytes, size_t n, unsigned char digest[LT_SHA256])
{
	struct sha s = begin();

	add(&s, bytes, n);
	end(&s, digest);
}

void
lt_hmac(const unsigned char key[LT_SHA256], const void *bytes, size_t n,
    unsigned char mac[LT_SHA256])
{
	unsigned char inner[BLOCK], outer[BLOCK];
	struct sha s = begin();

	for (int i = 0; i < BLOCK; i++) {
		unsigned char x = i < LT_SHA256 ? key[i] : 0;

		inner[i] = x ^ 0x36;
		outer[i] = x ^ 0x5c;
	}
	add(&s, inner, BLOCK);
	add(&s, bytes, n);
	end(&s, mac);
	s = begin();
	add(&s, outer, BLOCK);
	add(&s, mac, LT_SHA256);
	end(&s, mac);
}

bool
lt_digest_same(const unsigned char *a, const unsigned char *b)
{
	unsigned differ = 0;

	for (int i = 0; i < LT_SHA256; i++)
		differ |= (unsigned)(a[i] ^ b[i]);
	return differ == 0;
}

void
lt_digest_text(const unsigned char *digest, char text[2 * LT_SHA256 + 1])
{
	for (int i = 0; i < LT_SHA256; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

bool
lt_digest_parse(const char *text, unsigned char digest[LT_SHA256])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 2 * LT_SHA256; i++) {
		const char *at = text[i] ? strchr(digits, text[i]) : NULL;

		if (!at)
			return false;
		digest[i / 2] = (unsigned char)(digest[i / 2] << 4 |
		    (at - digits));
	}
	return text[2 * LT_SHA256] == '\0';
}
