/*
 * Initial values: element i of a tensor is drawn by counter from the stream
 * named after the tensor, as the compiler's interpreter does, whichever rank
 * stores it.
 *
 *	zeros 0    ones 1    normal a N(0,1)    uniform a + (b - a) U[0,1)
 *
 * Doubles throughout, rounded to f32 once.
 */
#include "runtime/state/state.h"

#include "runtime/cpu/pool.h"
#include "runtime/gpu/host.h"
#include "runtime/state/box.h"
#include "runtime/state/slice.h"
#include "support/rng.h"

struct fill {
	const struct lt_tensor *t;
	uint64_t seed, stream;
	struct lt_box box;
	float *x; /* of the box */
};

/* Elements that are drawn before they go to a device. */
enum { PIECE = 1 << 20 };

static float
value(const struct fill *f, uint64_t i)
{
	const struct lt_tensor *t = f->t;

	switch ((enum lt_init)t->init) {
	case LT_INIT_ONES:
		return 1;
	case LT_INIT_NORMAL:
		return (float)(t->init_a * lt_rng_normal(f->seed, f->stream, i));
	case LT_INIT_UNIFORM:
		return (float)(t->init_a + (t->init_b - t->init_a) *
		    lt_rng_uniform(f->seed, f->stream, i));
	case LT_INIT_ZEROS:
		break;
	}
	return 0;
}

static void
fill_part(void *arg, int part, int parts)
{
	const struct fill *f = arg;
	struct slice s = slice_of(f->box.n, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++)
		f->x[i] = value(f, f->box.at + i);
}

static void
fill_box(struct lt *rt, struct fill *f, float *to)
{
	struct lt_box box = f->box;

	while (box.n > 0) {
		f->box.n = box.n < PIECE ? box.n : PIECE;
		f->x = lt_borrow(rt, to, f->box.n * sizeof *to, LT_EMPTY);
		lt_pool_run(rt->pool, fill_part, f);
		lt_give_back(rt, to, f->box.n * sizeof *to, f->x);
		to += f->box.n;
		f->box.at += f->box.n;
		box.n -= f->box.n;
	}
}

static void
fill_tensor(struct lt *rt, const struct lt_tensor *t, uint64_t seed,
    uint64_t master)
{
	struct fill f = {.t = t, .seed = seed,
	    .stream = lt_fnv1a64(t->name)};
	float *x = (float *)(void *)(rt->arena[LT_STATE] + master);
	int block = lt_box_block(rt->prog, t, rt->rank);

	for (uint64_t l = 0; l < lt_box_layers(rt->prog, t); l++) {
		f.box = lt_box_of(rt->prog, t, block, l);
		fill_box(rt, &f, x + f.box.offset);
	}
}

static void
clear(struct lt *rt, uint64_t offset, uint64_t count)
{
	if (offset != UINT64_MAX)
		lt_clear(rt, rt->arena[LT_STATE] + offset,
		    count * sizeof(float));
}

/* The padding between tensors is zero and stays so. */
static void
clear_flat(struct lt *rt, const struct lt_flat *f)
{
	uint64_t n = f->image / (uint64_t)lt_flat_blocks(rt->prog, f) *
	    f->layers;

	clear(rt, f->master, n);
	clear(rt, f->moment1, n);
	clear(rt, f->moment2, n);
}

void
lt_state_init(struct lt *rt, uint64_t seed)
{
	const struct lt_program *p = rt->prog;

	for (int i = 0; i < p->nflat; i++)
		clear_flat(rt, &p->flat[i]);
	for (int i = 0; i < p->ntensor; i++) {
		const struct lt_tensor *t = &p->tensor[i];

		fill_tensor(rt, t, seed, t->flat < 0 ? t->master :
		    p->flat[t->flat].master);
		if (t->flat < 0) {
			clear(rt, t->moment1, t->count);
			clear(rt, t->moment2, t->count);
		}
	}
}
