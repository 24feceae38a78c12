/*
 * Proofs that run nothing: on the program as it is, with all its ranks.
 *
 * What is proved holds for the module that a pass left, however it came to be:
 * each proof reads the program and shares nothing with the pass that made it.
 */
#include "config.h"

#include <inttypes.h>

#include "driver/verify.h"
#include "ir/coverage.h"
#include "ir/replay.h"
#include "ir/trace.h"

struct proofs {
	FILE *out;
	struct trace_sum sum;
	int stages, rings;
	bool failed;
};

static bool
is_step(const struct op *op)
{
	return op->code == OP_ATTN_STEP || op->code == OP_ATTN_STEP_BWD;
}

static void
count_step(struct op *op, void *arg)
{
	*(int *)arg += is_step(op);
}

static int
steps_of_attention(const struct module *m)
{
	int n = 0;

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, count_step, &n);
	return n;
}

/* After every pass: the pipeline has checked its types already. */
static void
on_stage(struct module *m, const char *after, void *arg)
{
	struct proofs *p = arg;

	(void)after;
	p->stages++;
	if (p->failed || m->stage < 'b' || m->naxis == 0)
		return;
	if (!trace_check_module(m, &p->sum))
		p->failed = true;
	p->rings = steps_of_attention(m);
	if (p->rings && coverage_check(m) != 0)
		p->failed = true;
}

static void
print_ranks(const struct module *m, FILE *out)
{
	fprintf(out, "%s on %u rank%s", m->name, mesh_ranks(m),
	    mesh_ranks(m) == 1 ? "" : "s:");
	for (int i = 0; i < m->naxis; i++)
		fprintf(out, " %s=%u", m->axis[i].name, m->axis[i].size);
	fputs("\n", out);
}

static void
print_mesh_proofs(const struct module *m, const struct proofs *p)
{
	if (m->naxis == 0)
		return;
	fprintf(p->out, "  %-12s %6" PRIu64 " transfers on %d kinds of "
	    "communicators match on all ranks, and complete even if each rank "
	    "runs one at a time\n", "trace", p->sum.transfers,
	    p->sum.communicators);
	if (p->rings)
		fprintf(p->out, "  %-12s %6d steps of attention compute each "
		    "pair of queries and keys of the masks once\n", "coverage",
		    p->rings);
}

static void
print_memory_proofs(struct module *m, struct proofs *p)
{
	if (m->stage != 'e')
		return;
	if (replay_check(m) != 0)
		p->failed = true;
	else
		fprintf(p->out, "  %-12s %6d slots hold what is read from "
		    "them, replayed byte by byte; nothing in flight is "
		    "overwritten\n", "plan", m->nslot);
}

enum pipeline_result
verify_static(struct module *m, const struct pass *const *list, FILE *out)
{
	struct proofs p = {.out = out};
	struct pipeline_options po = {.arg = &p, .watch = on_stage};
	enum pipeline_result result = pipeline_run(list, m, &po);

	if (result != PIPELINE_OK)
		return result;
	print_ranks(m, out);
	if (!p.failed) {
		fprintf(out, "  %-12s %6d programs, one behind each pass, are "
		    "well typed\n", "types", p.stages);
		print_mesh_proofs(m, &p);
		print_memory_proofs(m, &p);
	}
	return p.failed ? PIPELINE_BROKEN : PIPELINE_OK;
}
