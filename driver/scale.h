/* The same program at sizes a reference interpreter can run. */
#ifndef LOONG_DRIVER_SCALE_H
#define LOONG_DRIVER_SCALE_H

#include "ir/ir.h"

/*
 * Makes every dimension small and, where it can, unlike all others, so that
 * a mixed-up axis changes a shape or a value: a few sequences of so many
 * tokens, at most 3 layers; what rope rotates stays even, windows become
 * shorter than a sequence, tables stay as long as the positions that index
 * them.  On a mesh sizes stay multiples of what its axes cut them into, with
 * two sequences on each rank and an odd number of its pieces of each, and
 * axes of large meshes are cut to a prime factor.  No size
 * grows but the number of sequences.  A module with planned memory (stage e)
 * is left as it is.
 */
void scale_module(struct module *m, uint64_t tokens);

/*
 * By index of the dimension: what its size must be a multiple of on the
 * module's mesh.  A module of stage a is partitioned for that, as a copy.
 */
void scale_units(struct module *m, uint64_t *unit);
/* Axes shrink to prime factors while there are more ranks; stage a only. */
enum { SCALE_RANKS = 16 };
void scale_mesh(struct module *m);

uint64_t scale_lcm(uint64_t a, uint64_t b);

/* The smallest table that tokens index; classes of the loss; or 0. */
uint64_t scale_vocab(const struct module *m);

#endif
