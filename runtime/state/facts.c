/* Comparing facts by their hashes; texts are for messages. */
#include "runtime/state/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/comm/world.h"
#include "runtime/state/agree.h"
#include "runtime/state/hash.h"

enum { LINES_MAX = 8, TEXT = 1000, SHOWN = 120 };

struct entry {
	struct lt_digest hash;
	char text[TEXT];
};

static struct entry
entry_of(const struct lt_fact *f)
{
	struct entry e = {.hash = lt_hash(f->text, strlen(f->text))};

	snprintf(e.text, sizeof e.text, "%s", f->text);
	return e;
}

static bool
same(const struct entry *a, const struct entry *b)
{
	return strcmp(a->hash.hex, b->hash.hex) == 0;
}

/* How many ranks have this; e[r * n] is rank r's. */
static int
count(const struct entry *e, int ranks, int n, const struct entry *this)
{
	int k = 0;

	for (int r = 0; r < ranks; r++)
		k += same(&e[r * n], this);
	return k;
}

static const struct entry *
usual(const struct entry *e, int ranks, int n)
{
	const struct entry *best = e;

	for (int r = 1; r < ranks; r++)
		if (!same(&e[r * n], best) && count(e, ranks, n, &e[r * n]) >
		    count(e, ranks, n, best))
			best = &e[r * n];
	return best;
}

/* Goes over the lines of a and b that are the same. */
static void
skip_same(const char **a, const char **b)
{
	size_t n;

	while ((n = strcspn(*a, "\n")) == strcspn(*b, "\n") &&
	    memcmp(*a, *b, n) == 0 && (*a)[n] && (*b)[n]) {
		*a += n + 1;
		*b += n + 1;
	}
}

static int
shown(const char *line)
{
	size_t n = strcspn(line, "\n");

	return n < SHOWN ? (int)n : SHOWN;
}

/* Lines that look the same are told apart by the hashes of the whole. */
static void
differs(const char *name, int rank, const struct entry *its,
    const struct entry *usual, int others, struct lt_error *e)
{
	const char *a = its->text, *b = usual->text;
	bool hash;

	skip_same(&a, &b);
	a = *a ? a : "nothing";
	b = *b ? b : "nothing";
	hash = shown(a) == shown(b) && memcmp(a, b, (size_t)shown(a)) == 0;
	lt_error_line(e, "%s differs: rank %d has %.*s%s%.8s, %d rank%s %s "
	    "%.*s%s%.8s", name, rank, shown(a), a, hash ? " .. " : "",
	    hash ? its->hash.hex : "", others, others == 1 ? "" : "s",
	    others == 1 ? "has" : "have", shown(b), b, hash ? " .. " : "",
	    hash ? usual->hash.hex : "");
}

static bool
compare(const struct lt *rt, const struct lt_fact *f, int n,
    const struct entry *all, struct lt_error *e)
{
	int lines = 0;

	e->code = LT_EXIT_CONFIG;
	e->text[0] = 0;
	for (int k = 0; k < n; k++) {
		const struct entry *most = usual(&all[k], rt->ranks, n);
		int others = count(&all[k], rt->ranks, n, most);

		for (int r = 0; others < rt->ranks && r < rt->ranks; r++)
			if (!same(&all[r * n + k], most) &&
			    lines++ < LINES_MAX)
				differs(f[k].name, r, &all[r * n + k], most,
				    others, e);
	}
	if (lines > LINES_MAX)
		lt_error_line(e, "and %d more differences", lines - LINES_MAX);
	return lines == 0;
}

bool
lt_facts_agree(struct lt *rt, const struct lt_fact *f, int n,
    struct lt_error *e)
{
	struct entry mine[LT_FACTS_MAX], *all;
	bool ok;

	if (rt->ranks == 1)
		return true;
	for (int k = 0; k < n; k++)
		mine[k] = entry_of(&f[k]);
	all = rt->rank == 0 ? calloc((size_t)rt->ranks * (size_t)n,
	    sizeof *all) : NULL;
	if (!lt_error_agree(rt, all || rt->rank != 0 || lt_error_set(e,
	    LT_EXIT_FAIL, "out of memory"), e))
		return false;
	lt_world_gather(rt, mine, (uint64_t)n * sizeof *mine, all);
	ok = lt_error_share(rt, rt->rank != 0 || compare(rt, f, n, all, e), e);
	free(all);
	return ok;
}
