#include "config.h"

#include "driver/verify.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "driver/scale.h"
#include "driver/verify_state.h"

static void
print_sizes(const struct module *m, FILE *out)
{
	fprintf(out, "%s at", m->name);
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

static bool
run(struct verify *v, const struct pass *const *list)
{
	struct pipeline_options po = {.watch = on_stage, .arg = v};

	if (pipeline_run(list, v->m, &po) != PIPELINE_OK)
		return false;
	if (!v->failed && !v->have_step) {
		diag_error(v->m->diag, (struct span){0},
		    "there is no fn step: nothing was verified");
		return false;
	}
	if (!v->failed && v->o->c)
		verify_c(v);
	return !v->failed;
}

const char *
verify_field(struct verify *v, const struct bundle *b, int field)
{
	return arena_printf(v->m->mem, "%s.%s", b->name, b->field[field].name);
}

bool
verify_module(struct module *m, const struct pass *const *list,
    const struct verify_options *o)
{
	struct verify v = {.m = m, .o = o};
	bool ok;

	scale_module(m);
	if (!batch_make(&v.batch, m, 11))
		return false;
	print_sizes(m, o->out);
	v.record = record_new();
	ok = run(&v, list);
	record_free(v.record);
	return ok;
}
