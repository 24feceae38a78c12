#include "config.h"

#include "support/ptrmap.h"

#include <stdint.h>

struct ptrmap_cell { /* open addressing, at most half full */
	const void *key;
	void *value;
};

static struct ptrmap_cell *
find(const struct ptrmap *t, const void *key)
{
	uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;

	for (size_t i = (size_t)(h >> 32);; i++) {
		struct ptrmap_cell *c = &t->cell[i & (t->cap - 1)];

		if (!c->key || c->key == key)
			return c;
	}
}

static void
grow(struct arena *mem, struct ptrmap *t)
{
	struct ptrmap old = *t;

	t->cap = old.cap ? 2 * old.cap : 16;
	t->cell = NEW_N(mem, struct ptrmap_cell, t->cap);
	for (size_t i = 0; i < old.cap; i++)
		if (old.cell[i].key)
			*find(t, old.cell[i].key) = old.cell[i];
}

void *
ptrmap_get(const struct ptrmap *t, const void *key)
{
	return t->cap ? find(t, key)->value : NULL;
}

void *
ptrmap_put(struct arena *mem, struct ptrmap *t, const void *key, void *value)
{
	struct ptrmap_cell *c;
	void *before;

	if (2 * t->n >= t->cap)
		grow(mem, t);
	c = find(t, key);
	before = c->value;
	t->n += !c->key;
	*c = (struct ptrmap_cell){key, value};
	return before;
}
