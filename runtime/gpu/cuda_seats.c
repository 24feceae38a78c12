/* Which GPU each rank has: NCCL wants one for each. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/comm/world.h"
#include "runtime/gpu/cuda.h"
#include "runtime/main/report.h"

struct seat {
	unsigned char uuid[16];
	char host[64], gpu[96];
};

static struct seat
seat_of(const struct lt *rt)
{
	const struct lt_cuda *c = rt->gpu->self;
	struct seat s = {.uuid = {0}};

	memcpy(s.uuid, c->uuid, sizeof s.uuid);
	memcpy(s.gpu, c->name, sizeof s.gpu);
	if (gethostname(s.host, sizeof s.host - 1))
		snprintf(s.host, sizeof s.host, "this machine");
	return s;
}

/* The first pair, in the order of the second. */
static bool
find_pair(const struct seat *s, int n, int pair[2])
{
	for (pair[1] = 1; pair[1] < n; pair[1]++)
		for (pair[0] = 0; pair[0] < pair[1]; pair[0]++)
			if (memcmp(s[pair[0]].uuid, s[pair[1]].uuid,
			    sizeof s->uuid) == 0)
				return true;
	return false;
}

int
lt_cuda_apart(struct lt *rt)
{
	struct seat mine = seat_of(rt), *all;
	int pair[2], rc = LT_OK;

	all = calloc((size_t)rt->ranks, sizeof *all);
	if (!all)
		lt_gpu_fail(rt, LT_EXIT_FAIL, "out of memory");
	lt_world_gather(rt, &mine, sizeof mine, rt->rank ? NULL : all);
	lt_world_broadcast(rt, all, (uint64_t)rt->ranks * sizeof *all);
	if (find_pair(all, rt->ranks, pair))
		rc = LT_EXIT_CONFIG;
	if (rc && rt->rank == pair[0])
		rc = lt_fail(rc, "ranks %d and %d are on one GPU of %s, %s, "
		    "and NCCL wants one for each: start as many processes as "
		    "there are GPUs; without mpirun or srun, ranks are "
		    "threads and can share one", pair[0], pair[1], mine.host,
		    mine.gpu);
	free(all);
	return rc;
}
