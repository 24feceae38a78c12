/*
 * How each format is recognised and parsed; used by tokens.c alone.
 */
#ifndef LT_RUNTIME_DATA_FORMATS_H
#define LT_RUNTIME_DATA_FORMATS_H

#include <string.h>

#include "runtime/data/tokens.h"

/* A file in memory. */
struct lt_bytes {
	const unsigned char *p;
	uint64_t n;
};

/* NULL, or what is wrong; sets base, width, is_signed, count and, for a file
 * of many runs, nrun, start, end (malloc). */
typedef const char *lt_parse_fn(struct lt_tokens *, struct lt_bytes data,
    struct lt_bytes index);

#define FORMAT(id, name, recognise, parse, what) lt_parse_fn parse;
#include "runtime/data/formats.def"
#undef FORMAT

/* Little-endian loads from any address (the targets are little-endian). */
static inline uint64_t
lt_load(const unsigned char *p, unsigned width)
{
	uint64_t v = 0;

	memcpy(&v, p, width);
	return v;
}

#endif
