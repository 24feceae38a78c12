/* Token files: opening, recognising, reading. */
#include "config.h"

#include "runtime/data/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/formats.h"
#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

/* ---- recognising ---- */

static bool
ends_in(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcmp(s + n - k, suffix) == 0;
}

/* "x", "x.bin" and "x.idx" all mean the pair x.bin, x.idx. */
static char *
megatron_name(const char *path, const char *suffix)
{
	size_t n = strlen(path);
	char *s = malloc(n + 5);

	if (!s)
		return NULL;
	if (ends_in(path, ".bin") || ends_in(path, ".idx"))
		n -= 4;
	memcpy(s, path, n);
	strcpy(s + n, suffix);
	return s;
}

static bool
is_megatron(const char *path, struct lt_bytes data)
{
	char *index = megatron_name(path, ".idx");
	bool there = index && access(index, F_OK) == 0 &&
	    (ends_in(path, ".bin") || ends_in(path, ".idx") || !data.p);

	free(index);
	return there;
}

static bool
is_llmc(const char *path, struct lt_bytes data)
{
	uint64_t magic = data.n >= 8 ? lt_load(data.p, 8) : 0;

	(void)path;
	return magic == (20240520 | UINT64_C(1) << 32) ||
	    magic == (20240801 | UINT64_C(7) << 32);
}

static bool
is_nanogpt(const char *path, struct lt_bytes data)
{
	(void)data;
	return ends_in(path, ".bin");
}

static bool
is_bytes(const char *path, struct lt_bytes data)
{
	(void)path;
	(void)data;
	return true;
}

static const struct {
	const char *name;
	bool (*recognise)(const char *path, struct lt_bytes data);
	lt_parse_fn *parse;
	const char *what;
} formats[] = {
#define FORMAT(id, name, recognise, parse, what) {name, recognise, parse, what},
#include "runtime/data/formats.def"
#undef FORMAT
};

const char *
lt_format_name(enum lt_format f)
{
	return formats[f].what;
}

int
lt_format_find(const char *name)
{
	for (int i = 0; i < LT_FORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return i;
	return -1;
}

int
lt_format_guess(const char *path)
{
	struct lt_map m;
	int f = 0;

	if (access(path, F_OK) != 0 &&
	    is_megatron(path, (struct lt_bytes){0}))
		return LT_FORMAT_MEGATRON;
	if (lt_map_open(&m, path) != LT_OK)
		return -1;
	while (!formats[f].recognise(path, (struct lt_bytes){m.p, m.size}))
		f++;
	lt_map_close(&m);
	return f;
}

/* ---- opening ---- */

const char *
lt_tokens_parse(struct lt_tokens *t, enum lt_format format,
    const unsigned char *data, uint64_t ndata, const unsigned char *index,
    uint64_t nindex)
{
	t->format = format;
	return formats[format].parse(t, (struct lt_bytes){data, ndata},
	    (struct lt_bytes){index, nindex});
}

static int
open_maps(struct lt_tokens *t)
{
	const char *bin = t->path;
	int rc;

	if (t->format == LT_FORMAT_MEGATRON) {
		char *index = megatron_name(t->path, ".idx");

		bin = t->names[0] = megatron_name(t->path, ".bin");
		t->names[1] = index;
		if (!bin || !index)
			return lt_fail(LT_EXIT_FAIL, "no memory");
		rc = lt_map_open(&t->index, index);
		if (rc)
			return rc;
	}
	return lt_map_open(&t->data, bin);
}

int
lt_tokens_open(struct lt_tokens *t, const char *path, const char *format)
{
	int f = lt_format_find(format), rc;
	const char *bad;

	*t = (struct lt_tokens){.path = path, .data.fd = -1, .index.fd = -1};
	if (f < 0 && strcmp(format, "auto") != 0)
		return lt_fail(LT_EXIT_USAGE,
		    "unknown data format '%s'; there are auto, bytes, "
		    "nanogpt, llmc and megatron", format);
	if (f < 0)
		f = lt_format_guess(path);
	if (f < 0)
		return LT_EXIT_DATA;
	t->format = (enum lt_format)f;
	rc = open_maps(t);
	if (!rc) {
		bad = lt_tokens_parse(t, t->format, t->data.p, t->data.size,
		    t->index.p, t->index.size);
		if (bad)
			rc = lt_fail(LT_EXIT_DATA, "%s: %s", path, bad);
	}
	if (rc)
		lt_tokens_close(t);
	return rc;
}

void
lt_tokens_close(struct lt_tokens *t)
{
	lt_map_close(&t->data);
	lt_map_close(&t->index);
	free(t->names[0]);
	free(t->names[1]);
	free(t->start);
	free(t->end);
	*t = (struct lt_tokens){.data.fd = -1, .index.fd = -1};
}

/* ---- reading ---- */

static int64_t
value(const struct lt_tokens *t, const unsigned char *p)
{
	uint64_t v = lt_load(p, t->width);
	unsigned shift = 64 - 8 * t->width;

	if (t->is_signed)
		return (int64_t)(v << shift) >> shift;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* The run that holds token `at`: the first that ends after it. */
static uint64_t
find_run(const struct lt_tokens *t, uint64_t at)
{
	uint64_t lo = 0, hi = t->nrun;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (t->end[mid] > at)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Where token `at` lies; *n is set to how many follow in one piece. */
static const unsigned char *
locate(const struct lt_tokens *t, uint64_t at, uint64_t *n)
{
	uint64_t run, first;

	if (!t->end) {
		*n = t->count - at;
		return t->base + at * t->width;
	}
	run = find_run(t, at);
	first = run ? t->end[run - 1] : 0;
	*n = t->end[run] - at;
	return t->base + t->start[run] + (at - first) * t->width;
}

uint64_t
lt_tokens_read(const struct lt_tokens *t, uint64_t at, uint64_t n,
    int64_t vocab, int32_t *out)
{
	uint64_t done = 0;

	while (done < n) {
		uint64_t here;
		const unsigned char *p = locate(t, at + done, &here);

		for (; here > 0 && done < n; here--, p += t->width) {
			int64_t v = value(t, p);

			if (v < 0 || v >= vocab)
				return done;
			out[done++] = (int32_t)v;
		}
	}
	return n;
}

int64_t
lt_tokens_value(const struct lt_tokens *t, uint64_t at)
{
	uint64_t n;

	return value(t, locate(t, at, &n));
}
