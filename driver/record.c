#include "config.h"

#include "driver/record.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/buf.h"
#include "support/rng.h"

struct entry {
	char *key;
	double *x;
	uint64_t n;
};

struct count { /* how often a key was seen in this phase */
	char *key;
	uint64_t seen;
};

struct record {
	char phase[32];
	struct entry *entry; /* open addressing, a power of two */
	size_t nentry, entrycap;
	struct count *count;
	size_t ncount, countcap;
};

static void *
must(void *p)
{
	if (!p) {
		fputs("loongc: out of memory\n", stderr);
		abort();
	}
	return p;
}

struct record *
record_new(void)
{
	return must(calloc(1, sizeof(struct record)));
}

static void
forget_counts(struct record *r)
{
	for (size_t i = 0; i < r->countcap; i++)
		free(r->count[i].key);
	free(r->count);
	r->count = NULL;
	r->ncount = r->countcap = 0;
}

void
record_free(struct record *r)
{
	forget_counts(r);
	for (size_t i = 0; i < r->entrycap; i++) {
		free(r->entry[i].key);
		free(r->entry[i].x);
	}
	free(r->entry);
	free(r);
}

void
record_phase(struct record *r, const char *name)
{
	forget_counts(r);
	snprintf(r->phase, sizeof r->phase, "%s", name);
}

/* ---- two small hash tables, keyed by text ---- */

static struct entry *
entry_slot(const struct record *r, const char *key)
{
	size_t i = lt_fnv1a64(key) & (r->entrycap - 1);

	while (r->entry[i].key && strcmp(r->entry[i].key, key) != 0)
		i = (i + 1) & (r->entrycap - 1);
	return &r->entry[i];
}

static struct entry *
find(const struct record *r, const char *key)
{
	struct entry *e = r->entrycap ? entry_slot(r, key) : NULL;

	return e && e->key ? e : NULL;
}

static void
grow_entries(struct record *r)
{
	struct entry *old = r->entry;
	size_t n = r->entrycap;

	if (2 * r->nentry < n)
		return;
	r->entrycap = n ? 2 * n : 1024;
	r->entry = must(calloc(r->entrycap, sizeof *r->entry));
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*entry_slot(r, old[i].key) = old[i];
	free(old);
}

static void
add(struct record *r, const char *key, const double *x, uint64_t n)
{
	struct entry *e;

	grow_entries(r);
	e = entry_slot(r, key);
	if (e->key)
		return;
	e->key = must(strdup(key));
	e->x = must(calloc(n + 1, sizeof *e->x));
	memcpy(e->x, x, n * sizeof *x);
	e->n = n;
	r->nentry++;
}

static struct count *
count_slot(const struct record *r, const char *key)
{
	size_t i = lt_fnv1a64(key) & (r->countcap - 1);

	while (r->count[i].key && strcmp(r->count[i].key, key) != 0)
		i = (i + 1) & (r->countcap - 1);
	return &r->count[i];
}

static uint64_t
times_seen(struct record *r, const char *key)
{
	struct count *c;

	if (2 * r->ncount >= r->countcap) {
		struct count *old = r->count;
		size_t n = r->countcap;

		r->countcap = n ? 2 * n : 1024;
		r->count = must(calloc(r->countcap, sizeof *r->count));
		for (size_t i = 0; i < n; i++)
			if (old[i].key)
				*count_slot(r, old[i].key) = old[i];
		free(old);
	}
	c = count_slot(r, key);
	if (!c->key) {
		c->key = must(strdup(key));
		r->ncount++;
	}
	return c->seen++;
}

/* ---- values ---- */

/* What differentiation calls eval was called model before. */
static const char *
func_key(const char *name)
{
	return strcmp(name, "model") == 0 ? "eval" : name;
}

static void
put_key(struct buf *b, const struct record *r, const char *func,
    const struct interp_value *v)
{
	b->len = 0;
	buf_printf(b, "%s/%s/%s", r->phase, func_key(func), v->value->name);
	for (int i = 0; i < v->niter; i++)
		buf_printf(b, ",%" PRId64, v->iter[i]);
}

void
record_add(struct record *r, const struct interp_value *v)
{
	struct buf key = {0};

	put_key(&key, r, v->func->name, v);
	buf_printf(&key, "#%" PRIu64, times_seen(r, buf_text(&key)));
	add(r, buf_text(&key), v->global, v->count);
	buf_free(&key);
}

static struct entry *
find_value(struct record *r, const struct interp_value *v)
{
	struct buf key = {0};
	struct entry *e;
	uint64_t seen;

	put_key(&key, r, v->func->name, v);
	seen = times_seen(r, buf_text(&key));
	buf_printf(&key, "#%" PRIu64, seen);
	e = find(r, buf_text(&key));
	if (!e && v->func->twin) {
		put_key(&key, r, v->func->twin->name, v);
		buf_printf(&key, "#%" PRIu64, seen);
		e = find(r, buf_text(&key));
	}
	buf_free(&key);
	return e;
}

static double
largest(const double *x, uint64_t n)
{
	double most = 0;

	for (uint64_t i = 0; i < n; i++)
		if (isfinite(x[i]) && fabs(x[i]) > most)
			most = fabs(x[i]);
	return most;
}

/* Equal infinities and two NaNs are no difference; one is the largest. */
static double
difference(double a, double b)
{
	if (a == b || (isnan(a) && isnan(b)))
		return 0;
	return isfinite(a) && isfinite(b) ? fabs(a - b) : INFINITY;
}

static bool
compare(const struct entry *e, const double *x, uint64_t n,
    struct record_result *sum, uint64_t *at, double *want)
{
	double most = largest(e->x, e->n), worst = 0;

	sum->values++;
	sum->elements += n;
	*at = 0;
	*want = n && e->n ? e->x[0] : 0;
	if (n != e->n) {
		sum->wrong++;
		return false;
	}
	for (uint64_t i = 0; i < n; i++) {
		double d = difference(x[i], e->x[i]);

		if (d > worst) {
			worst = d;
			*at = i;
			*want = e->x[i];
		}
	}
	if (worst > RECORD_ZERO && worst > RECORD_TOLERANCE * most) {
		sum->wrong++;
		return false;
	}
	if (most > 0 && worst / most > sum->worst && worst > RECORD_ZERO)
		sum->worst = worst / most;
	return true;
}

bool
record_compare(struct record *r, const struct interp_value *v,
    struct record_result *sum, uint64_t *at, double *want)
{
	struct entry *e = find_value(r, v);

	if (e)
		return compare(e, v->global, v->count, sum, at, want);
	sum->unknown++;
	return true;
}

void
record_add_tensor(
    struct record *r, const char *name, const double *x, uint64_t n)
{
	struct buf key = {0};

	buf_printf(&key, "%s/@%s", r->phase, name);
	add(r, buf_text(&key), x, n);
	buf_free(&key);
}

bool
record_compare_tensor(struct record *r, const char *name, const double *x,
    uint64_t n, struct record_result *sum, uint64_t *at, double *want)
{
	struct buf key = {0};
	struct entry *e;

	buf_printf(&key, "%s/@%s", r->phase, name);
	e = find(r, buf_text(&key));
	buf_free(&key);
	if (e)
		return compare(e, x, n, sum, at, want);
	sum->unknown++;
	return true;
}
