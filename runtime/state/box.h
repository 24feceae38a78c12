/*
 * Who stores which elements of a tensor, and where.
 *
 * A tensor that lives in flat images (lt_flat of loong_rt.h) is cut where the
 * blocks of its layers' images are cut; what falls into one block of one
 * layer is a box: consecutive elements, stored consecutively.
 *
 *	image of layer l   |  block 0  |  block 1  |  block 2  |  block 3  |
 *	the tensor               |=========|===========|====|
 *	its boxes                  0: 5      1: 6        2: 3
 *
 * A whole tensor is one box, in block 0, which every rank has.  Elements are
 * numbered row-major over all layers.  Pure arithmetic, nothing is allocated.
 */
#ifndef LT_RUNTIME_STATE_BOX_H
#define LT_RUNTIME_STATE_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loong_rt.h"

struct lt_box {
	uint64_t at, n;   /* elements of the tensor; n == 0: there is none */
	uint64_t offset;  /* elements from where the rank's part begins: block
	                     of layer 0, or the tensor */
	int block;
};

/* How many blocks an image is cut into: the product of its axes. */
int lt_flat_blocks(const struct lt_program *, const struct lt_flat *);
/* Which one a rank stores: its coordinates on the axes in mixed radix. */
int lt_flat_block(const struct lt_program *, const struct lt_flat *, int rank);

/* The same for a tensor: 1 and 0 if it is whole. */
int lt_box_blocks(const struct lt_program *, const struct lt_tensor *);
int lt_box_block(const struct lt_program *, const struct lt_tensor *,
    int rank);
/* The lowest rank that stores a block. */
int lt_box_owner(const struct lt_program *, const struct lt_tensor *,
    int block);

/* What is stored from element `at` on; to the end of its box. */
struct lt_box lt_box_from(const struct lt_program *, const struct lt_tensor *,
    uint64_t at);
/* The box of a block in a layer; whole tensors have one layer. */
struct lt_box lt_box_of(const struct lt_program *, const struct lt_tensor *,
    int block, uint64_t layer);
uint64_t lt_box_layers(const struct lt_program *, const struct lt_tensor *);

/* Whether the tensor has so many elements and lies inside its images, and
 * these can be cut: true of every program that loongc writes. */
bool lt_box_valid(const struct lt_program *, const struct lt_tensor *);

#endif
