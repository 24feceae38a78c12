/*
 * What a program will need, before it is what it will be: the passes that are
 * left run on a copy, up to the plan of its memory.
 */
#include "config.h"

#include "passes/pass.h"
#include "passes/recompute.h"

extern const struct pass pass_ring, pass_zero, pass_firstwrite, pass_update,
    pass_fuse, pass_rotate, pass_schedule, pass_memory;

/* On one rank the first of them change nothing that takes memory. */
static const struct pass *const alone[] = {&pass_firstwrite,
	&pass_update, &pass_fuse, &pass_rotate, &pass_schedule, &pass_memory,
	NULL};
static const struct pass *const ranks[] = {&pass_ring, &pass_zero,
	&pass_firstwrite, &pass_fuse, &pass_rotate, &pass_schedule,
	&pass_memory, NULL};

uint64_t
memory_bytes(double setting)
{
	if (!(setting > 0))
		return 0;
	return setting < 0x1p63 ? (uint64_t)setting : UINT64_MAX;
}

struct need
planned_need(const struct module *m)
{
	struct need n = {.total = 0};

	for (int i = 0; i < ARENA_COUNT; i++) {
		n.arena[i] = m->arena_size[i];
		n.total += i == ARENA_HOST ? 0 : m->arena_size[i];
	}
	return n;
}

/* A program that some pass refuses fits nowhere. */
struct need
memory_need(const struct module *m)
{
	const struct pass *const *pass = m->naxis ? ranks : alone;
	struct diag quiet = {.src = m->diag->src, .out = m->diag->out,
	    .limit = -1};
	struct need n = {.total = UINT64_MAX};
	struct arena mem = {0};
	struct module *copy = module_clone(&mem, m);
	bool ok = true;

	copy->diag = &quiet;
	for (; *pass && ok; pass++) {
		ok = (*pass)->run(copy) == 0 && !quiet.errors;
		if (ok && m->naxis)
			module_compact(copy);
	}
	if (ok)
		n = planned_need(copy);
	arena_free(&mem);
	return n;
}
