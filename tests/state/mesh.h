/*
 * A program of odd sizes on any mesh, and where each of its numbers lies
 * found the slow way: element by element through the image.
 *
 *	layers   3 images of fields that need 7, 15, 1, 130 elements
 *	rest     1 image of a field of 101
 *	norm     whole on every rank, 9 elements; one moment
 */
#ifndef TESTS_STATE_MESH_H
#define TESTS_STATE_MESH_H

#include "tests/comm/ranks.h"
#include "tests/state/fixture.h"

enum { FIELDS = 4, TENSORS = FIELDS + 2, LAYERS = 3, AXES = 4 };

/* Sizes of the axes, and which of them cut layers and rest, major first. */
struct mesh {
	int naxis, size[AXES];
	int nlayers, layers[AXES], nrest, rest[AXES];
};

static const struct mesh meshes[] = {
	{0, {0}, 0, {0}, 0, {0}},
	{1, {2}, 1, {0}, 1, {0}},
	{1, {2}, 1, {0}, 0, {0}},
	{1, {3}, 1, {0}, 1, {0}},
	{1, {4}, 0, {0}, 1, {0}},
	{1, {5}, 1, {0}, 1, {0}},
	{1, {7}, 1, {0}, 0, {0}},
	{2, {2, 2}, 2, {0, 1}, 1, {1}},
	{2, {2, 2}, 2, {1, 0}, 2, {0, 1}},
	{2, {2, 3}, 1, {1}, 2, {1, 0}},
	{2, {3, 2}, 1, {0}, 1, {1}},
	{2, {3, 3}, 2, {1, 0}, 1, {0}},
	{2, {4, 2}, 1, {1}, 0, {0}},
	{3, {2, 2, 2}, 3, {0, 1, 2}, 1, {2}},
	{3, {2, 2, 2}, 3, {2, 0, 1}, 2, {2, 1}},
	{3, {2, 2, 2}, 2, {1, 2}, 2, {0, 2}},
	{3, {2, 3, 2}, 2, {2, 0}, 3, {1, 2, 0}},
	{4, {2, 2, 2, 2}, 4, {3, 1, 0, 2}, 2, {0, 3}},
};
enum { MESHES = sizeof meshes / sizeof *meshes };

/* Elements of rest; a test may make it larger than a piece. */
static uint64_t rest_count = 101;

struct model {
	struct lt_tensor tensor[TENSORS];
	struct lt_flat flat[2];
	uint64_t state; /* bytes of LT_STATE */
};

