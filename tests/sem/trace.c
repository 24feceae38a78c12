#include "config.h"

#include "tests/sem/trace.h"

#include <math.h>
#include <string.h>

struct entry {
	const char *func, *name;
	const struct type *type;
	char dims[64];
	int64_t iter[MAX_LOOPS + 1];
	int niter, turn; /* turn: how often it was seen before */
	double *x;
	uint64_t n;
	struct entry *next;
};

enum { BUCKETS = 1024 };

struct trace {
	struct arena *mem;
	struct entry *bucket[BUCKETS];
};

struct trace *
trace_new(struct arena *mem)
{
	struct trace *t = NEW(mem, struct trace);

	t->mem = mem;
	return t;
}

static unsigned
hash(const char *name)
{
	unsigned h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h % BUCKETS;
}

static struct entry *
find(struct trace *t, const char *func, const struct entry *like)
{
	for (struct entry *e = t->bucket[hash(like->name)]; e; e = e->next)
		if (strcmp(e->func, func) == 0 &&
		    strcmp(e->name, like->name) == 0 &&
		    strcmp(e->dims, like->dims) == 0 &&
		    e->niter == like->niter && e->turn == like->turn &&
		    memcmp(e->iter, like->iter,
		    sizeof *e->iter * (size_t)e->niter) == 0)
			return e;
	return NULL;
}

static void
type_words(const struct type *t, char *out, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < t->rank && n + 8 < size; i++)
		for (const char *p = t->d[i].name; n + 8 < size; p++) {
			out[n++] = *p ? *p : ',';
			if (!*p)
				break;
		}
	out[n] = '\0';
}

void
trace_value(const struct interp_value *v, void *arg)
{
	struct trace *t = arg;
	struct entry *e = NEW(t->mem, struct entry);
	unsigned h = hash(v->value->name);

	e->func = v->func->name;
	e->name = v->value->name;
	type_words(v->value->type, e->dims, sizeof e->dims);
	e->niter = v->niter;
	memcpy(e->iter, v->iter, sizeof *e->iter * (size_t)v->niter);
	while (find(t, e->func, e))
		e->turn++;
	e->n = v->count;
	e->x = NEW_N(t->mem, double, v->count + 1);
	memcpy(e->x, v->global, v->count * sizeof(double));
	e->next = t->bucket[h];
	t->bucket[h] = e;
}

/* layer.bwd's copy of a value of layer: the block's own. */
static struct entry *
find_in_block(struct trace *t, const struct entry *e)
{
	char block[128];
	size_t n = strlen(e->func);

	if (n < 4 || n >= sizeof block || strcmp(e->func + n - 4, ".bwd") != 0)
		return NULL;
	memcpy(block, e->func, n - 4);
	block[n - 4] = '\0';
	return find(t, block, e);
}

static void
compare(const struct entry *a, const struct entry *b, struct trace_result *r,
    struct arena *mem)
{
	r->shared++;
	for (uint64_t i = 0; i < a->n && i < b->n; i++) {
		double off = fabs(a->x[i] - b->x[i]) / (1 + fabs(a->x[i]));

		if (a->x[i] == b->x[i])
			continue;
		if (!(off <= r->worst)) {
			r->worst = isnan(off) ? INFINITY : off;
			r->name = arena_printf(mem, "%s.%s", b->func, b->name);
		}
	}
}

struct trace_result
trace_compare(struct trace *a, struct trace *b, const char *rename,
    const char *to)
{
	struct trace_result r = {.name = ""};

	for (int i = 0; i < BUCKETS; i++)
		for (struct entry *e = b->bucket[i]; e; e = e->next) {
			bool moved = rename && strcmp(e->func, rename) == 0;
			struct entry *was = find(a, moved ? to : e->func, e);

			if (!was)
				was = find_in_block(a, e);
			if (was)
				compare(was, e, &r, b->mem);
		}
	return r;
}
