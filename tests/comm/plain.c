/* Moves, element by element. */
#include "tests/comm/plain.h"

#include <stdlib.h>

static void
coord_of(const struct lt_program *p, int rank, int c[])
{
	for (int i = p->naxis - 1; i >= 0; rank /= p->axis_size[i], i--)
		c[i] = rank % p->axis_size[i];
}

static int
rank_of(const struct lt_program *p, const int c[])
{
	int rank = 0;

	for (int i = 0; i < p->naxis; i++)
		rank = rank * p->axis_size[i] + c[i];
	return rank;
}

static uint64_t
shape(const struct lt_move *m, uint64_t count, int i)
{
	return m->rank <= 1 || m->kind == LT_SHIFT || m->kind == LT_ALLREDUCE ?
	    count : m->src[i];
}

static int
rank_dims(const struct lt_move *m)
{
	return m->kind == LT_SHIFT || m->kind == LT_ALLREDUCE || !m->rank ?
	    1 : m->rank;
}

/* How many pieces dimension i is cut into (to) or put together of (from). */
static uint64_t
pieces(const struct lt_program *p, const struct lt_move *m, int i, bool to)
{
	uint64_t n = 1;

	if (m->kind == LT_SHIFT)
		return 1;
	for (int h = 0; h < m->n; h++)
		if ((to ? m->hop[h].to : m->hop[h].from) == i)
			n *= (uint64_t)p->axis_size[m->hop[h].axis];
	return n;
}

static uint64_t
block(const struct lt_program *p, const struct lt_move *m, int i, bool to,
    const int c[])
{
	uint64_t at = 0;

	for (int h = 0; h < m->n; h++)
		if ((to ? m->hop[h].to : m->hop[h].from) == i)
			at = at * (uint64_t)p->axis_size[m->hop[h].axis] +
			    (uint64_t)c[m->hop[h].axis];
	return at;
}

uint64_t
plain_count(const struct lt_program *p, const struct lt_move *m,
    uint64_t count)
{
	for (int i = 0; i < rank_dims(m); i++)
		count = count / pieces(p, m, i, true) * pieces(p, m, i, false);
	return count;
}

/* Where element i of the sender's source is in the receiver's destination;
 * UINT64_MAX: nowhere. */
static uint64_t
place(const struct lt_program *p, const struct lt_move *m, uint64_t count,
    uint64_t i, const int sender[], const int receiver[])
{
	uint64_t at = 0, stride = 1;

	for (int d = rank_dims(m) - 1; d >= 0; d--) {
		uint64_t n = shape(m, count, d), x = i % n;
		uint64_t len = n / pieces(p, m, d, true);

		i /= n;
		if (pieces(p, m, d, true) > 1 &&
		    x / len != block(p, m, d, true, receiver))
			return UINT64_MAX;
		x = x % len + (pieces(p, m, d, false) > 1 ?
		    len * block(p, m, d, false, sender) : 0);
		at += x * stride;
		stride *= len * pieces(p, m, d, false);
	}
	return at;
}

/* The coordinates of member k. */
static void
member(const struct lt_program *p, const struct lt_move *m, int k, int c[])
{
	for (int h = m->n - 1; h >= 0; h--) {
		int n = p->axis_size[m->hop[h].axis];

		c[m->hop[h].axis] = k % n;
		k /= n;
	}
}

static void
plain_shift(const struct lt_program *p, const struct lt_move *m, int c[],
    uint64_t count, float (*src)(void *, int, uint64_t), void *arg, float *dst)
{
	for (int h = 0; h < m->n; h++) {
		int n = p->axis_size[m->hop[h].axis];

		c[m->hop[h].axis] = ((c[m->hop[h].axis] - m->hop[h].by) % n +
		    n) % n;
	}
	for (uint64_t i = 0; i < count; i++)
		dst[i] = src(arg, rank_of(p, c), i);
}

void
plain_move(const struct lt_program *p, const struct lt_move *m, int rank,
    uint64_t count, float (*src)(void *, int, uint64_t), void *arg, float *dst)
{
	int me[LT_AXES_MAX] = {0}, c[LT_AXES_MAX], n = 1;
	uint64_t total = plain_count(p, m, count);
	bool *set = calloc(total + 1, sizeof *set);

	coord_of(p, rank, me);
	coord_of(p, rank, c);
	if (m->kind == LT_SHIFT)
		plain_shift(p, m, c, count, src, arg, dst);
	for (int h = 0; h < m->n; h++)
		n *= p->axis_size[m->hop[h].axis];
	for (int k = 0; m->kind != LT_SHIFT && k < n; k++) {
		member(p, m, k, c);
		for (uint64_t i = 0; i < count; i++) {
			uint64_t at = place(p, m, count, i, c, me);
			float x = src(arg, rank_of(p, c), i);

			if (at != UINT64_MAX)
				dst[at] = set[at] ? dst[at] + x : x;
			if (at != UINT64_MAX)
				set[at] = true;
		}
	}
	free(set);
}
