/*
 * attn_tasks: which tiles of which heads a block of a grid takes that is as
 * large as the GPU: number blockIdx.x, and every gridDim.x-th after it.
 *
 * Heads go by sections whose other side fits in the L2 cache; in a section, tile
 * after tile of all heads, those with most work under a causal mask first.
 */
#pragma once

/* Rows from `row` on of head h of batch item b. */
struct attn_task {
	int row, h, b;
};

/* Task number i of `tiles` tiles of each of `all` heads, `heads` of them in a
 * batch item; row is the number of the tile. */
LK_FN attn_task
attn_task_number(int i, int tiles, int heads, int all, int section)
{
	const int first = i / (tiles * section) * section;
	const int n = attn_min(section, all - first), j = i - first * tiles;
	const int head = first + j % n;

	return attn_task{j / n, head % heads, head / heads};
}

/* Tiles of `size` rows. */
LK_FN int attn_tiles(int rows, int size) { return (rows + size - 1) / size; }

/* Over tiles of `rows` queries of the query heads: how many, and the i-th. */
LK_FN int
attn_tasks(const attn_tma_args &a, int rows)
{
	return attn_tiles(a.at.sq, rows) * a.at.heads * a.at.group * a.at.b;
}

LK_FN attn_task
attn_task_of(const attn_tma_args &a, int i, int rows)
{
	const int heads = a.at.heads * a.at.group, tiles = attn_tiles(a.at.sq, rows);
	attn_task t = attn_task_number(i, tiles, heads, heads * a.at.b, a.section);

	t.row = (tiles - 1 - t.row) * rows;
	return t;
}

/* Over tiles of `rows` keys of the heads that have keys. */
LK_FN int
attn_key_tasks(const attn_tma_args &a, int rows)
{
	return attn_tiles(a.at.sk, rows) * a.at.heads * a.at.b;
}

LK_FN attn_task
attn_key_task_of(const attn_tma_args &a, int i, int rows)
{
	attn_task t = attn_task_number(i, attn_tiles(a.at.sk, rows), a.at.heads,
	    a.at.heads * a.at.b, a.section);

	t.row *= rows;
	return t;
}
