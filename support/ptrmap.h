/*
 * What stands behind a pointer: a table that grows and forgets nothing.  Keys
 * are compared by address, so names are to be interned.
 */
#ifndef LOONG_PTRMAP_H
#define LOONG_PTRMAP_H

#include "support/arena.h"

struct ptrmap { /* all zero: empty */
	struct ptrmap_cell *cell;
	size_t n, cap;
};

/* NULL: nothing has been put there. */
void *ptrmap_get(const struct ptrmap *t, const void *key);
/* key is not NULL; what was there before, if anything. */
void *ptrmap_put(struct arena *mem, struct ptrmap *t, const void *key,
    void *value);

#endif
