#include "config.h"

#include "plan/stalls.h"

#include <inttypes.h>
#include <stdlib.h>

#include "plan/tell.h"

static int
by_op(const void *a, const void *b)
{
	const struct stall *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->by.op, q = (uintptr_t)y->by.op;

	if (p != q)
		return p < q ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int
by_seconds(const void *a, const void *b)
{
	const struct stall *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds > y->seconds ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* One entry for each op: sums in the order in which they came. */
static void
merge(struct stalls *s)
{
	int n = 0;

	if (s->n)
		qsort(s->stall, (size_t)s->n, sizeof *s->stall, by_op);
	for (int i = 0; i < s->n; i++) {
		struct stall *last = n ? &s->stall[n - 1] : NULL;

		if (last && last->by.op == s->stall[i].by.op) {
			last->seconds += s->stall[i].seconds;
			last->times += s->stall[i].times;
		} else {
			s->stall[n++] = s->stall[i];
		}
	}
	s->n = n;
}

/* A step has many stalls for few ops: most room comes from merging. */
static void
make_room(struct stalls *s)
{
	merge(s);
	if (s->n < s->cap / 2)
		return;
	s->cap = 2 * s->cap + 256;
	s->stall = realloc(s->stall, (size_t)s->cap * sizeof *s->stall);
	if (!s->stall)
		abort();
}

void
stalls_add(struct stalls *s, struct sent by, double seconds)
{
	if (s->n == s->cap)
		make_room(s);
	s->stall[s->n++] = (struct stall){by, seconds, 1, s->all++};
	s->seconds += seconds;
}

static void
put_stall(struct buf *b, const struct module *m, const struct stall *x)
{
	buf_printf(b, "%12.3f ms for %s, %" PRIu64 " times: ",
	    1e3 * x->seconds, lane_name[x->by.op->lane], x->times);
	tell_place(b, m, x->by.op);
	buf_printf(b, ": fn %s: ", x->by.func->name);
	tell_op(b, m, x->by.op);
	buf_putc(b, '\n');
}

void
stalls_print(struct stalls *s, const struct module *m, FILE *out)
{
	struct buf b = {0};
	double rest = 0;
	int shown = 0;

	merge(s);
	if (s->n)
		qsort(s->stall, (size_t)s->n, sizeof *s->stall, by_seconds);
	while (shown < s->n && s->stall[shown].seconds >= 0.01 * s->seconds)
		put_stall(&b, m, &s->stall[shown++]);
	for (int i = shown; i < s->n; i++)
		rest += s->stall[i].seconds;
	if (shown < s->n)
		buf_printf(&b, "%12.3f ms for %d others\n", 1e3 * rest,
		    s->n - shown);
	fputs(buf_text(&b), out);
	buf_free(&b);
}

void
stalls_free(struct stalls *s)
{
	free(s->stall);
	*s = (struct stalls){0};
}
