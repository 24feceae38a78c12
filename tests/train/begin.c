/*
 * Linked with the C of a trainer for one rank in place of its main part: saves
 * values of its parameters as step 0 of a run of seed 3 on data with that
 * identity.
 *
 *	begin integers SEED IDENTITY TO     of tests/train/exact.lt
 *	begin near SEED IDENTITY TO         initial ones, each 2^-16 of itself
 *	                                    more or less; seed 0: as they are
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state/state.h"
#include "tests/train/integers.h"

static float
near(uint64_t seed, const char *field, uint64_t i, float x)
{
	if (seed == 0)
		return x;
	return integers_draw(seed, field, i) % 2 ? x + x / 65536 :
	    x - x / 65536;
}

static void
fill(struct lt *rt, bool integers, uint64_t seed)
{
	for (int t = 0; t < rt->prog->ntensor; t++) {
		const struct lt_tensor *x = &rt->prog->tensor[t];
		const char *field = strrchr(x->name, '.') + 1;
		float *p = (float *)(void *)(rt->arena[LT_STATE] + x->master);

		for (uint64_t i = 0; i < x->count; i++)
			p[i] = integers ?
			    (float)integers_element(seed, field, i) :
			    near(seed, field, i, p[i]);
	}
}

int
lt_main(int argc, char **argv, const struct lt_program *prog)
{
	struct lt rt = {.prog = prog, .ranks = 1};
	struct lt_error e = {.code = LT_OK};
	struct lt_point at = {0, 0, 0};
	struct lt_out *to;
	bool ok;

	if (argc != 5 || prog->naxis != 0)
		return LT_EXIT_USAGE;
	rt.arena[LT_STATE] = calloc(prog->arena[LT_STATE] / 64 + 1, 64);
	to = lt_out_open(argv[4], &e);
	if (!rt.arena[LT_STATE] || !to)
		return LT_EXIT_FAIL;
	lt_state_init(&rt, 3);
	fill(&rt, strcmp(argv[1], "integers") == 0, strtoull(argv[2], NULL, 10));
	ok = lt_save(&rt, to, &(struct lt_run_id){3, &prog->recipe, argv[3],
	    "text"}, &at, 0, &e);
	if (!ok)
		fprintf(stderr, "begin: %s\n", e.text);
	lt_out_close(to);
	free(rt.arena[LT_STATE]);
	return ok ? LT_OK : LT_EXIT_FAIL;
}
