/* Comparing the copies of every part by their hashes. */
#include "config.h"

#include "runtime/state/replicas.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/comm/world.h"
#include "runtime/gpu/host.h"
#include "runtime/state/agree.h"
#include "runtime/state/state.h"

/* Bytes of an arena, in pieces: they may have to come from a device. */
static void
add(struct lt *rt, struct lt_hasher *h, char *x, uint64_t n)
{
	const uint64_t piece = 1 << 20;

	for (uint64_t at = 0; at < n; at += piece) {
		uint64_t m = n - at < piece ? n - at : piece;
		void *p = lt_borrow(rt, x + at, m, LT_AS_IT_IS);

		lt_hasher_add(h, p, m);
		lt_forget(rt, p);
	}
}

static struct lt_digest
hash_of(struct lt *rt, const struct lt_part *p, struct lt_hasher *h)
{
	const struct lt_program *prog = rt->prog;
	int block = lt_box_block(prog, p->tensor, rt->rank);

	lt_hasher_reset(h);
	for (uint64_t l = 0; l < lt_box_layers(prog, p->tensor); l++) {
		struct lt_box b = lt_box_of(prog, p->tensor, block, l);

		add(rt, h, p->data + b.offset * sizeof(float),
		    b.n * sizeof(float));
	}
	return lt_hasher_end(h);
}

/* Rank 0: all[r * parts + i] is part i of rank r. */
static bool
compare(const struct lt *rt, const struct lt_parts *p,
    const struct lt_digest *all, struct lt_error *e)
{
	for (int r = 1; r < rt->ranks; r++)
		for (size_t i = 0; i < p->n; i++) {
			const struct lt_tensor *t = p->part[i].tensor;
			int block = lt_box_block(rt->prog, t, r);
			int owner = lt_box_owner(rt->prog, t, block);

			if (strcmp(all[(size_t)r * p->n + i].hex,
			    all[(size_t)owner * p->n + i].hex) != 0)
				return lt_error_set(e, LT_EXIT_INTERNAL,
				    "ranks %d and %d hold the same part of "
				    "%.200s, but not the same values", owner,
				    r, p->part[i].item.name);
		}
	return true;
}

static bool
exchange(struct lt *rt, const struct lt_parts *p, struct lt_hasher *h,
    struct lt_digest *mine, struct lt_digest *all, struct lt_error *e)
{
	bool ok = h && mine && (all || rt->rank != 0);

	if (!ok)
		lt_error_set(e, LT_EXIT_FAIL, "out of memory");
	if (!lt_error_agree(rt, ok, e))
		return false;
	for (size_t i = 0; i < p->n; i++)
		mine[i] = hash_of(rt, &p->part[i], h);
	lt_world_gather(rt, mine, p->n * sizeof *mine, all);
	return lt_error_share(rt, rt->rank != 0 || compare(rt, p, all, e), e);
}

bool
lt_replicas_agree(struct lt *rt, const struct lt_parts *p, struct lt_error *e)
{
	struct lt_hasher *h = rt->ranks > 1 ? lt_hasher_new() : NULL;
	struct lt_digest *mine = rt->ranks > 1 ? calloc(p->n + 1,
	    sizeof *mine) : NULL;
	struct lt_digest *all = rt->ranks > 1 && rt->rank == 0 ?
	    calloc((p->n + 1) * (size_t)rt->ranks, sizeof *all) : NULL;
	bool ok = rt->ranks == 1 || exchange(rt, p, h, mine, all, e);

	lt_hasher_free(h);
	free(mine);
	free(all);
	return ok;
}

bool
lt_state_agree(struct lt *rt, struct lt_error *e)
{
	struct lt_parts parts = {0};
	bool ok = lt_error_agree(rt, lt_parts_of(rt, &parts, e), e) &&
	    lt_replicas_agree(rt, &parts, e);

	lt_parts_free(&parts);
	return ok;
}
