/* Members of a move and their numbers. */
#include "runtime/comm/group.h"

int
lt_mesh_ranks(const struct lt_program *p)
{
	int n = 1;

	for (int i = 0; i < p->naxis; i++)
		n *= p->axis_size[i];
	return n;
}

void
lt_mesh_coord(const struct lt_program *p, int rank, int coord[])
{
	for (int i = p->naxis - 1; i >= 0; i--) {
		coord[i] = rank % p->axis_size[i];
		rank /= p->axis_size[i];
	}
}

static int
stride_of(const struct lt_program *p, int axis)
{
	int n = 1;

	for (int i = axis + 1; i < p->naxis; i++)
		n *= p->axis_size[i];
	return n;
}

struct lt_group
lt_group_of(const struct lt_program *p, const int coord[],
    const struct lt_move *m)
{
	struct lt_group g = {.n = 1, .nhop = m->n};

	for (int i = 0; i < p->naxis; i++)
		g.base += coord[i] * stride_of(p, i);
	for (int h = 0; h < m->n; h++) {
		int axis = m->hop[h].axis;

		g.size[h] = p->axis_size[axis];
		g.stride[h] = stride_of(p, axis);
		g.n *= g.size[h];
		g.me = g.me * g.size[h] + coord[axis];
		g.base -= coord[axis] * g.stride[h];
		g.axes |= UINT32_C(1) << axis;
	}
	return g;
}

int
lt_group_coord(const struct lt_group *g, int member, int hop)
{
	for (int h = g->nhop - 1; h > hop; h--)
		member /= g->size[h];
	return member % g->size[hop];
}

int
lt_group_rank(const struct lt_group *g, int member)
{
	int rank = g->base;

	for (int h = g->nhop - 1; h >= 0; h--) {
		rank += member % g->size[h] * g->stride[h];
		member /= g->size[h];
	}
	return rank;
}

int
lt_group_shifted(const struct lt_group *g, const struct lt_move *m, int sign)
{
	int member = 0;

	for (int h = 0; h < g->nhop; h++) {
		int n = g->size[h];
		int c = (lt_group_coord(g, g->me, h) +
		    sign * m->hop[h].by) % n;

		member = member * n + (c < 0 ? c + n : c);
	}
	return member;
}
