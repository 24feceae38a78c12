#include "config.h"

#include "driver/verify.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "driver/run.h"
#include "driver/scale.h"
#include "driver/verify_state.h"
#include "ir/replay.h"

static void
print_sizes(const struct module *m, FILE *out)
{
	fprintf(out, "%s at", m->name);
	for (int i = 0; i < m->naxis; i++)
		fprintf(out, " |%s|=%u", m->axis[i].name, m->axis[i].size);
	for (int i = 0; i < m->ndim; i++)
		fprintf(out, " %s=%" PRIu64, m->dim[i].name, m->dim[i].size);
	fprintf(out, ": %" PRIu64 " parameters\n", codegen_parameters(m));
}

static void
on_stage(struct module *m, const char *after, void *arg)
{
	struct verify *v = arg;

	(void)m;
	if (!v->failed)
		verify_stage(v, after);
}

static void
verify_plan(struct verify *v)
{
	if (replay_check(v->m) != 0)
		v->failed = true;
	else
		fprintf(v->o->out,
		    "  %-12s %6d slots hold what is read from "
		    "them, replayed byte by byte\n",
		    "plan", v->m->nslot);
}

static enum pipeline_result
run(struct verify *v, const struct pass *const *list)
{
	struct pipeline_options po = {
	    .arg = v, .watch = v->o->stages ? on_stage : NULL};
	enum pipeline_result result = pipeline_run(list, v->m, &po);

	if (result != PIPELINE_OK)
		return v->failed ? PIPELINE_BROKEN : result;
	if (!module_func(v->m, "step")) {
		diag_error(v->m->diag, (struct span){0},
		    "there is no fn step: nothing was verified");
		return PIPELINE_ERRORS;
	}
	if (!v->failed && v->m->stage == 'e')
		verify_plan(v);
	if (!v->failed && v->o->c)
		verify_c(v);
	return v->failed ? PIPELINE_BROKEN : PIPELINE_OK;
}

const char *
verify_field(struct verify *v, const struct bundle *b, int field)
{
	return arena_printf(v->m->mem, "%s.%s", b->name, b->field[field].name);
}

enum pipeline_result
verify_module(struct module *m, const struct pass *const *list,
    const struct verify_options *o)
{
	struct verify v = {.m = m, .o = o};
	enum pipeline_result result;

	scale_module(m, o->tokens);
	if (m->stage == 'e' && !run_is_small(m)) {
		diag_error(m->diag, (struct span){0},
		    "memory is planned already, so sizes stay as they are: "
		    "too large for the interpreter");
		return PIPELINE_ERRORS;
	}
	if (!batch_make(&v.batch, m, 11))
		return PIPELINE_ERRORS;
	print_sizes(m, o->out);
	v.record = record_new();
	result = run(&v, list);
	record_free(v.record);
	return result;
}
