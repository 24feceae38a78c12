/* What a step of a communication moves. */
#include "runtime/comm/op.h"

/* So few bytes are cheaper copied than waited for. */
enum { SMALL = 256 };

static uint64_t
total(const struct lt_op *op)
{
	uint64_t n = 0;

	for (int i = 0; i < op->npair; i++)
		n += op->pair[i].count;
	return n * lt_dtype_size(op->move->type);
}

/* Everybody gets all of the source. */
static bool
is_uniform(const struct lt_op *op)
{
	if (op->phase != LT_PHASE_MOVE)
		return op->phase == LT_PHASE_WHOLE;
	for (int h = 0; op->move->kind != LT_SHIFT && h < op->move->n; h++)
		if (op->move->hop[h].to >= 0)
			return false;
	return true;
}

void
lt_op_set(struct lt_op *op, const struct lt_move *m,
    const struct lt_group *g, enum lt_phase phase, int npair,
    const struct lt_pair *pair)
{
	*op = (struct lt_op){.move = m, .group = *g, .phase = phase,
	    .to = LT_OP_ALL, .from = LT_OP_ALL, .npair = npair, .pair = pair};
	if (m->kind == LT_SHIFT) {
		op->to = lt_group_shifted(g, m, 1);
		op->from = lt_group_shifted(g, m, -1);
	}
	if (is_uniform(op) && total(op) <= SMALL)
		op->small = total(op);
}

bool
lt_op_sends(const struct lt_op *op, int member)
{
	return member != op->group.me &&
	    (op->to == LT_OP_ALL || op->to == member);
}

bool
lt_op_takes(const struct lt_op *op, int member)
{
	return member != op->group.me &&
	    (op->from == LT_OP_ALL || op->from == member);
}

static bool
hop_adds(const struct lt_op *op, int hop)
{
	if (op->phase == LT_PHASE_MOVE)
		return op->move->hop[hop].from < 0;
	return op->phase != LT_PHASE_SPREAD;
}

int
lt_op_place(const struct lt_op *op, int member)
{
	const struct lt_group *g = &op->group;
	int at = 0;

	for (int h = 0; h < g->nhop; h++) {
		int stride = 1;

		for (int k = 0; k < g->nhop; k++)
			if (op->move->hop[k].axis > op->move->hop[h].axis)
				stride *= g->size[k];
		at += lt_group_coord(g, member, h) * stride;
	}
	return at;
}

bool
lt_op_sums(const struct lt_op *op)
{
	bool any = false;

	for (int h = 0; h < op->move->n; h++)
		any |= hop_adds(op, h);
	return any;
}

bool
lt_op_leads(const struct lt_op *op, int member)
{
	for (int h = 0; h < op->move->n; h++)
		if (hop_adds(op, h) &&
		    lt_group_coord(&op->group, member, h) > 0)
			return false;
	return true;
}

bool
lt_op_adds(const struct lt_op *op, int leader, int member)
{
	for (int h = 0; h < op->move->n; h++)
		if (!hop_adds(op, h) &&
		    lt_group_coord(&op->group, member, h) !=
		    lt_group_coord(&op->group, leader, h))
			return false;
	return true;
}

/* ---- pieces ---- */

/* Member i of n adds up [lo, hi) of count elements. */
static uint64_t
part_begin(uint64_t count, int i, int n)
{
	return count / (uint64_t)n * (uint64_t)i +
	    count % (uint64_t)n * (uint64_t)i / (uint64_t)n;
}

static struct lt_piece
flat_piece(uint64_t lo, uint64_t len)
{
	return (struct lt_piece){{.rows = 1, .len = len}, lo, lo};
}

static struct lt_piece
part_piece(const struct lt_op *op, uint64_t count, int owner)
{
	uint64_t lo = part_begin(count, owner, op->group.n);

	return flat_piece(lo, part_begin(count, owner + 1, op->group.n) - lo);
}

/* Where block number `block` of a dimension begins: the sizes after it. */
static uint64_t
begin(int rank, const uint64_t shape[], const uint64_t block[],
    const uint64_t len[])
{
	uint64_t at = 0;

	for (int i = 0; i < rank; i++)
		at = at * shape[i] + block[i] * len[i];
	return at;
}

static struct lt_piece
block_piece(const struct lt_op *op, uint64_t count, int sender, int receiver)
{
	const struct lt_move *m = op->move;
	int rank = m->rank ? m->rank : 1;
	uint64_t src[LT_RANK_MAX], dst[LT_RANK_MAX], len[LT_RANK_MAX];
	uint64_t to[LT_RANK_MAX] = {0}, from[LT_RANK_MAX] = {0};
	struct lt_piece p;

	for (int i = 0; i < rank; i++)
		src[i] = len[i] = rank == 1 ? count : m->src[i];
	for (int h = 0; h < m->n; h++) {
		int t = m->hop[h].to;

		if (t < 0)
			continue;
		len[t] /= (uint64_t)op->group.size[h];
		to[t] = to[t] * (uint64_t)op->group.size[h] +
		    (uint64_t)lt_group_coord(&op->group, receiver, h);
	}
	for (int i = 0; i < rank; i++)
		dst[i] = len[i];
	for (int h = 0; h < m->n; h++) {
		int f = m->hop[h].from;

		if (f < 0)
			continue;
		dst[f] *= (uint64_t)op->group.size[h];
		from[f] = from[f] * (uint64_t)op->group.size[h] +
		    (uint64_t)lt_group_coord(&op->group, sender, h);
	}
	p.nest = lt_nest_of(rank, len, src, dst);
	p.src = begin(rank, src, to, len);
	p.dst = begin(rank, dst, from, len);
	return p;
}

struct lt_piece
lt_op_piece(const struct lt_op *op, int pair, int sender, int receiver)
{
	uint64_t count = op->pair[pair].count;

	switch (op->phase) {
	case LT_PHASE_SUM:
		return part_piece(op, count, receiver);
	case LT_PHASE_SPREAD:
		return part_piece(op, count, sender);
	case LT_PHASE_WHOLE:
		return flat_piece(0, count);
	case LT_PHASE_MOVE:
		break;
	}
	return op->move->kind == LT_SHIFT ? flat_piece(0, count) :
	    block_piece(op, count, sender, receiver);
}

const char *
lt_op_src(const struct lt_op *op, int pair)
{
	return op->phase == LT_PHASE_SPREAD ? op->pair[pair].dst :
	    op->pair[pair].src;
}

uint64_t
lt_op_bytes(const struct lt_op *op, int sender, int receiver)
{
	uint64_t n = 0;

	for (int i = 0; i < op->npair; i++) {
		struct lt_nest x = lt_op_piece(op, i, sender, receiver).nest;

		n += x.rows * x.len;
	}
	return n * lt_dtype_size(op->move->type);
}
