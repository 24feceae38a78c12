/*
 * Offsets in act: the largest place first, each at the lowest offset where it
 * meets neither a neighbour in use at the same time nor a frame.
 */
#include "config.h"

#include <stdlib.h>

#include "passes/memory.h"

static int
larger_first(const void *a, const void *b)
{
	const struct place *const *x = a, *const *y = b;
	uint64_t sx = (*x)->size * (*x)->count, sy = (*y)->size * (*y)->count;

	if (sx != sy)
		return sx > sy ? -1 : 1;
	return *x < *y ? -1 : *x > *y; /* same array: order of making */
}

static bool
overlap(const struct place *a, const struct place *b)
{
	return a->from <= b->to && b->from <= a->to;
}

/* The lowest offset where x meets neither a placed neighbour nor a frame. */
static uint64_t
lowest_free(const struct plan *p, struct place *const *done, int n,
    const struct place *x)
{
	uint64_t need = x->size * x->count, at = 0;
	bool moved = true;

	for (int i = 0; i < p->ncall; i++)
		if (p->call[i].to >= x->from && p->call[i].from <= x->to &&
		    p->call[i].size > at)
			at = p->call[i].size;
	while (moved) {
		moved = false;
		for (int i = 0; i < n; i++) {
			uint64_t end = done[i]->offset +
			    done[i]->size * done[i]->count;

			if (overlap(done[i], x) && at < end &&
			    done[i]->offset < at + need) {
				at = end;
				moved = true;
			}
		}
	}
	return at;
}

void
memory_offsets(struct plan *p)
{
	struct place **order = NEW_N(p->m->mem, struct place *,
	    (size_t)p->nplace + 1);
	int n = 0;

	for (int i = 0; i < p->nplace; i++)
		if (p->place[i].from >= 0)
			order[n++] = &p->place[i];
	qsort(order, (size_t)n, sizeof *order, larger_first);
	for (int i = 0; i < n; i++) {
		struct place *x = order[i];
		struct slot *s = module_add_slot(p->m, x->name);

		x->offset = lowest_free(p, order, i, x);
		s->arena = ARENA_ACT;
		s->offset = x->offset;
		s->size = s->stride = x->size;
		s->count = x->count;
		if (x->offset + x->size * x->count > p->frame)
			p->frame = x->offset + x->size * x->count;
	}
	for (int i = 0; i < p->ncall; i++)
		if (p->call[i].size > p->frame)
			p->frame = p->call[i].size;
}
