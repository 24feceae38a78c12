/*
 * attn: which tiles of queries and keys meet, and the mask inside a tile.
 *
 * A key at position y is visible to a query at position x if
 *	causal      y <= x
 *	window > 0  x - y < window
 *	documents   both have the same id
 * all hold.  Positions are given by runs (struct attn_rows).  A tile knows the
 * range of its positions and of its documents, and these ranges decide: nobody
 * sees (the tile is skipped), some see (it is masked), all see.  So zigzag
 * shards, rings and windows have no case of their own.
 */
#pragma once

#define ATTN_LOG2E 1.44269504088896340736f
#define ATTN_LN2 0.69314718055994530942f
#define ATTN_INT_MAX 0x7fffffff

struct attn_range {
	int lo, hi;
};

struct attn_tile {
	attn_range pos, doc;
	bool whole; /* not cut by the end of the sequence */
};

LK_FN int attn_min(int a, int b) { return a < b ? a : b; }
LK_FN int attn_max(int a, int b) { return a > b ? a : b; }

LK_FN int
attn_position(const attn_rows &r, int i)
{
	int off = r.off[0];

	for (int j = 1; j < r.n; j++)
		off = i >= r.at[j] ? r.off[j] : off;
	return i + off;
}

LK_FN attn_range
attn_positions(const attn_rows &r, int begin, int end)
{
	attn_range x = {ATTN_INT_MAX, -1};

	for (int j = 0; j < r.n; j++) {
		int lo = attn_max(begin, r.at[j]), hi = attn_min(end, r.at[j + 1]);

		if (lo < hi) {
			x.lo = attn_min(x.lo, lo + r.off[j]);
			x.hi = attn_max(x.hi, hi - 1 + r.off[j]);
		}
	}
	return x;
}

/* One side of attention in one batch item. */
struct attn_side {
	const attn_rows *pos;
	const int *span; /* ranges of documents, ATTN_GRAIN rows each; NULL */
	int rows;
};

LK_FN attn_side
attn_queries(const attn_args &a, int b)
{
	int n = (a.sq + ATTN_GRAIN - 1) / ATTN_GRAIN;

	return attn_side{&a.qpos, a.qspan ? a.qspan + (i64)b * n * 2 : nullptr, a.sq};
}

LK_FN attn_side
attn_keys(const attn_args &a, int b)
{
	int n = (a.sk + ATTN_GRAIN - 1) / ATTN_GRAIN;

	return attn_side{&a.kpos, a.kspan ? a.kspan + (i64)b * n * 2 : nullptr, a.sk};
}

/* Rows row .. row + n - 1, n a multiple of ATTN_GRAIN. */
LK_FN attn_tile
attn_tile_of(const attn_side &s, int row, int n)
{
	int end = attn_min(row + n, s.rows);
	attn_tile t = {attn_positions(*s.pos, row, end), {0, 0}, row + n <= s.rows};

	if (!s.span)
		return t;
	t.doc = {ATTN_INT_MAX, -ATTN_INT_MAX - 1};
	for (int i = row / ATTN_GRAIN; i * ATTN_GRAIN < end; i++) {
		t.doc.lo = attn_min(t.doc.lo, s.span[2 * i]);
		t.doc.hi = attn_max(t.doc.hi, s.span[2 * i + 1]);
	}
	return t;
}

enum { ATTN_EMPTY, ATTN_PART, ATTN_FULL };

LK_FN int
attn_kind(const attn_args &a, const attn_tile &q, const attn_tile &k)
{
	bool some = true, all = k.whole;

	if (a.causal) {
		some = some && k.pos.lo <= q.pos.hi;
		all = all && k.pos.hi <= q.pos.lo;
	}
	if (a.window) {
		some = some && q.pos.lo - k.pos.hi < a.window;
		all = all && q.pos.hi - k.pos.lo < a.window;
	}
	if (a.qdoc) {
		some = some && q.doc.lo <= k.doc.hi && k.doc.lo <= q.doc.hi;
		all = all && q.doc.lo == q.doc.hi && k.doc.lo == k.doc.hi;
	}
	return !some ? ATTN_EMPTY : all ? ATTN_FULL : ATTN_PART;
}

/* The lowest bit that is set, by way of its exponent as a float. */
LK_FN int
attn_first_bit(u32 x)
{
	return (int)(lk_f2u((float)(x & (0u - x))) >> 23) - 127;
}

