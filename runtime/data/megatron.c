/*
 * Megatron's indexed datasets: .bin is tokens, .idx says where sequences are.
 *
 *	.idx  0        "MMIDIDX\0\0"
 *	      9        u64 version = 1
 *	     17        u8 dtype
 *	     18        u64 S, sequences
 *	     26        u64 D, document boundaries
 *	     34        i32[S] lengths in tokens
 *	     34 + 4S   i64[S] byte offsets in .bin
 *	     34 + 12S  i64[D] the sequence at which each document starts
 *
 * We train on the sequences in the order of the index.  Nothing here is
 * aligned.
 */
#include "config.h"

#include <stdlib.h>

#include "runtime/data/formats.h"

enum { HEADER = 34 };

/* By dtype code; floats are no tokens. */
static const struct {
	uint8_t width;
	bool is_signed;
} dtypes[] = {
    [1] = {1, false}, [2] = {1, true}, [3] = {2, true}, [4] = {4, true},
    [5] = {8, true}, [8] = {2, false},
};

static const char *
check_header(struct lt_tokens *t, struct lt_bytes index, uint64_t *nseq,
    uint64_t *ndoc)
{
	unsigned code;

	if (index.n < HEADER)
		return "truncated: the .idx file is shorter than its header";
	if (memcmp(index.p, "MMIDIDX\0\0", 9) != 0)
		return "not a Megatron index: wrong magic number in .idx";
	if (lt_load(index.p + 9, 8) != 1)
		return "a Megatron index of an unknown version";
	code = index.p[17];
	if (code >= sizeof dtypes / sizeof *dtypes || !dtypes[code].width)
		return "the .idx file has a type that is not of tokens";
	t->width = dtypes[code].width;
	t->is_signed = dtypes[code].is_signed;
	*nseq = lt_load(index.p + 18, 8);
	*ndoc = lt_load(index.p + 26, 8);
	/* no product below can overflow once these hold */
	if (*nseq > (index.n - HEADER) / 12 ||
	    *ndoc > (index.n - HEADER - 12 * *nseq) / 8)
		return "truncated: the .idx file is shorter than it says";
	return NULL;
}

static const char *
check_documents(const unsigned char *p, uint64_t ndoc, uint64_t nseq)
{
	uint64_t before = 0;

	for (uint64_t i = 0; i < ndoc; i++) {
		uint64_t at = lt_load(p + 8 * i, 8);

		if (at < before || at > nseq)
			return "a document boundary in .idx is out of order";
		before = at;
	}
	return NULL;
}

static const char *
read_runs(struct lt_tokens *t, const unsigned char *p, uint64_t nbin)
{
	const unsigned char *offset = p + 4 * t->nrun;

	for (uint64_t i = 0; i < t->nrun; i++) {
		uint64_t n = lt_load(p + 4 * i, 4);
		uint64_t at = lt_load(offset + 8 * i, 8);

		if (n > INT32_MAX)
			return "a sequence in .idx has a negative length";
		if (at > nbin || n * t->width > nbin - at)
			return "truncated: a sequence of .idx lies outside "
			       ".bin";
		if (i && at < t->start[i - 1])
			return "the sequences in .idx are out of order";
		t->start[i] = at;
		t->count += n; /* below 2^31 times the size of .idx */
		t->end[i] = t->count;
	}
	return NULL;
}

const char *
lt_parse_megatron(struct lt_tokens *t, struct lt_bytes data,
    struct lt_bytes index)
{
	uint64_t ndoc;
	const char *bad = check_header(t, index, &t->nrun, &ndoc);

	if (bad)
		return bad;
	bad = check_documents(index.p + HEADER + 12 * t->nrun, ndoc, t->nrun);
	if (bad)
		return bad;
	t->base = data.p;
	t->start = calloc(t->nrun + 1, sizeof *t->start);
	t->end = calloc(t->nrun + 1, sizeof *t->end);
	if (!t->start || !t->end)
		return "no memory for the index";
	return read_runs(t, index.p + HEADER, data.n);
}
