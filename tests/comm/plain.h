/*
 * What a move means, element by element: every element of every member's
 * source asks who gets it and where it goes.
 */
#ifndef TESTS_COMM_PLAIN_H
#define TESTS_COMM_PLAIN_H

#include "runtime/loong_rt.h"

/* Elements of a destination, given the source's shape. */
uint64_t plain_count(const struct lt_program *, const struct lt_move *,
    uint64_t count);

/* The f32 destination of one rank; src(rank, i) is element i of that rank's
 * source.  Sums are in the order of the members. */
void plain_move(const struct lt_program *, const struct lt_move *, int rank,
    uint64_t count, float (*src)(void *arg, int rank, uint64_t i), void *arg,
    float *dst);

#endif
