/*
 * Token files: what is in them and where.  Formats are rows of formats.def.
 *
 * Nothing is believed: every size and offset is checked against the file
 * before use, arrays in files are misaligned and read by copying, and each
 * token is compared with the vocabulary as it is read.
 */
#ifndef LT_RUNTIME_DATA_TOKENS_H
#define LT_RUNTIME_DATA_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/data/map.h"

enum lt_format {
#define FORMAT(id, name, recognise, parse, what) LT_FORMAT_##id,
#include "runtime/data/formats.def"
#undef FORMAT
	LT_FORMATS
};

struct lt_tokens {
	enum lt_format format;
	const char *path;
	struct lt_map data, index; /* index: Megatron only */
	char *names[2];            /* owned: paths that were built */
	const unsigned char *base; /* token 0 (one run), or the whole file */
	unsigned width;            /* bytes of a token: 1, 2, 4 or 8 */
	bool is_signed;
	uint64_t count;
	/* Megatron: sequence i starts at byte start[i] of base and ends
	 * before token end[i] of the whole; NULL: one run at base. */
	uint64_t nrun, *start, *end;
};

/* Opens `path` as the format of that name, or "auto".  LT_OK, or an exit
 * code after a message; then nothing is left open. */
int lt_tokens_open(struct lt_tokens *, const char *path, const char *format);
void lt_tokens_close(struct lt_tokens *);

/* NULL, or what is wrong with data (and index) as this format; fills all
 * but the maps, the path and names.  Free with lt_tokens_close. */
const char *lt_tokens_parse(struct lt_tokens *, enum lt_format,
    const unsigned char *data, uint64_t ndata, const unsigned char *index,
    uint64_t nindex);

/* Tokens at..at+n-1, at + n <= count.  Returns n, or the number of good
 * tokens before one that is not in 0..vocab-1. */
uint64_t lt_tokens_read(const struct lt_tokens *, uint64_t at, uint64_t n,
    int64_t vocab, int32_t *out);

/* The value of one token as it is in the file. */
int64_t lt_tokens_value(const struct lt_tokens *, uint64_t at);

const char *lt_format_name(enum lt_format);

/* The format of that name, or -1. */
int lt_format_find(const char *name);

/* What auto would take the file for; -1 after a message if there is none. */
int lt_format_guess(const char *path);

#endif
