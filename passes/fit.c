/*
 * fit: a program that needs more memory than its plan has does not compile.
 *
 *   error[E0506]: the plan needs 11.2 MiB, memory = 8.0 MiB
 *     note: state 3.1 MiB, saved for backward 6.9 MiB, activations 1.1 MiB
 *     (peak in layer.bwd), input and output 0.1 MiB
 *     help: fits with recompute = save(x, attention): 7.4 MiB
 *
 * What would fit is found by doing it: a copy of the program goes back to
 * before fuse (on a mesh and with a host's memory, before recompute, where the
 * program was kept),
 * changes its policy, the sequences of a microbatch or what ranks share, and is
 * planned again.
 *
 * needs: memory.  keeps: everything.  leaves: the module as it was.
 */
#include "config.h"

#include <string.h>

#include "passes/pass.h"
#include "passes/recompute.h"

static const double MIB = 1 << 20;

/* A copy of m as it was before fuse: no groups, no places. */
static struct module *
unplanned(struct arena *mem, const struct module *m)
{
	struct module *copy = module_clone(mem, m);

	copy->stage = 'a';
	copy->nslot = 0;
	copy->slot_cells = 0;
	for (int i = 0; i < ARENA_COUNT; i++)
		copy->arena_size[i] = 0;
	return copy;
}

static void
forget_place(struct op *op, void *arg)
{
	(void)arg;
	op->group = -1;
	op->scratch = NULL;
}

static void
forget_places(struct module *m)
{
	for (int i = 0; i < m->nfunc; i++) {
		region_walk(&m->func[i]->body, forget_place, NULL);
		for (int j = 0; j < m->func[i]->nvalue; j++) {
			m->func[i]->value[j]->slot = NULL;
			m->func[i]->value[j]->slot_indexed = false;
		}
	}
}

struct attempt {
	const char *policy; /* NULL: as it is */
	uint64_t micro;     /* sequences of a rank */
	bool share;         /* all ranks share all state */
};

/* Ranks that share the batch. */
static uint64_t
batch_ranks(const struct module *m)
{
	for (int i = 0; i < m->naxis; i++)
		if (strncmp(m->axis[i].name, "dp", 2) == 0)
			return m->axis[i].size;
	return 1;
}

static void
share_all(struct module *m)
{
	const char *list = "";

	for (int i = 0; i < m->naxis; i++)
		list = arena_printf(m->mem, "%s%s%s", list, i ? "," : "",
		    m->axis[i].name);
	list = arena_printf(m->mem, "params(%s) grads(%s) optimizer(%s)", list,
	    list, list);
	module_set_text(m, "plan.zero.matrices", list, (struct span){0});
	module_set_text(m, "plan.zero.rest", list, (struct span){0});
}

/* Bytes that m would need. */
static uint64_t
would_need(const struct module *m, const struct attempt *a)
{
	struct arena mem = {0};
	struct module *copy = m->origin ? module_clone(&mem, m->origin) :
	    unplanned(&mem, m);
	struct dimdef *b = module_dim(copy, "b");
	uint64_t total;

	if (!m->origin)
		forget_places(copy);
	if (a->share)
		share_all(copy);
	if (a->policy)
		recompute_policy(copy, a->policy, (struct span){0});
	if (b)
		b->size = a->micro * batch_ranks(m);
	module_compact(copy);
	total = memory_need(copy).total;
	arena_free(&mem);
	return total;
}

/* The block or function whose frame is the largest. */
static const char *
peak(const struct module *m)
{
	const char *name = "step";
	uint64_t most = 0;

	for (int i = 0; i < m->nfunc; i++) {
		const struct slot *s = module_slot(m, arena_printf(m->mem,
		    "%s.frame", m->func[i]->name));

		if (s && m->func[i]->index && s->size > most) {
			most = s->size;
			name = m->func[i]->name;
		}
	}
	return name;
}

static const char *
size_text(struct arena *mem, uint64_t bytes)
{
	if (bytes >= UINT64_C(10) << 30)
		return arena_printf(mem, "%.1f GiB",
		    (double)bytes / (MIB * 1024));
	if (bytes < 1 << 20)
		return arena_printf(mem, "%.1f KiB", (double)bytes / 1024);
	return arena_printf(mem, "%.1f MiB", (double)bytes / MIB);
}