/*
 * A walk over the tiles of the other side that tile `mine` meets, in order.
 * The lanes of a warp look at 32 tiles at a time; all warps find the same.
 */
struct attn_walk {
	attn_tile mine;
	attn_side other;
	int size;    /* rows of a tile of the other side */
	int base;    /* first of the 32 tiles looked at */
	u32 some, part;
};

LK_FN attn_walk
attn_walk_begin(const attn_tile &mine, const attn_side &other, int size)
{
	return attn_walk{mine, other, size, -32, 0, 0};
}

/* The next tile's number * 2 + (1 if it must be masked); -1 after the last. */
template <bool KEYS>
LK_FN int
attn_walk_next(const attn_args &a, attn_walk &w, int lane)
{
	while (!w.some) {
		int kind = ATTN_EMPTY, t = (w.base += 32) + lane;

		if (w.base * (i64)w.size >= w.other.rows)
			return -1;
		if (t * (i64)w.size < w.other.rows) {
			attn_tile x = attn_tile_of(w.other, t * w.size, w.size);

			kind = KEYS ? attn_kind(a, w.mine, x) : attn_kind(a, x, w.mine);
		}
		w.some = lk_ballot(kind != ATTN_EMPTY);
		w.part = lk_ballot(kind == ATTN_PART);
	}
	int i = attn_first_bit(w.some);

	w.some &= w.some - 1;
	return (w.base + i) * 2 + (int)(w.part >> i & 1);
}

/* What one query sees: keys at positions lo < y <= hi, of its document. */
struct attn_sight {
	int lo, hi, doc;
};

struct attn_key {
	int y, doc;
};

LK_FN attn_sight
attn_sight_of(const attn_args &a, int b, int i)
{
	int x = attn_position(a.qpos, i);

	return attn_sight{a.window ? x - a.window : -1, a.causal ? x : ATTN_INT_MAX - 1,
	    a.qdoc && i < a.sq ? a.qdoc[(i64)b * a.sq + i] : 0};
}

LK_FN attn_key
attn_key_of(const attn_args &a, int b, int j)
{
	return attn_key{j < a.sk ? attn_position(a.kpos, j) : ATTN_INT_MAX,
	    a.kdoc && j < a.sk ? a.kdoc[(i64)b * a.sk + j] : 0};
}

LK_FN bool
attn_sees(const attn_sight &q, const attn_key &k)
{
	return k.y > q.lo && k.y <= q.hi && k.doc == q.doc;
}

/*
 * Masks a tile of scores in the layout of an m16n8 accumulator: s[4 * n + 2 * j
 * + e] is row lane / 4 + 8 * j, column 8 * n + lane % 4 * 2 + e.  Rows are
 * queries from q0 and columns keys from k0, or the other way.
 */
template <bool KEYS_ARE_ROWS, int N>
LK_FN void
attn_mask(const attn_args &a, int b, float (&s)[N], int q0, int k0, int lane)
{
	const int row = lane >> 2, col = (lane & 3) * 2;
	attn_sight q[2];
	attn_key k[2];

	LK_UNROLL for (int j = 0; j < 2; j++)
		if (KEYS_ARE_ROWS)
			k[j] = attn_key_of(a, b, k0 + row + 8 * j);
		else
			q[j] = attn_sight_of(a, b, q0 + row + 8 * j);
	LK_UNROLL for (int i = 0; i < N / 2; i++) {
		const int c = i / 2 * 8 + col + i % 2;

		if (KEYS_ARE_ROWS)
			q[0] = q[1] = attn_sight_of(a, b, q0 + c);
		else
			k[0] = k[1] = attn_key_of(a, b, k0 + c);
		LK_UNROLL for (int j = 0; j < 2; j++) {
			float &x = s[i / 2 * 4 + 2 * j + i % 2];

			x = attn_sees(q[j], k[j]) ? x : -LK_INF;
		}
	}
}

/* z of a query for the backward pass: weights of rows that are not there or
 * saw nothing come out as 0. */
LK_FN float
attn_z2(const attn_args &a, int b, int h, int i)
{
	float z = i < a.sq ? a.z[((i64)b * a.sq + i) * (a.heads * a.group) + h] : -LK_INF;

	return z == -LK_INF ? LK_INF : z * ATTN_LOG2E;
}

LK_FN float
attn_delta(const attn_args &a, int b, int h, int i)
{
	return i < a.sq ? a.delta[((i64)b * a.sq + i) * (a.heads * a.group) + h] : 0.f;
}
