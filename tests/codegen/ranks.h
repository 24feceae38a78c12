/*
 * A second, naive transport for the tests of generated code: ranks are
 * threads, a move copies element by element between two barriers, and every
 * coordinate is worked out by division.  Included by harness.c, behind its
 * renaming of lt_start and lt_finish.
 */
#ifndef LOONG_TESTS_CODEGEN_RANKS_H
#define LOONG_TESTS_CODEGEN_RANKS_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS_MAX = 64, PAIRS_MAX = 16 };

static struct {
	pthread_barrier_t all;
	int ranks;
	const struct lt *rt[RANKS_MAX];
	const struct lt_move *move[RANKS_MAX];
	const struct lt_pair *pair[RANKS_MAX];
} world;

static void
meet(void)
{
	if (world.ranks > 1)
		pthread_barrier_wait(&world.all);
}

/* Axes that no hop names. */
static int
in_group(const struct lt_move *m, const int *a, const int *b, int naxis)
{
	for (int i = 0; i < naxis; i++) {
		int moved = 0;

		for (int h = 0; h < m->n; h++)
			moved |= m->hop[h].axis == i;
		if (!moved && a[i] != b[i])
			return 0;
	}
	return 1;
}

/* Number of a block along dim d, and of how many, by the hops to it or, if
 * `from`, from it. */
static uint64_t
block(const struct lt_program *p, const struct lt_move *m, const int *coord,
    int d, int from, uint64_t *count)
{
	uint64_t at = 0;

	*count = 1;
	for (int h = 0; h < m->n; h++) {
		int dim = from ? m->hop[h].from : m->hop[h].to;
		uint64_t n = (uint64_t)p->axis_size[m->hop[h].axis];

		if (dim != d)
			continue;
		at = at * n + (uint64_t)coord[m->hop[h].axis];
		*count *= n;
	}
	return at;
}

/*
 * Where element i of peer's source lands in my destination; UINT64_MAX if it
 * is not for me.
 */
static uint64_t
landing(const struct lt_program *p, const struct lt_move *m, const int *peer,
    const int *me, uint64_t i)
{
	uint64_t to = 0, stride = 1;

	for (int d = m->rank - 1; d >= 0; d--) {
		uint64_t index = i % m->src[d], cuts, joins;
		uint64_t mine = block(p, m, me, d, 0, &cuts);
		uint64_t place = block(p, m, peer, d, 1, &joins);
		uint64_t piece = m->src[d] / cuts;

		if (index / piece != mine)
			return UINT64_MAX;
		to += (index % piece + place * piece) * stride;
		stride *= piece * joins;
		i /= m->src[d];
	}
	return to;
}

/* Does peer's source go to me in a shift? */
static int
shifted(const struct lt_program *p, const struct lt_move *m, const int *peer,
    const int *me)
{
	for (int h = 0; h < m->n; h++) {
		int a = m->hop[h].axis, n = p->axis_size[a];

		if (((peer[a] + m->hop[h].by - me[a]) % n + n) % n != 0)
			return 0;
	}
	return 1;
}

static void
add_element(char *dst, const char *src, uint64_t to, uint64_t from, int size,
    int add)
{
	if (add)
		((float *)dst)[to] += ((const float *)src)[from];
	else
		memcpy(dst + to * (uint64_t)size,
		    src + from * (uint64_t)size, (size_t)size);
}

/* Everything peer has for me, into a copy of my destination. */
static void
receive(const struct lt *rt, const struct lt_move *m, const struct lt *peer,
    const struct lt_pair *pair, char *dst, char *seen)
{
	int size = m->type == LT_BF16 ? 2 : 4;
	int whole = m->kind == LT_SHIFT || m->kind == LT_ALLREDUCE;
	int sums = m->kind == LT_ALLREDUCE || m->kind == LT_RSCATTER;

	if (m->kind == LT_SHIFT && !shifted(rt->prog, m, peer->coord,
	    rt->coord))
		return;
	for (uint64_t i = 0; i < pair->count; i++) {
		uint64_t to = whole ? i :
		    landing(rt->prog, m, peer->coord, rt->coord, i);

		if (to == UINT64_MAX)
			continue;
		add_element(dst, pair->src, to, i, size, sums && seen[to]);
		seen[to] = 1;
	}
}

/* The rank that is member k of my group, or -1. */
static int
member(const struct lt *rt, const struct lt_move *m, int k)
{
	for (int p = 0; p < world.ranks; p++) {
		const int *coord = world.rt[p]->coord;
		int number = 0;

		for (int h = 0; h < m->n; h++)
			number = number *
			    rt->prog->axis_size[m->hop[h].axis] +
			    coord[m->hop[h].axis];
		if (number == k && in_group(m, rt->coord, coord,
		    rt->prog->naxis))
			return p;
	}
	return -1;
}

/* Elements of a destination: what all receive together. */
static uint64_t
most(const struct lt *rt, const struct lt_move *m, const struct lt_pair *pair)
{
	uint64_t n = pair->count;

	for (int h = 0; h < m->n; h++)
		n *= (uint64_t)rt->prog->axis_size[m->hop[h].axis];
	return n;
}

static void
exchange(struct lt *rt, const struct lt_move *m, int which)
{
	const struct lt_pair *own = &world.pair[rt->rank][which];
	uint64_t n = most(rt, m, own), end = 0;
	int size = m->type == LT_BF16 ? 2 : 4;
	char *dst = calloc(n, (size_t)size), *seen = calloc(n, 1);

	for (int p = 0; p < world.ranks; p++)
		if (world.move[p] != m) {
			fprintf(stderr, "ranks: %s meets %s\n", m->name,
			    world.move[p]->name);
			exit(1);
		}
	for (int k = 0; k < world.ranks; k++) {
		int p = member(rt, m, k);

		if (p >= 0)
			receive(rt, m, world.rt[p], &world.pair[p][which],
			    dst, seen);
	}
	while (end < n && seen[end])
		end++;
	for (uint64_t i = end; i < n; i++)
		if (seen[i]) {
			fprintf(stderr, "ranks: %s leaves a hole\n", m->name);
			exit(1);
		}
	meet(); /* sources may be destinations */
	memcpy(own->dst, dst, end * (uint64_t)size);
	free(dst);
	free(seen);
}

/* Done when it returns: there is nothing to finish. */
static lt_token
naive_start(struct lt *rt, const struct lt_move *m, int n,
    const struct lt_pair *pair)
{
	world.move[rt->rank] = m;
	world.pair[rt->rank] = pair;
	meet();
	for (int i = 0; i < n; i++)
		exchange(rt, m, i);
	meet();
	return 0;
}

#endif
