/* Which bundles a module has, and which of them its ops write. */
#include "config.h"

#include <stdlib.h>

#include "ir/verify_walk.h"

static int
by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct known *)a)->b;
	uintptr_t y = (uintptr_t)((const struct known *)b)->b;

	return x < y ? -1 : x > y;
}

struct known *
bundle_set_find(const struct bundle_set *s, const struct bundle *b)
{
	struct known key = {b, false};

	return s->n ? bsearch(&key, s->known, s->n, sizeof key, by_address) :
	    NULL;
}

static void
see_target(struct op *op, void *arg)
{
	struct known *k = op->has_target ? bundle_set_find(arg, op->target.b) :
	    NULL;

	if (k)
		k->written = true;
}

struct bundle_set
bundle_set_of(struct module *m)
{
	struct bundle_set s = {NEW_N(m->mem, struct known,
	    (size_t)m->nbundle + 1), (size_t)m->nbundle};

	for (int i = 0; i < m->nbundle; i++)
		s.known[i].b = m->bundle[i];
	qsort(s.known, s.n, sizeof *s.known, by_address);
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_target, &s);
	return s;
}
