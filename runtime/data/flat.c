/* The formats that are one run of tokens: bytes, nanoGPT, llm.c. */
#include "config.h"

#include "runtime/data/formats.h"

const char *
lt_parse_bytes(struct lt_tokens *t, struct lt_bytes data,
    struct lt_bytes index)
{
	(void)index;
	t->base = data.p;
	t->width = 1;
	t->count = data.n;
	return NULL;
}

const char *
lt_parse_nanogpt(struct lt_tokens *t, struct lt_bytes data,
    struct lt_bytes index)
{
	(void)index;
	if (data.n % 2)
		return "truncated: an odd number of bytes for 16-bit tokens";
	t->base = data.p;
	t->width = 2;
	t->count = data.n / 2;
	return NULL;
}

/* 256 words of header: magic, version, number of tokens. */
static const struct {
	uint32_t magic, version;
	unsigned width;
} llmc[] = {
    {20240520, 1, 2}, /* GPT-2's tokens */
    {20240801, 7, 4}, /* Llama 3's */
};

const char *
lt_parse_llmc(struct lt_tokens *t, struct lt_bytes data,
    struct lt_bytes index)
{
	const uint64_t header = 1024;

	(void)index;
	if (data.n < header)
		return "truncated: shorter than an llm.c header";
	for (size_t i = 0; i < sizeof llmc / sizeof *llmc; i++) {
		if (lt_load(data.p, 4) != llmc[i].magic)
			continue;
		if (lt_load(data.p + 4, 4) != llmc[i].version)
			return "an llm.c file of an unknown version";
		t->base = data.p + header;
		t->width = llmc[i].width;
		t->count = lt_load(data.p + 8, 4);
		if (t->count > INT32_MAX)
			return "the llm.c header has a negative token count";
		if (t->count * t->width > data.n - header)
			return "truncated: fewer tokens than the llm.c "
			       "header says";
		if (t->count * t->width < data.n - header)
			return "more tokens than the llm.c header says";
		return NULL;
	}
	return "not an llm.c token file: wrong magic number";
}
