/* Reads golden files and computes the weights and inputs they belong to. */
#define _POSIX_C_SOURCE 200809L
#include "tests/golden/golden.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
fnv1a64(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h;
}

static uint64_t
splitmix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t
draw(const char *name, uint64_t i)
{
	return splitmix64(fnv1a64(name) + i);
}

static double
centred(uint64_t bits)
{
	return (double)(bits >> 40) * 0x1p-24 - 0.5;
}

static bool
is_gain(const char *name)
{
	static const char *const gain[] = { "n1", "n2", "nf", "qn", "kn" };
	const char *dot = strrchr(name, '.');
	const char *last = dot ? dot + 1 : name;

	for (size_t i = 0; i < sizeof(gain) / sizeof(gain[0]); i++)
		if (!strcmp(last, gain[i]))
			return true;
	return false;
}

double
golden_weight(const char *name, uint64_t i)
{
	double x = centred(draw(name, i));

	return is_gain(name) ? 1 + x * 2 * 0.2 : x * 2 * 0.3;
}

void
golden_inputs(size_t b, size_t s, size_t v, int32_t *tok, int32_t *lab,
    int32_t *doc)
{
	for (size_t i = 0; i < b * s; i++) {
		tok[i] = (int32_t)(draw("tok", i) % v);
		lab[i] = draw("ignore", i) % 5 == 0 ?
		    GOLDEN_IGNORE : (int32_t)(draw("lab", i) % v);
		doc[i] = i % s == 0 ?
		    0 : doc[i - 1] + (draw("doc", i) % 3 == 0);
	}
}

/* The next line that is not a comment; false at the end. */
static bool
next(FILE *f, char *line, int size)
{
	do {
		if (!fgets(line, size, f))
			return false;
	} while (line[0] == '#');
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static bool
read_dims(struct golden *g, char *text)
{
	char *save;

	for (char *w = strtok_r(text, " ", &save); w;
	    w = strtok_r(NULL, " ", &save)) {
		if (!strncmp(w, "b=", 2))
			g->b = strtoul(w + 2, NULL, 10);
		else if (!strncmp(w, "s=", 2))
			g->s = strtoul(w + 2, NULL, 10);
		else if (!strncmp(w, "v=", 2))
			g->v = strtoul(w + 2, NULL, 10);
	}
	return g->b && g->s && g->v;
}

/* "NAME all|some DIMS...": *all says which; false if malformed. */
static bool
read_head(struct golden_grad *d, char *text, bool *all)
{
	char *save, *name = strtok_r(text, " ", &save);
	char *what = strtok_r(NULL, " ", &save);

	if (!name || !what || strlen(name) >= sizeof(d->name))
		return false;
	memcpy(d->name, name, strlen(name) + 1);
	*all = !strcmp(what, "all");
	if (!*all && strcmp(what, "some"))
		return false;
	d->size = 1;
	for (char *w; (w = strtok_r(NULL, " ", &save)); d->rank++) {
		if (d->rank == GOLDEN_RANK)
			return false;
		d->shape[d->rank] = strtoul(w, NULL, 10);
		if (d->shape[d->rank] - 1 >= 10000)
			return false;
		d->size *= d->shape[d->rank];
		if (d->size > 1000000)
			return false;
	}
	return d->rank > 0;
}

static bool
read_all(struct golden_grad *d, FILE *f)
{
	char line[256];

	d->count = d->size;
	d->value = calloc(d->count, sizeof(*d->value));
	if (!d->value)
		return false;
	for (size_t i = 0; i < d->count; i++)
		if (!next(f, line, sizeof(line)) ||
		    sscanf(line, "%lf", &d->value[i]) != 1)
			return false;
	return true;
}

static bool
read_some(struct golden_grad *d, FILE *f)
{
	char line[256];

	d->count = 16;
	d->value = calloc(d->count, sizeof(*d->value));
	d->index = calloc(d->count, sizeof(*d->index));
	if (!d->value || !d->index || !next(f, line, sizeof(line)) ||
	    sscanf(line, "%lf %lf %lf", &d->sum, &d->sumsq, &d->probe) != 3)
		return false;
	for (size_t i = 0; i < d->count; i++)
		if (!next(f, line, sizeof(line)) ||
		    sscanf(line, "%zu %lf", &d->index[i],
		    &d->value[i]) != 2 || d->index[i] >= d->size)
			return false;
	return true;
}

static bool
read_grad(struct golden *g, char *text, FILE *f)
{
	struct golden_grad *d = &g->grad[g->ngrad];
	bool all;

	if (g->ngrad == GOLDEN_GRADS)
		return false;
	g->ngrad++;
	return read_head(d, text, &all) &&
	    (all ? read_all(d, f) : read_some(d, f));
}

static bool
read_file(struct golden *g, FILE *f)
{
	char line[256];

	while (next(f, line, sizeof(line))) {
		bool ok = false;

		if (!strncmp(line, "dims ", 5))
			ok = read_dims(g, line + 5);
		else if (!strncmp(line, "count ", 6))
			ok = sscanf(line + 6, "%ld", &g->count) == 1;
		else if (!strncmp(line, "loss ", 5))
			ok = sscanf(line + 5, "%lf", &g->loss) == 1;
		else if (!strncmp(line, "grad ", 5))
			ok = read_grad(g, line + 5, f);
		if (!ok)
			return false;
	}
	return g->b && g->count && g->ngrad;
}

struct golden *
golden_read(const char *path)
{
	struct golden *g = calloc(1, sizeof(*g));
	FILE *f = fopen(path, "r");
	bool ok = g && f && read_file(g, f);

	if (f)
		fclose(f);
	if (ok)
		return g;
	fprintf(stderr, "%s: %s\n", path, f ? "malformed" : "cannot open");
	golden_free(g);
	return NULL;
}

void
golden_free(struct golden *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->ngrad; i++) {
		free(g->grad[i].index);
		free(g->grad[i].value);
	}
	free(g);
}

const struct golden_grad *
golden_find(const struct golden *g, const char *name)
{
	for (size_t i = 0; i < g->ngrad; i++)
		if (!strcmp(g->grad[i].name, name))
			return &g->grad[i];
	return NULL;
}

/* The larger one, and a NaN stays. */
static double
worse(double a, double b)
{
	return isnan(a) || a > b ? a : b;
}

static double
distance_of_sums(const struct golden_grad *want, const double *got)
{
	double sum = 0, sumsq = 0, probe = 0, far;
	char name[80];

	snprintf(name, sizeof(name), "%s:probe", want->name);
	for (size_t i = 0; i < want->size; i++) {
		sum += got[i];
		sumsq += got[i] * got[i];
		probe += got[i] * centred(draw(name, i));
	}
	far = worse(fabs(sum - want->sum), fabs(sumsq - want->sumsq));
	far = worse(far, fabs(probe - want->probe));
	return far / (double)want->size;
}

double
golden_distance(const struct golden_grad *want, const double *got, size_t n)
{
	double far = 0;

	if (n != want->size)
		return INFINITY;
	for (size_t i = 0; i < want->count; i++) {
		size_t at = want->index ? want->index[i] : i;

		far = worse(fabs(got[at] - want->value[i]), far);
	}
	if (want->index)
		far = worse(distance_of_sums(want, got), far);
	return far;
}
