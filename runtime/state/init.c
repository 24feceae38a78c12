/*
 * Initial values: element i of a tensor is drawn by counter from the stream
 * named after the tensor, as the compiler's interpreter does.
 *
 *	zeros 0    ones 1    normal a N(0,1)    uniform a + (b - a) U[0,1)
 *
 * Doubles throughout, rounded to f32 once.
 */
#include "runtime/state/state.h"

#include <string.h>

#include "runtime/cpu/pool.h"
#include "runtime/state/slice.h"
#include "support/rng.h"

struct fill {
	const struct lt_tensor *t;
	uint64_t seed, stream;
	float *x;
};

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
	struct slice s = slice_of(f->t->count, part, parts);

	for (uint64_t i = s.lo; i < s.hi; i++)
		f->x[i] = value(f, i);
}

static void
clear(char *state, uint64_t offset, uint64_t count)
{
	if (offset != UINT64_MAX)
		memset(state + offset, 0, count * sizeof(float));
}

void
lt_state_init(struct lt *rt, uint64_t seed)
{
	char *state = rt->arena[LT_STATE];

	for (int i = 0; i < rt->prog->ntensor; i++) {
		const struct lt_tensor *t = &rt->prog->tensor[i];
		struct fill f = {t, seed, lt_fnv1a64(t->name),
		    (float *)(void *)(state + t->master)};

		lt_pool_run(rt->pool, fill_part, &f);
		clear(state, t->moment1, t->count);
		clear(state, t->moment2, t->count);
	}
}
