/* What the ranks sent each other, as a table and for the log. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/world.h"
#include "runtime/main/run.h"

static const char *const names[LT_COUNT_KINDS] = {
    [LT_ALLREDUCE] = "allreduce", [LT_GATHER] = "gather",
    [LT_RSCATTER] = "rscatter", [LT_A2A] = "a2a", [LT_SHIFT] = "shift",
    [LT_COUNT_OFFLOAD] = "offload", [LT_COUNT_FETCH] = "fetch",
};

static void
axes_text(const struct lt_program *p, uint32_t axes, char *buf, size_t size)
{
	size_t at = 0;

	if (!axes)
		snprintf(buf, size, "host");
	for (int i = 0; i < p->naxis && at < size; i++)
		if (axes >> i & 1)
			at += (size_t)snprintf(buf + at, size - at, "%s%s",
			    at ? "," : "", p->axis[i]);
}

/* The same rows on all ranks; bytes are added, calls are those of one. */
static void
add_up(const struct lt_program *p, const struct lt_count *all, int ranks,
    struct lt_traffic *t)
{
	t->n = all[0].n;
	for (int i = 0; i < t->n; i++) {
		const struct lt_count_row *r = &all[0].row[i];

		t->row[i].kind = names[r->kind];
		axes_text(p, r->axes, t->row[i].axes, sizeof t->row[i].axes);
		t->row[i].calls = r->calls;
		for (int k = 0; k < ranks; k++)
			t->row[i].bytes += all[k].row[i].bytes;
	}
}

static void
print(const struct lt_traffic *t, uint64_t steps, int ranks)
{
	printf("%-10s %-16s %12s %20s %16s\n", "sent", "axes", "calls/step",
	    "bytes/step, all", "per rank");
	for (int i = 0; i < t->n; i++)
		printf("%-10s %-16s %12" PRIu64 " %20" PRIu64 " %16.1f\n",
		    t->row[i].kind, t->row[i].axes, t->row[i].calls / steps,
		    t->row[i].bytes / steps, (double)t->row[i].bytes /
		    (double)steps / ranks);
}

void
lt_comm_report(struct lt *rt)
{
	struct lt_run *run = rt->run;
	uint64_t steps = (uint64_t)(run->metrics.done - run->metrics.first);
	struct lt_count *all = rt->comm ? NULL : &run->count;

	if (rt->comm && rt->rank == 0)
		all = calloc((size_t)rt->ranks, sizeof *all);
	if (rt->rank == 0 && !all)
		lt_comm_fail(rt->comm, LT_EXIT_FAIL, "out of memory");
	if (rt->comm)
		lt_world_gather(rt, &rt->comm->count, sizeof *all, all);
	if (all)
		add_up(rt->prog, all, rt->ranks, &run->metrics.traffic);
	if (all && run->opt.comm && steps > 0 && run->metrics.traffic.n)
		print(&run->metrics.traffic, steps, rt->ranks);
	if (rt->comm)
		free(all);
}
