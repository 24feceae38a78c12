/* Blocks of flat images and the boxes of tensors in them. */
#include "runtime/state/box.h"

#include "runtime/comm/group.h"
#include "support/size.h"

int
lt_flat_blocks(const struct lt_program *p, const struct lt_flat *f)
{
	int n = 1;

	for (int i = 0; i < f->n; i++)
		n *= p->axis_size[f->axis[i]];
	return n;
}

int
lt_flat_block(const struct lt_program *p, const struct lt_flat *f, int rank)
{
	int coord[LT_AXES_MAX] = {0}, block = 0;

	lt_mesh_coord(p, rank, coord);
	for (int i = 0; i < f->n; i++)
		block = block * p->axis_size[f->axis[i]] + coord[f->axis[i]];
	return block;
}

static const struct lt_flat *
flat_of(const struct lt_program *p, const struct lt_tensor *t)
{
	return t->flat < 0 ? NULL : &p->flat[t->flat];
}

int
lt_box_blocks(const struct lt_program *p, const struct lt_tensor *t)
{
	return t->flat < 0 ? 1 : lt_flat_blocks(p, flat_of(p, t));
}

int
lt_box_block(const struct lt_program *p, const struct lt_tensor *t, int rank)
{
	return t->flat < 0 ? 0 : lt_flat_block(p, flat_of(p, t), rank);
}

/* Coordinate 0 on every axis that does not cut. */
int
lt_box_owner(const struct lt_program *p, const struct lt_tensor *t, int block)
{
	const struct lt_flat *f = flat_of(p, t);
	int coord[LT_AXES_MAX] = {0}, rank = 0;

	for (int i = f ? f->n - 1 : -1; i >= 0; i--) {
		coord[f->axis[i]] = block % p->axis_size[f->axis[i]];
		block /= p->axis_size[f->axis[i]];
	}
	for (int i = 0; i < p->naxis; i++)
		rank = rank * p->axis_size[i] + coord[i];
	return rank;
}

uint64_t
lt_box_layers(const struct lt_program *p, const struct lt_tensor *t)
{
	return t->flat < 0 ? 1 : flat_of(p, t)->layers;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct lt_box
lt_box_from(const struct lt_program *p, const struct lt_tensor *t, uint64_t at)
{
	const struct lt_flat *f = flat_of(p, t);
	uint64_t each, size, layer, in, place;

	if (at >= t->count)
		return (struct lt_box){.at = at};
	if (!f)
		return (struct lt_box){at, t->count - at, at, 0};
	each = t->count / f->layers;
	size = f->image / (uint64_t)lt_flat_blocks(p, f);
	layer = at / each;
	in = at % each;
	place = t->at + in;
	return (struct lt_box){at, least(size - place % size, each - in),
	    layer * size + place % size, (int)(place / size)};
}

struct lt_box
lt_box_of(const struct lt_program *p, const struct lt_tensor *t, int block,
    uint64_t layer)
{
	const struct lt_flat *f = flat_of(p, t);
	uint64_t each, size, begin;

	if (!f)
		return lt_box_from(p, t, 0);
	each = t->count / f->layers;
	size = f->image / (uint64_t)lt_flat_blocks(p, f);
	begin = size * (uint64_t)block;
	if (begin >= t->at + each || begin + size <= t->at)
		return (struct lt_box){.block = block};
	begin = begin > t->at ? begin - t->at : 0;
	return lt_box_from(p, t, layer * each + begin);
}

bool
lt_box_valid(const struct lt_program *p, const struct lt_tensor *t)
{
	const struct lt_flat *f;
	uint64_t n = 1, end;

	for (int i = 0; i < t->rank; i++)
		if (!size_mul(n, t->shape[i], &n))
			return false;
	if (n != t->count || t->flat >= p->nflat)
		return false;
	if (t->flat < 0)
		return true;
	f = flat_of(p, t);
	return f->layers > 0 && n % f->layers == 0 &&
	    f->image % (uint64_t)lt_flat_blocks(p, f) == 0 &&
	    size_add(t->at, n / f->layers, &end) && end <= f->image;
}