static inline uint64_t
padded(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static inline int
product(const struct mesh *m, int n, const int axis[])
{
	int p = 1;

	for (int i = 0; i < n; i++)
		p *= m->size[axis[i]];
	return p;
}

static inline struct lt_flat
model_flat(const struct mesh *m, const char *name, uint64_t layers,
    uint64_t used, int n, const int axis[], uint64_t *state)
{
	uint64_t p = (uint64_t)product(m, n, axis);
	struct lt_flat f = {.name = name, .layers = layers,
	    .image = padded(used, 16 * p), .n = (uint8_t)n};
	uint64_t bytes = layers * f.image / p * sizeof(float);

	for (int i = 0; i < n; i++)
		f.axis[i] = (uint8_t)axis[i];
	f.master = *state;
	f.grad = UINT64_MAX;
	f.moment1 = *state + bytes;
	f.moment2 = *state + 2 * bytes;
	*state += 3 * bytes;
	return f;
}

static inline void
model_tensors(struct model *m)
{
	static const struct lt_tensor tensors[TENSORS] = {
		{.name = "layer.a", .rank = 2, .shape = {LAYERS, 7},
		 .init = LT_INIT_NORMAL, .init_a = 0.5},
		{.name = "layer.b", .rank = 3, .shape = {LAYERS, 5, 3},
		 .init = LT_INIT_UNIFORM, .init_a = -1, .init_b = 1},
		{.name = "layer.c", .rank = 1, .shape = {LAYERS},
		 .init = LT_INIT_ONES},
		{.name = "layer.d", .rank = 3, .shape = {LAYERS, 10, 13},
		 .init = LT_INIT_NORMAL, .init_a = 2},
		{.name = "rest", .rank = 1, .shape = {101},
		 .init = LT_INIT_NORMAL, .init_a = 1},
		{.name = "norm", .rank = 2, .shape = {3, 3},
		 .init = LT_INIT_UNIFORM, .init_a = 0, .init_b = 3},
	};
	static const uint64_t at[TENSORS] = {0, 16, 32, 48, 0, 0};

	memcpy(m->tensor, tensors, sizeof tensors);
	for (int i = 0; i < TENSORS; i++) {
		struct lt_tensor *t = &m->tensor[i];

		if (i == FIELDS)
			t->shape[0] = rest_count;
		t->count = 1;
		for (int k = 0; k < t->rank; k++)
			t->count *= t->shape[k];
		t->flat = i < FIELDS ? 0 : i == FIELDS ? 1 : -1;
		t->at = at[i];
		t->grad = UINT64_MAX;
		t->master = t->moment1 = t->moment2 = UINT64_MAX;
	}
}

/* The whole tensor first, so that the flat parts begin somewhere. */
static inline void
model_of(struct model *m, const struct mesh *mesh)
{
	struct lt_tensor *norm = &m->tensor[TENSORS - 1];

	model_tensors(m);
	norm->master = 0;
	norm->moment1 = 64;
	m->state = 128;
	m->flat[0] = model_flat(mesh, "layers", LAYERS, 48 + 130,
	    mesh->nlayers, mesh->layers, &m->state);
	m->flat[1] = model_flat(mesh, "rest", 1, rest_count, mesh->nrest, mesh->rest,
	    &m->state);
}

static inline void
model_program(struct ranks *w, struct model *m, const struct mesh *mesh)
{
	int n = mesh->naxis;

	ranks_mesh(w, n, mesh->size);
	model_of(m, mesh);
	w->prog.name = "odd";
	w->prog.version = "test";
	w->prog.hash = 0xabc;
	w->prog.tensor = m->tensor;
	w->prog.ntensor = TENSORS;
	w->prog.flat = m->flat;
	w->prog.nflat = 2;
	w->prog.arena[LT_STATE] = m->state;
	w->prog.recipe = (struct lt_recipe){.steps = 100, .lr = 3e-4};
}

/* ---- where a number lies ---- */

/* Block number of a rank, digit by digit. */
static inline int
slow_block(const struct mesh *m, int n, const int axis[], int rank)
{
	int coord[AXES], block = 0;

	for (int i = m->naxis - 1; i >= 0; i--) {
		coord[i] = rank % m->size[i];
		rank /= m->size[i];
	}
	for (int i = 0; i < n; i++)
		block = block * m->size[axis[i]] + coord[axis[i]];
	return block;
}

/* Byte offset in LT_STATE of element i; UINT64_MAX: this rank lacks it.
 * slot: 0 master, 1 and 2 moments. */
static inline uint64_t
slow_place(const struct mesh *m, const struct model *x, int tensor, int slot,
    int rank, uint64_t i)
{
	const struct lt_tensor *t = &x->tensor[tensor];
	const struct lt_flat *f = t->flat < 0 ? NULL : &x->flat[t->flat];
	bool layers = t->flat == 0;
	int n = layers ? m->nlayers : m->nrest;
	const int *axis = layers ? m->layers : m->rest;
	uint64_t begin, block, each, place;

	if (!f) {
		const uint64_t at[] = {t->master, t->moment1, t->moment2};

		return at[slot] == UINT64_MAX ? UINT64_MAX : at[slot] + 4 * i;
	}
	begin = slot == 0 ? f->master : slot == 1 ? f->moment1 : f->moment2;
	block = f->image / (uint64_t)product(m, n, axis);
	each = t->count / f->layers;
	place = t->at + i % each;
	if (place / block != (uint64_t)slow_block(m, n, axis, rank))
		return UINT64_MAX;
	return begin + 4 * (i / each * block + place % block);
}

/* ---- what lies there ---- */

static inline float
number_of(int tensor, int slot, uint64_t i, int64_t step)
{
	return (float)(((step * 7 + tensor) * 3 + slot) * 1000 + (int64_t)i) +
	    0.25f;
}

typedef float (*number_fn)(int tensor, int slot, uint64_t i, int64_t step);

/* Padding of all parts is -1. */
static inline void
model_fill(const struct mesh *m, const struct model *x, struct lt *rt,
    int64_t step)
{
	float *s = (float *)(void *)rt->arena[LT_STATE];

	for (uint64_t i = 0; i < x->state / 4; i++)
		s[i] = -1;
	for (int k = 0; k < TENSORS; k++)
		for (int slot = 0; slot < 3; slot++)
			for (uint64_t i = 0; i < x->tensor[k].count; i++) {
				uint64_t at = slow_place(m, x, k, slot,
				    rt->rank, i);

				if (at != UINT64_MAX)
					s[at / 4] = number_of(k, slot, i,
					    step);
			}
}

/* Every byte of the state is what model_fill puts there. */
static inline bool
model_holds(const struct mesh *m, const struct model *x, struct lt *rt,
    int64_t step)
{
	struct lt want = *rt;
	bool same;

	want.arena[LT_STATE] = malloc(x->state);
	model_fill(m, x, &want, step);
	same = memcmp(want.arena[LT_STATE], rt->arena[LT_STATE], x->state)
	    == 0;
	free(want.arena[LT_STATE]);
	return same;
}

#endif
