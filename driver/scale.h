/* The same program at sizes a reference interpreter can run. */
#ifndef LOONG_DRIVER_SCALE_H
#define LOONG_DRIVER_SCALE_H

#include "ir/ir.h"

/*
 * Makes every dimension small and, where it can, unlike all others, so that
 * a mixed-up axis changes a shape or a value: a few sequences of so many
 * tokens, at most 3 layers; what rope rotates stays even, windows become
 * shorter than a sequence, tables stay as long as the positions that index
 * them.  No size grows but the number of sequences.  A module with planned
 * memory (stage e) is left as it is.
 */
void scale_module(struct module *m, uint64_t tokens);

/* The smallest table that tokens index; classes of the loss; or 0. */
uint64_t scale_vocab(const struct module *m);

#endif
