/*
 * libFuzzer target: any bytes as a token file of any format.
 *
 *	byte 0     format
 *	byte 1     vocabulary: that many thousands and one
 *	bytes 2-3  length of the index (Megatron), which follows; then data
 *
 * What parses must be readable everywhere, and never give a token outside
 * the vocabulary.  Both files are copied to blocks of their own size, so
 * that a sanitizer sees the first byte read past their end.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/data/formats.h"

enum { SOME = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char *
copy(const uint8_t *from, size_t n)
{
	unsigned char *p = malloc(n ? n : 1);

	if (!p)
		abort();
	memcpy(p, from, n);
	return p;
}

static void
read_at(const struct lt_tokens *t, uint64_t at, int64_t vocab)
{
	uint64_t n = t->count - at < SOME ? t->count - at : SOME;
	int32_t out[SOME];
	uint64_t got = lt_tokens_read(t, at, n, vocab, out);

	if (got > n)
		abort();
	for (uint64_t i = 0; i < got; i++)
		if (out[i] < 0 || out[i] >= vocab ||
		    out[i] != lt_tokens_value(t, at + i))
			abort();
	if (got < n) {
		int64_t bad = lt_tokens_value(t, at + got);

		if (bad >= 0 && bad < vocab)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lt_tokens t = {.data.fd = -1, .index.fd = -1};
	unsigned char *index, *bin;
	int64_t vocab;
	size_t nindex;

	if (size < 4)
		return 0;
	vocab = data[1] * 1000 + 1;
	nindex = (size_t)(data[2] | data[3] << 8);
	if (nindex > size - 4)
		nindex = size - 4;
	index = copy(data + 4, nindex);
	bin = copy(data + 4 + nindex, size - 4 - nindex);
	if (!lt_tokens_parse(&t, (enum lt_format)(data[0] % LT_FORMATS), bin,
	    size - 4 - nindex, index, nindex) && t.count > 0) {
		read_at(&t, 0, vocab);
		read_at(&t, t.count / 2, vocab);
		read_at(&t, t.count - 1, vocab);
	}
	lt_tokens_close(&t);
	free(index);
	free(bin);
	return 0;
}
