/*
 * Offsets in act: the largest place first, each at the lowest offset where it
 * meets neither a neighbour in use at the same time nor a frame.
 */
#include "config.h"

#include <stdlib.h>

#include "passes/memory.h"
#include "passes/taken.h"

static int
larger_first(const void *a, const void *b)
{
	const struct place *const *x = a, *const *y = b;
	uint64_t sx = (*x)->size * (*x)->count, sy = (*y)->size * (*y)->count;

	if (sx != sy)
		return sx > sy ? -1 : 1;
	return *x < *y ? -1 : *x > *y; /* same array: order of making */
}

/* Behind the last tick in which anything is in use. */
static int
ticks(const struct plan *p)
{
	int n = 0;

	for (int i = 0; i < p->nplace; i++)
		n = p->place[i].to >= n ? p->place[i].to + 1 : n;
	for (int i = 0; i < p->ncall; i++)
		n = p->call[i].to >= n ? p->call[i].to + 1 : n;
	return n;
}

/* A frame lies at the beginning of act. */
static void
take_frames(const struct plan *p, struct taken *t)
{
	for (int i = 0; i < p->ncall; i++)
		taken_add(t, p->call[i].from, p->call[i].to, 0,
		    p->call[i].size);
}

void
memory_offsets(struct plan *p)
{
	struct place **order = NEW_N(p->m->mem, struct place *,
	    (size_t)p->nplace + 1);
	struct arena mem = {0};
	struct taken *t = taken_new(&mem, ticks(p));
	int n = 0;

	take_frames(p, t);
	for (int i = 0; i < p->nplace; i++)
		if (p->place[i].from >= 0)
			order[n++] = &p->place[i];
	qsort(order, (size_t)n, sizeof *order, larger_first);
	for (int i = 0; i < n; i++) {
		struct place *x = order[i];
		struct slot *s = module_add_slot(p->m, x->name);
		uint64_t bytes = x->size * x->count;

		x->offset = taken_lowest(t, x->from, x->to, bytes);
		taken_add(t, x->from, x->to, x->offset, x->offset + bytes);
		s->arena = ARENA_ACT;
		s->offset = x->offset;
		s->size = s->stride = x->size;
		s->count = x->count;
		if (x->offset + bytes > p->frame)
			p->frame = x->offset + bytes;
	}
	for (int i = 0; i < p->ncall; i++)
		if (p->call[i].size > p->frame)
			p->frame = p->call[i].size;
	arena_free(&mem);
}
