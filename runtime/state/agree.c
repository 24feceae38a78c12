/* Agreeing on success and on the reason of a failure. */
#include "runtime/state/agree.h"

#include <string.h>

#include "runtime/comm/world.h"

bool
lt_error_share(struct lt *rt, bool ok, struct lt_error *e)
{
	int32_t all = ok;

	lt_world_broadcast(rt, &all, sizeof all);
	if (!all)
		lt_world_broadcast(rt, e, sizeof *e);
	return all != 0;
}

bool
lt_error_agree(struct lt *rt, bool mine, struct lt_error *e)
{
	int64_t bad = lt_world_agree(rt, mine ? 0 : rt->ranks - rt->rank);
	struct lt_error theirs = {.code = LT_OK};
	int rank = rt->ranks - (int)bad;

	if (bad == 0)
		return true;
	lt_world_copy(rt, rank, 0, e, &theirs, sizeof theirs);
	if (rt->rank == 0 && rank != 0)
		lt_error_set(e, theirs.code, "rank %d: %.1900s", rank,
		    theirs.text);
	lt_world_broadcast(rt, e, sizeof *e);
	return false;
}
