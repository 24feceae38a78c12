/* All ranks together: moves of bytes over the whole mesh. */
#include "runtime/comm/world.h"

#include <string.h>

#include "runtime/comm/comm.h"

/* Bytes travel as elements of four; what is left over, in one more. */
enum { WORD = 4 };

static struct lt_move
move_of(const struct lt_comm *c, const char *name, enum lt_move_kind kind)
{
	struct lt_move m = {.name = name, .kind = (uint8_t)kind,
	    .lane = LT_LANE_WORLD, .type = LT_I32,
	    .n = (uint8_t)c->prog->naxis, .rank = 1};

	for (int i = 0; i < c->prog->naxis; i++)
		m.hop[i] = (struct lt_hop){(int8_t)i,
		    kind == LT_GATHER ? 0 : -1, -1, 0};
	return m;
}

/* One step on every rank; `from` and `to` are members (ranks), as in op.h. */
static void
run(struct lt_comm *c, const struct lt_move *m, int from, int to,
    const void *src, void *dst, uint64_t words)
{
	struct lt_group g = lt_group_of(c->prog, c->coord, m);
	struct lt_op *op = &c->all.op;

	c->all.pair = (struct lt_pair){dst, src, words};
	lt_op_set(op, m, &g, LT_PHASE_MOVE, 1, &c->all.pair);
	op->from = from;
	op->to = to;
	lt_comm_run(c, op);
}

static uint64_t
words_of(uint64_t n)
{
	return n / WORD;
}

/* The last n % WORD bytes, padded. */
static void
tail(struct lt_comm *c, const struct lt_move *m, int from, int to,
    const char *src, char *dst, uint64_t n)
{
	uint64_t left = n % WORD;
	uint32_t out = 0, in = 0;

	if (!left)
		return;
	if (src)
		memcpy(&out, src + n - left, left);
	run(c, m, from, to, &out, &in, 1);
	if (dst && from >= 0)
		memcpy(dst + n - left, &in, left);
}

void
lt_world_copy(struct lt *rt, int from, int to, const void *src, void *dst,
    uint64_t n)
{
	struct lt_comm *c = rt->comm;
	bool sends = rt->rank == from, takes = rt->rank == to;
	struct lt_move m;
	int in, out;

	if (from == to) {
		if (takes && n && src != dst)
			memmove(dst, src, n);
		return;
	}
	m = move_of(c, "copy", LT_SHIFT);
	in = takes ? from : LT_OP_NOBODY;
	out = sends ? to : LT_OP_NOBODY;
	if (words_of(n))
		run(c, &m, in, out, sends ? src : NULL, takes ? dst : NULL,
		    words_of(n));
	tail(c, &m, in, out, sends ? src : NULL, takes ? dst : NULL, n);
}

void
lt_world_broadcast(struct lt *rt, void *data, uint64_t n)
{
	struct lt_comm *c = rt->comm;
	bool root = rt->rank == 0;
	struct lt_move m;
	int in = root ? LT_OP_NOBODY : 0, out = root ? LT_OP_ALL :
	    LT_OP_NOBODY;

	if (rt->ranks == 1)
		return;
	m = move_of(c, "broadcast", LT_SHIFT);
	if (words_of(n))
		run(c, &m, in, out, root ? data : NULL, root ? NULL : data,
		    words_of(n));
	tail(c, &m, in, out, root ? data : NULL, root ? NULL : data, n);
}

void
lt_world_gather(struct lt *rt, const void *mine, uint64_t n, void *all)
{
	char *to = all;

	if (to && n)
		memmove(to, mine, n);
	for (int r = 1; r < rt->ranks; r++)
		lt_world_copy(rt, r, 0, mine, to ? to + (uint64_t)r * n :
		    NULL, n);
}

int64_t
lt_world_agree(struct lt *rt, int64_t mine)
{
	struct lt_comm *c = rt->comm;
	struct lt_move m;
	int64_t most = mine, *all = c ? c->agreed : NULL;

	if (rt->ranks == 1)
		return mine;
	m = move_of(c, "agreement", LT_GATHER);
	run(c, &m, LT_OP_ALL, LT_OP_ALL, &mine, all, sizeof mine / WORD);
	for (int r = 0; r < rt->ranks; r++)
		most = all[r] > most ? all[r] : most;
	return most;
}

void
lt_world_barrier(struct lt *rt)
{
	(void)lt_world_agree(rt, 0);
}