/* Whether all ranks share all state: every axis is in both lists of what
 * parameters share, which are in all others. */
static bool
shares_all(const struct module *m)
{
	static const char *const key[] = {"plan.zero.matrices",
	    "plan.zero.rest"};

	for (size_t k = 0; k < COUNT_OF(key); k++) {
		const struct setting *s = module_setting(m, key[k]);
		const char *at = s && s->text ? strstr(s->text, "params(") :
		    NULL;
		int n = 0;

		if (!at)
			return false;
		for (at += strlen("params("); *at && *at != ')';
		    at += strspn(at, ", ")) {
			n += *at != ',';
			at += strcspn(at, ", )");
		}
		if (n < m->naxis)
			return false;
	}
	return true;
}

static const char *
last_resort(const struct module *m)
{
	if (m->naxis == 0)
		return "no recompute policy and no smaller microbatch fits";
	return shares_all(m) ?
	    "no recompute policy and no smaller microbatch fits, and ranks "
	    "share all they can: take more" :
	    "no recompute policy and no smaller microbatch fits, not even if "
	    "all ranks share all state, zero { stage = 3; } over all axes: "
	    "take more ranks";
}

/* What to try where a program cannot be planned again. */
static const char *
untried(const struct module *m, uint64_t each)
{
	return arena_printf(m->mem, "another recompute policy, %smore ranks%s "
	    "may fit", each > 1 ? "a smaller microbatch, " : "",
	    shares_all(m) ? "" : " or zero { }");
}

/* "fits with zero { .. }, micro = 1, recompute = full: 7.4 MiB" */
static const char *
success(const struct module *m, const struct attempt *a, bool smaller,
    uint64_t bytes)
{
	const char *text = a->share ?
	    "zero { shard = over(dp, cp, hp); stage = 3; }" : "";

	if (smaller)
		text = arena_printf(m->mem, "%s%smicro = %llu", text,
		    *text ? ", " : "", (unsigned long long)a->micro);
	if (a->policy)
		text = arena_printf(m->mem, "%s%srecompute = %s", text,
		    *text ? ", " : "", a->policy);
	return arena_printf(m->mem, "fits with %s: %s", text,
	    size_text(m->mem, bytes));
}

/* The first that fits: policies, then microbatches that divide what a rank
 * has, and all that again with state that is shared. */
static const char *
advice(const struct module *m, uint64_t memory)
{
	static const char *const policy[] = {NULL, "save(x, attention)", "full",
	    "save(offload(x, attention))"};
	size_t npolicy = COUNT_OF(policy) - !module_setting(m, "plan.host");
	const struct dimdef *b = module_dim(m, "b");
	uint64_t each = b ? b->size / batch_ranks(m) : 1;
	int ways = m->naxis && !shares_all(m) ? 2 : 1;

	if ((m->naxis || recompute_offloads(m)) && !m->origin)
		return untried(m, each);
	for (int share = 0; share < ways; share++)
		for (uint64_t micro = each; micro; micro--)
			for (size_t i = 0; i < npolicy && each % micro == 0;
			    i++) {
				struct attempt a = {policy[i], micro, share};
				uint64_t n = would_need(m, &a);

				if (n <= memory)
					return success(m, &a, micro < each, n);
			}
	return last_resort(m);
}

static int
fit(struct module *m)
{
	const struct setting *s = module_setting(m, "plan.memory");
	uint64_t memory = s ? memory_bytes(s->num) : 0;
	struct need n = planned_need(m);
	struct arena *mem = m->mem;
	struct report r;

	if (!memory || n.total <= memory)
		return 0;
	report_open(&r, m->diag, DIAG_MEMORY, s->at,
	    "the plan needs %s, memory = %s", size_text(mem, n.total),
	    size_text(mem, memory));
	report_note(&r, "state %s, saved for backward %s, activations %s (peak "
	    "in %s), input and output %s",
	    size_text(mem, n.arena[ARENA_STATE]),
	    size_text(mem, n.arena[ARENA_KEEP]),
	    size_text(mem, n.arena[ARENA_ACT]), peak(m),
	    size_text(mem, n.arena[ARENA_IO]));
	report_help(&r, "%s", advice(m, memory));
	report_close(&r);
	return 1;
}

const struct pass pass_fit = {
	.name = "fit",
	.summary = "the program needs no more memory than the plan has",
	.run = fit,
};
