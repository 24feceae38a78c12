/* A longest common subsequence of lines, by the book. */
#include "config.h"

#include "driver/diff.h"

#include <stdlib.h>
#include <string.h>

enum { AROUND = 2 };

struct text {
	char **line;
	int n;
};

struct edit { /* lines of both, in order; kind ' ', '-' or '+' */
	char kind;
	const char *line;
};

static void *
need(void *p)
{
	if (!p)
		abort();
	return p;
}

void
diff_watch(struct module *m, const char *after, void *arg)
{
	struct diff *d = arg;
	size_t len;
	FILE *f;

	(void)after;
	free(d->before);
	d->before = d->after;
	d->after = NULL;
	f = need(open_memstream(&d->after, &len));
	module_print(m, &(struct print_options){.apart = true}, f);
	fclose(f);
}

/* Cuts the text into lines, in place. */
static struct text
cut(char *s)
{
	struct text t = {NULL, 0};
	int n = 1;

	for (const char *p = s; *p; p++)
		n += *p == '\n';
	t.line = need(calloc((size_t)n, sizeof *t.line));
	for (char *p = strtok(s, "\n"); p; p = strtok(NULL, "\n"))
		t.line[t.n++] = p;
	return t;
}

/* length[i * (b.n + 1) + j]: of what is common behind lines i and j. */
static uint16_t *
common(const struct text *a, const struct text *b)
{
	size_t wide = (size_t)b->n + 1;
	uint16_t *l = need(calloc(((size_t)a->n + 1) * wide, sizeof *l));

	for (int i = a->n - 1; i >= 0; i--)
		for (int j = b->n - 1; j >= 0; j--) {
			uint16_t *at = &l[(size_t)i * wide + (size_t)j];

			if (strcmp(a->line[i], b->line[j]) == 0)
				*at = (uint16_t)(at[wide + 1] + 1);
			else
				*at = at[wide] > at[1] ? at[wide] : at[1];
		}
	return l;
}

static struct edit *
edits(const struct text *a, const struct text *b, int *n)
{
	uint16_t *l = common(a, b);
	size_t wide = (size_t)b->n + 1;
	struct edit *e = need(calloc((size_t)(a->n + b->n) + 1, sizeof *e));
	int i = 0, j = 0;

	while (i < a->n || j < b->n) {
		const uint16_t *at = &l[(size_t)i * wide + (size_t)j];

		if (i < a->n && j < b->n &&
		    strcmp(a->line[i], b->line[j]) == 0) {
			e[(*n)++] = (struct edit){' ', a->line[i++]};
			j++;
		} else if (i < a->n && (j == b->n || at[wide] >= at[1])) {
			e[(*n)++] = (struct edit){'-', a->line[i++]};
		} else {
			e[(*n)++] = (struct edit){'+', b->line[j++]};
		}
	}
	free(l);
	return e;
}

static bool
near_change(const struct edit *e, int n, int at)
{
	for (int i = at - AROUND; i <= at + AROUND; i++)
		if (i >= 0 && i < n && e[i].kind != ' ')
			return true;
	return false;
}

static void
put_edits(const struct edit *e, int n, FILE *out)
{
	const char *where = "header";
	int last = -2;

	for (int i = 0; i < n; i++) {
		if (strncmp(e[i].line, "fn ", 3) == 0)
			where = e[i].line;
		if (!near_change(e, n, i))
			continue;
		if (i != last + 1)
			fprintf(out, "@@ %.*s\n", (int)strcspn(where, "("),
			    where);
		fprintf(out, "%c%s\n", e[i].kind, e[i].line);
		last = i;
	}
}

void
diff_print(const struct diff *d, FILE *out)
{
	char *before = need(strdup(d->before ? d->before : ""));
	char *after = need(strdup(d->after ? d->after : ""));
	struct text a = cut(before), b = cut(after);
	int n = 0;
	struct edit *e = edits(&a, &b, &n);

	put_edits(e, n, out);
	free(e);
	free(a.line);
	free(b.line);
	free(before);
	free(after);
}

void
diff_free(struct diff *d)
{
	free(d->before);
	free(d->after);
	*d = (struct diff){NULL, NULL};
}
