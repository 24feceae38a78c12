/* Blocks of images: which one a rank has, and AdamW on it. */
#include "runtime/loong_rt.h"

struct blocks {
	struct lt *rt;
	float *w, *m, *v;
	const float *g;
	float clip;
};

static void
update(const struct blocks *b, uint64_t at, uint64_t n, bool decay)
{
	if (n > 0)
		lt_adamw(b->rt, n, b->w + at, b->g + at, b->m + at, b->v + at,
		    NULL, b->clip, decay);
}

/* Elements first.. of an image, which lie at `at` in the arrays. */
static void
update_block(const struct blocks *b, uint64_t at, uint64_t first, uint64_t n,
    const struct lt_range *decay, int nrange)
{
	uint64_t done = first, end = first + n;

	for (int i = 0; i < nrange; i++) {
		uint64_t lo = decay[i].lo > done ? decay[i].lo : done;
		uint64_t hi = decay[i].hi < end ? decay[i].hi : end;

		if (lo >= hi)
			continue;
		update(b, at + (done - first), lo - done, false);
		update(b, at + (lo - first), hi - lo, true);
		done = hi;
	}
	update(b, at + (done - first), end - done, false);
}

void
lt_adamw_blocks(struct lt *rt, const struct lt_flat *flat,
    const struct lt_range *decay, int n, float *w, const float *g, float *m,
    float *v, float clip)
{
	struct blocks b = {rt, w, m, v, g, clip};
	uint64_t number = 0, blocks = 1, size;

	for (int i = 0; i < flat->n; i++) {
		uint64_t ranks = (uint64_t)rt->prog->axis_size[flat->axis[i]];

		number = number * ranks + (uint64_t)rt->coord[flat->axis[i]];
		blocks *= ranks;
	}
	size = flat->image / blocks;
	for (uint64_t l = 0; l < flat->layers; l++)
		update_block(&b, l * size, number * size, size, decay, n);
}
