/*
 * Who takes part in a move: the ranks that differ in the axes of its hops
 * only.  Members are numbered in mixed radix by their coordinates on these
 * axes, the first hop major.  Pure arithmetic.
 */
#ifndef LT_RUNTIME_COMM_GROUP_H
#define LT_RUNTIME_COMM_GROUP_H

#include <stdint.h>

#include "runtime/loong_rt.h"

struct lt_group {
	int n, me;                /* members, and my number */
	int nhop;
	int base;                 /* rank of member 0 */
	int size[LT_AXES_MAX];    /* of each hop's axis */
	int stride[LT_AXES_MAX];  /* in ranks */
	uint32_t axes;            /* bit a: axis a takes part */
};

/* Ranks of a mesh, and a rank's coordinates. */
int lt_mesh_ranks(const struct lt_program *);
void lt_mesh_coord(const struct lt_program *, int rank, int coord[]);

struct lt_group lt_group_of(const struct lt_program *, const int coord[],
    const struct lt_move *);
int lt_group_rank(const struct lt_group *, int member);
int lt_group_coord(const struct lt_group *, int member, int hop);
/* The member whose coordinates are mine plus sign * by of every hop. */
int lt_group_shifted(const struct lt_group *, const struct lt_move *,
    int sign);

#endif
