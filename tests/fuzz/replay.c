/*
 * A fuzz target as an ordinary test, with any compiler: its seeds as they
 * are, then each of them broken in ROUNDS ways that are the same on every
 * run.  SEEDS are patterns of file names below the source tree, separated by
 * blanks.  What to find is a crash, or what a sanitizer says; libFuzzer looks
 * longer and cleverer (tests/fuzz/smoke).
 */
#include "config.h"

#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/rng.h"

enum { ROUNDS = 100, EDITS = 4, SPAN = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	uint8_t *data; /* room for SPAN bytes more per edit */
	size_t n;
};

static uint64_t draws;

static uint64_t
draw(uint64_t below)
{
	return lt_rng_u64(1, 2, draws++) % below;
}

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "replay: %s: %s\n", what, why);
	exit(99);
}

static struct text
read_file(const char *path)
{
	enum { MOST = 1 << 20 };
	struct text t = {malloc(MOST + EDITS * SPAN), 0};
	FILE *f = fopen(path, "rb");

	if (!f || !t.data)
		fail(path, "cannot be read");
	t.n = fread(t.data, 1, MOST, f);
	if (t.n == MOST)
		fail(path, "too long for a seed");
	fclose(f);
	return t;
}

static void
overwrite(struct text *t, size_t at, size_t len)
{
	(void)len;
	t->data[at] = (uint8_t)draw(256);
}

static void
flip(struct text *t, size_t at, size_t len)
{
	(void)len;
	t->data[at] ^= (uint8_t)(1u << draw(8));
}

static void
remove_span(struct text *t, size_t at, size_t len)
{
	memmove(t->data + at, t->data + at + len, t->n - at - len);
	t->n -= len;
}

static void
repeat_span(struct text *t, size_t at, size_t len)
{
	memmove(t->data + at + len, t->data + at, t->n - at);
	t->n += len;
}

static void
copy_span(struct text *t, size_t at, size_t len)
{
	memmove(t->data + at, t->data + draw(t->n - len + 1), len);
}

static void
cut(struct text *t, size_t at, size_t len)
{
	(void)len;
	t->n = at;
}

static void (*const edits[])(struct text *, size_t at, size_t len) = {
	overwrite, flip, remove_span, repeat_span, copy_span, cut,
};

/* One to EDITS edits; cutting the rest off is rare, as it ends them. */
static void
mutate(struct text *t)
{
	for (uint64_t k = draw(EDITS) + 1; k > 0 && t->n > 0; k--) {
		size_t at = draw(t->n), len = 1 + draw(SPAN);
		uint64_t which = draw(5 * 8 + 1) / 8;

		edits[which](t, at, len < t->n - at ? len : t->n - at);
	}
}

/* A copy of its own size, so that a sanitizer sees reads past the end. */
static void
run(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		fail("input", "no memory");
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void
replay(const char *path)
{
	struct text seed = read_file(path), t = read_file(path);

	run(seed.data, seed.n);
	for (int i = 0; i < ROUNDS; i++) {
		memcpy(t.data, seed.data, seed.n);
		t.n = seed.n;
		mutate(&t);
		run(t.data, t.n);
	}
	free(seed.data);
	free(t.data);
}

static size_t
replay_pattern(const char *dir, const char *pattern)
{
	char path[4096];
	glob_t g;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, pattern);
	if (glob(path, 0, NULL, &g) != 0)
		fail(path, "no such seed");
	for (size_t i = 0; i < g.gl_pathc; i++)
		replay(g.gl_pathv[i]);
	n = g.gl_pathc;
	globfree(&g);
	return n;
}

int
main(void)
{
	static char seeds[] = SEEDS;
	const char *dir = getenv("srcdir");
	size_t n = 0;

	run((const uint8_t *)"", 0);
	for (char *p = strtok(seeds, " "); p; p = strtok(NULL, " "))
		n += replay_pattern(dir ? dir : ".", p);
	printf("%zu seeds, %d changes each\n", n, ROUNDS);
	return 0;
}
