/* What one pass changed: the lines of two dumps that differ. */
#ifndef LOONG_DRIVER_DIFF_H
#define LOONG_DRIVER_DIFF_H

#include "ir/ir.h"

struct diff { /* dumps behind the last two passes; NULL: there was none */
	char *before, *after;
};

/* A pipeline's watch with a struct diff as its argument. */
void diff_watch(struct module *m, const char *after, void *arg);

/*
 * Lines that are gone with '-', new ones with '+', and two lines around them,
 * as diff -u does; "@@ fn NAME" says where they are.
 */
void diff_print(const struct diff *d, FILE *out);
void diff_free(struct diff *d);

#endif
