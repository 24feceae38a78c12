/*
 * How far a ring goes and what it costs.
 *
 * Ranks that hold blocks of keys along one axis form one ring.  With two axes
 * (co, ci) each window of |co| is a ring over ci, on keys that came one hop
 * over co: a Double-Ring.  Windows are blocks of consecutive ranks, because
 * co is the major axis of the shard.
 *
 * Bytes that one rank sends, n blocks visited, m the bytes of a block:
 *
 *	keys travel      (n-1) m(k,v,kdoc) + n m(dk,dv in f32)
 *	queries travel   (n-1) m(do,q,z,D,qdoc) + n m(dq in f32)
 *
 * The n-th hop of the gradients brings them home.  A halo (the
 * window ends within the piece before) is the end of each piece, once, and
 * one hop of its gradients back.
 */
#include "config.h"

#include "passes/ring.h"

#include <string.h>

enum { MASK_WINDOW = 2, MASK_SAME = 3 }; /* mask_words */

const struct dim *
ring_dim(const struct op *op, const struct type *k)
{
	for (int i = 0; i < k->rank; i++)
		if (dim_axes(&k->d[i]) & op_axes(op))
			return &k->d[i];
	return NULL;
}

static bool
refuse(const struct ring *r, const char *why)
{
	diag_error(r->m->diag, r->op->at, "%s: %s", op_info[r->op->code].name,
	    why);
	return false;
}

/* Axes in the order of k's shards: the last is the inner ring. */
static bool
find_axes(struct ring *r, const struct dim *d)
{
	int n = 0;

	for (int i = 0; i < d->n; i++)
		for (int j = 0; j < d->s[i].n; j++) {
			if (n++ == RING_LEVELS)
				return refuse(r, "keys lie along more than "
				    "two mesh axes: rings nest two deep");
			r->axis[OUTER] = r->axis[INNER];
			r->axis[INNER] = d->s[i].c[j].axis;
		}
	return true;
}

static int64_t
axis_size(const struct ring *r, int level)
{
	return r->axis[level] < 0 ? 1 : r->m->axis[r->axis[level]].size;
}

/*
 * A query sees window keys, its own included: of pieces of consecutive
 * positions, its own and ceil((window-1)/piece) before it.  With blocks those
 * are ranks before.  A zigzag has two pieces on a rank, in opposite order, so
 * they are ranks on both sides.  With two rings, the pieces are those of all
 * ranks of a window.
 */
static void
shorten(struct ring *r, const struct dim *d)
{
	int level = r->axis[OUTER] >= 0 ? OUTER : INNER;
	bool zigzag = d->s[0].kind == SHARD_ZIGZAG;
	uint64_t n = (uint64_t)axis_size(r, level);
	uint64_t piece = module_dim(r->m, d->name)->size / n >> zigzag;
	uint64_t reach = (uint64_t)op_int(r->op, ATTR_WINDOW) - 1, far;

	if (op_int(r->op, ATTR_MASK) != MASK_WINDOW || d->n != 1)
		return;
	far = reach / piece + (reach % piece != 0);
	if (level == INNER && far == 1 && reach < piece)
		r->reach = reach;
	r->piece = piece;
	r->pieces = 1 + zigzag;
	if ((zigzag ? 2 * far : far) + 1 >= n)
		return;
	r->steps[level] = (int64_t)far + 1;
	r->back = zigzag ? (int64_t)far : 0;
}

static const struct type *
in_f32(struct module *m, const struct type *t)
{
	return type_with_dtype(m, t, DT_F32);
}

bool
ring_plan(struct ring *r, struct module *m, struct func *f, struct op *op,
    int depth)
{
	const struct type *k;
	const struct dim *d;

	memset(r, 0, sizeof *r);
	r->m = m;
	r->f = f;
	r->op = op;
	r->depth = depth;
	r->backward = op->code == OP_ATTN_BWD;
	r->nacc = op->nout;
	for (int i = 0; i < r->nacc; i++)
		r->acc[i] = in_f32(m, op->out[i]->type);
	k = arg_type(m, &op->in[r->backward ? 2 : 1]);
	d = ring_dim(op, k);
	r->axis[OUTER] = r->axis[INNER] = -1;
	if (d && !find_axes(r, d))
		return false;
	if (depth + 1 + (r->axis[OUTER] >= 0) > MAX_LOOPS)
		return refuse(r, "is inside too many loops to become a ring");
	r->steps[OUTER] = axis_size(r, OUTER);
	r->steps[INNER] = axis_size(r, INNER);
	if (d)
		shorten(r, d);
	ring_choose(r, false);
	return true;
}

void
ring_choose(struct ring *r, bool queries)
{
	static const unsigned keys = 1u << RING_K | 1u << RING_V |
	    1u << RING_KDOC;
	static const unsigned asks = 1u << RING_DO | 1u << RING_Q |
	    1u << RING_Z | 1u << RING_D | 1u << RING_QDOC;
	bool part = r->steps[INNER] < axis_size(r, INNER) ||
	    r->steps[OUTER] < axis_size(r, OUTER);

	r->travels = queries ? asks : keys;
	r->acc_travels = !r->backward ? 0 : queries ? 1u : 6u;
	/* A whole ring may turn either way; queries are wanted by the ranks
	 * before theirs, keys by those after. */
	r->dir = queries && part ? 1 : -1;
	r->halo = !queries && r->reach;
}

/* Of what has this many bytes on a rank, the part that is a halo. */
static uint64_t
halo(const struct ring *r, uint64_t bytes)
{
	return bytes / r->piece * r->reach;
}

static uint64_t
bytes(const struct ring *r, int operand)
{
	return operand < r->op->nin ? type_local_bytes(r->m,
	    arg_type(r->m, &r->op->in[operand])) : 0;
}

/* Operands of attn.bwd: do, q, k, v, z, D [, doc]. */
struct ring_block
ring_block(const struct ring *r, bool queries)
{
	uint64_t doc = bytes(r, r->backward ? 6 : 3);
	int k = r->backward ? 2 : 1;
	struct ring_block b = {.block = doc};

	if (queries)
		b.block += bytes(r, 0) + bytes(r, 1) + bytes(r, 4) +
		    bytes(r, 5);
	else
		b.block += bytes(r, k) + bytes(r, k + 1);
	for (int i = queries ? 0 : 1; r->backward && i < (queries ? 1 : 3);
	    i++)
		b.sums += type_local_bytes(r->m, r->acc[i]);
	if (!queries && r->reach) {
		b.block = halo(r, b.block);
		b.sums = halo(r, b.sums);
	}
	return b;
}

struct ring_price
ring_price(const struct ring *r)
{
	uint64_t all = (uint64_t)(r->steps[OUTER] * r->steps[INNER]);
	uint64_t n = all + (uint64_t)(r->back * (r->axis[OUTER] >= 0 ?
	    r->steps[INNER] : 1));
	uint64_t home = n - (n == 1);
	struct ring_block k = ring_block(r, false), q = ring_block(r, true);
	struct ring_price p = {.kv = r->reach ? k.block + k.sums :
	    (n - 1) * k.block + home * k.sums};

	if (!r->backward)
		return p;
	p.q = (n - 1) * q.block + home * q.sums;
	p.kv_seconds = ring_seconds(r, false);
	p.q_seconds = ring_seconds(r, true);
	return p;
}
