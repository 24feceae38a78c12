/*
 * Which blocks of queries and keys meet: empty, partly, fully.  Every block
 * keeps the range of its positions and of its document ids; the ranges
 * decide, so runs in any order (zigzag) and rings need no case of their own.
 */
#include "runtime/cpu/attn_mask.h"

#include <string.h>

static size_t
round64(size_t n)
{
	return (n + 63) / 64 * 64;
}

static int
blocks(uint32_t rows)
{
	return rows / AB + (rows % AB != 0);
}

static size_t
side_bytes(uint32_t rows, uint32_t b)
{
	size_t n = blocks(rows);
	size_t one = round64(n * AB * sizeof(int32_t)) +
	    round64(n * sizeof(struct range));

	return one * (1 + b);
}

size_t
attn_mask_bytes(const struct lt_attn *p)
{
	return side_bytes(p->sq, p->b) + side_bytes(p->sk, p->b);
}

static void *
take(char **memory, size_t bytes)
{
	void *p = *memory;

	*memory += round64(bytes);
	return p;
}

static void
spread(const struct lt_runs *runs, uint32_t rows, int32_t *pos)
{
	uint64_t i;
	uint32_t at = 0, r;

	for (r = 0; r < runs->n; r++)
		for (i = 0; i < runs->r[r].len && at < rows; i++)
			pos[at++] = (int32_t)(runs->r[r].start + i);
	for (; runs->n == 0 && at < rows; at++)
		pos[at] = (int32_t)at;
}

static void
find_ranges(const int32_t *x, uint32_t rows, struct range *out)
{
	uint32_t i;

	for (i = 0; i < rows; i++, x++) {
		struct range *r = &out[i / AB];

		if (i % AB == 0)
			*r = (struct range){ *x, *x };
		r->lo = *x < r->lo ? *x : r->lo;
		r->hi = *x > r->hi ? *x : r->hi;
	}
}

static void
make_side(struct side *s, uint32_t rows, uint32_t b, const struct lt_runs *runs,
    const int32_t *doc, char **memory)
{
	size_t n = blocks(rows), i;

	s->blocks = (int)n;
	s->pos = take(memory, n * AB * sizeof(*s->pos));
	s->pos_range = take(memory, n * sizeof(*s->pos_range));
	for (i = rows; i < n * AB; i++)
		s->pos[i] = INT32_MAX;
	spread(runs, rows, s->pos);
	find_ranges(s->pos, rows, s->pos_range);
	s->doc = NULL;
	if (doc == NULL)
		return;
	s->doc = take(memory, b * n * AB * sizeof(*s->doc));
	s->doc_range = take(memory, b * n * sizeof(*s->doc_range));
	for (i = 0; i < b; i++) {
		memset(s->doc + i * n * AB, 0, n * AB * sizeof(*s->doc));
		memcpy(s->doc + i * n * AB, doc + i * rows,
		    rows * sizeof(*s->doc));
		find_ranges(doc + i * rows, rows, s->doc_range + i * n);
	}
}

void
attn_mask_make(struct attn_mask *m, const struct lt_attn *p, void *memory)
{
	char *at = memory;

	m->p = p;
	make_side(&m->q, p->sq, p->b, &p->qpos, p->qdoc, &at);
	make_side(&m->k, p->sk, p->b, &p->kpos, p->kdoc, &at);
}

static enum block_kind
worse(enum block_kind a, enum block_kind b)
{
	return a < b ? a : b;
}

static enum block_kind
causal_kind(struct range q, struct range k)
{
	if (k.lo > q.hi)
		return BLOCK_EMPTY;
	return k.hi <= q.lo ? BLOCK_FULL : BLOCK_PART;
}

static enum block_kind
window_kind(struct range q, struct range k, int64_t window)
{
	if ((int64_t)q.lo - k.hi >= window)
		return BLOCK_EMPTY;
	return (int64_t)q.hi - k.lo < window ? BLOCK_FULL : BLOCK_PART;
}

static enum block_kind
doc_kind(struct range q, struct range k)
{
	if (q.hi < k.lo || k.hi < q.lo)
		return BLOCK_EMPTY;
	return q.lo == q.hi && k.lo == k.hi ? BLOCK_FULL : BLOCK_PART;
}

enum block_kind
lt_attn_block(const struct attn_mask *m, uint32_t b, uint32_t i, uint32_t j)
{
	struct range q = m->q.pos_range[i], k = m->k.pos_range[j];
	enum block_kind kind = BLOCK_FULL;

	if ((j + 1) * AB > m->p->sk)
		kind = BLOCK_PART; /* the last block is not full of keys */
	if (m->p->causal)
		kind = worse(kind, causal_kind(q, k));
	if (m->p->window > 0)
		kind = worse(kind, window_kind(q, k, m->p->window));
	if (m->q.doc != NULL)
		kind = worse(kind, doc_kind(
		    m->q.doc_range[(size_t)b * m->q.blocks + i],
		    m->k.doc_range[(size_t)b * m->k.blocks + j]));
	return kind;
}
