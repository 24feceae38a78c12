/* See race.h. */
#include "config.h"

#include "ir/race.h"

#include <stdlib.h>
#include <string.h>

void
race_start(struct race *r, const struct op *op, uint32_t future,
    const struct race_place *from, int nfrom)
{
	struct race_flight *f;

	if (r->n == r->cap) {
		r->cap = 2 * r->cap + 16;
		r->flight = realloc(r->flight,
		    (size_t)r->cap * sizeof *r->flight);
		if (!r->flight)
			abort();
	}
	f = &r->flight[r->n++];
	*f = (struct race_flight){.op = op, .future = future, .nfrom = nfrom};
	f->from = calloc((size_t)nfrom + 1, sizeof *f->from);
	if (!f->from)
		abort();
	memcpy(f->from, from, (size_t)nfrom * sizeof *from);
}

void
race_wait(struct race *r, uint32_t future)
{
	int at = 0, n = 0;
	uint8_t lane;

	while (at < r->n && (future < r->flight[at].future ||
	    future - r->flight[at].future >= (uint32_t)r->flight[at].op->nout))
		at++;
	if (at == r->n)
		return;
	lane = r->flight[at].op->lane;
	for (int i = 0; i < r->n; i++)
		if (i <= at && r->flight[i].op->lane == lane)
			free(r->flight[i].from);
		else
			r->flight[n++] = r->flight[i];
	r->n = n;
}

static bool
meets(const struct race_place *a, const struct race_place *b)
{
	return a->arena == b->arena && a->b == b->b && a->lo < b->hi &&
	    b->lo < a->hi;
}

/* op runs in the order of a lane if it is a transfer. */
static bool
ordered(const struct op *op, const struct race_flight *f)
{
	return (op_info[op->code].group == GROUP_COMM ||
	    op_info[op->code].group == GROUP_HOST) && op->code != OP_WAIT &&
	    op->lane == f->op->lane;
}

const struct op *
race_with(const struct race *r, const struct op *op,
    const struct race_place *at)
{
	for (int i = 0; i < r->n; i++) {
		const struct race_flight *f = &r->flight[i];

		for (int j = 0; j < f->nfrom && !ordered(op, f); j++)
			if (meets(&f->from[j], at))
				return f->op;
	}
	return NULL;
}

void
race_free(struct race *r)
{
	for (int i = 0; i < r->n; i++)
		free(r->flight[i].from);
	free(r->flight);
	*r = (struct race){0};
}
