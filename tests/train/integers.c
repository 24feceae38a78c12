/*
 * Linked with the C of tests/train/exact.lt for one rank in place of the
 * trainer's main part: saves small integers as parameters, as step 0 of a run
 * on data with that identity.
 *
 *	integers SEED IDENTITY TO
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state/state.h"
#include "tests/train/integers.h"

static void
fill(struct lt *rt, uint64_t seed)
{
	for (int t = 0; t < rt->prog->ntensor; t++) {
		const struct lt_tensor *x = &rt->prog->tensor[t];
		float *p = (float *)(void *)(rt->arena[LT_STATE] + x->master);

		for (uint64_t i = 0; i < x->count; i++)
			p[i] = (float)integers_element(seed,
			    strrchr(x->name, '.') + 1, i);
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

	if (argc != 4 || prog->naxis != 0)
		return LT_EXIT_USAGE;
	rt.arena[LT_STATE] = calloc(prog->arena[LT_STATE] / 64 + 1, 64);
	to = lt_out_open(argv[3], &e);
	if (!rt.arena[LT_STATE] || !to)
		return LT_EXIT_FAIL;
	lt_state_init(&rt, 3);
	fill(&rt, strtoull(argv[1], NULL, 10));
	ok = lt_save(&rt, to, &(struct lt_run_id){3, &prog->recipe, argv[2],
	    "text"}, &at, 0, &e);
	if (!ok)
		fprintf(stderr, "integers: %s\n", e.text);
	lt_out_close(to);
	free(rt.arena[LT_STATE]);
	return ok ? LT_OK : LT_EXIT_FAIL;
}
