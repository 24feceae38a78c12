/*
 * ngram FILE FRACTION: loss of a 3-gram model of bytes, in nats a byte, on
 * the last FRACTION of FILE after counting what comes before it.  The same
 * split as the trainers': what they must beat to have learnt more than
 * spelling.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trigram.h"

struct text {
	uint8_t *data;
	size_t n;
};

static int
fail(const char *path, const char *why)
{
	fprintf(stderr, "ngram: %s: %s\n", path, why);
	return 1;
}

/* Reads all of it; errno is set if that fails. */
static struct text
read_file(const char *path)
{
	struct text t = {0};
	long size;
	FILE *f = fopen(path, "rb");

	if (!f)
		return t;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0 && (t.data = malloc(size + 1)))
		t.n = fread(t.data, 1, size, f);
	fclose(f);
	return t;
}

int
main(int argc, char **argv)
{
	struct trigram *m;
	struct text t;
	double fraction;
	size_t held;
	char *end;

	if (argc != 3) {
		fprintf(stderr, "usage: ngram FILE FRACTION\n");
		return 2;
	}
	fraction = strtod(argv[2], &end);
	if (*end || !(fraction > 0 && fraction < 1))
		return fail(argv[2], "not a fraction between 0 and 1");
	t = read_file(argv[1]);
	if (!t.data)
		return fail(argv[1], strerror(errno));
	held = (size_t)(fraction * (double)t.n);
	if (held < 3 || t.n > UINT32_MAX)
		return fail(argv[1], "needs 3 bytes held out, 4 GiB at most");
	m = trigram_train(t.data, t.n - held);
	if (!m)
		return fail(argv[1], "out of memory");
	printf("%.4f\n", trigram_loss(m, t.data + t.n - held, held));
	free(m);
	free(t.data);
	return 0;
}
