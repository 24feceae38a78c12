#include "runtime/gpu/attn_args.h"

enum { GRID_YZ = 65535 };

static struct attn_rows
rows_of(const struct lt_runs *runs, uint32_t rows)
{
	struct attn_rows to = { .n = 1, .at = { 0, (int)rows } };
	uint64_t at = 0;

	for (uint32_t i = 0; i < runs->n && at < rows; i++) {
		to.at[i] = (int)at;
		to.off[i] = (int)((int64_t)runs->r[i].start - (int64_t)at);
		at += runs->r[i].len;
		to.n = (int)i + 1;
		to.at[i + 1] = (int)rows;
	}
	return to;
}

static bool
fits(const struct lt_attn *p)
{
	uint64_t heads = (uint64_t)p->k * p->g;

	return p->b <= GRID_YZ && heads <= GRID_YZ && p->sq < INT32_MAX / 2 &&
	    p->sk < INT32_MAX / 2 && p->scale > 0;
}

bool
lt_attn_args(struct attn_args *a, const struct lt_attn *p)
{
	*a = (struct attn_args){
		.qdoc = p->qdoc, .kdoc = p->kdoc,
		.qpos = rows_of(&p->qpos, p->sq),
		.kpos = rows_of(&p->kpos, p->sk),
		.b = (int)p->b, .sq = (int)p->sq, .sk = (int)p->sk,
		.heads = (int)p->k, .group = (int)p->g,
		.causal = p->causal, .add = p->acc, .scale = p->scale,
	};
	/* Positions are below INT32_MAX: so far back sees everything. */
	if (p->window < INT32_MAX)
		a->window = (int)p->window;
	return fits(p);
}

uint64_t
lt_attn_spans(uint32_t b, uint32_t rows)
{
	return (uint64_t)b * (((uint64_t)rows + ATTN_GRAIN - 1) / ATTN_GRAIN);
}
