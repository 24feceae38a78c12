/*
 * What ops read and write, so that others may pass them: values, fields of
 * local images, fields of bundles.  Two ops may change places unless one
 * writes what the other reads or writes.
 */
#ifndef LOONG_PASSES_EFFECTS_H
#define LOONG_PASSES_EFFECTS_H

#include "ir/ir.h"

struct effect {
	const void *what; /* a value or a bundle */
	int field;        /* of it, or -1: all */
	bool write;
};

struct effects {
	struct effect *e;
	int n, cap;
};

/* Adds those of op, of its body and of what it calls; in the module's arena. */
void effects_add(struct module *m, struct effects *s, const struct op *op);
/* All of a bundle as written. */
void effects_add_bundle(struct module *m, struct effects *s,
    const struct bundle *b);
bool effects_conflict(const struct effects *a, const struct effects *b);

#endif
