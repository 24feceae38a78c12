/* One stage against the reference, value by value. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver/verify_state.h"
#include "support/buf.h"

/* "[1,0,2]" of element `at` of a tensor. */
static void
put_index(
    struct buf *b, const struct module *m, const struct type *t, uint64_t at)
{
	uint64_t size = type_global_count(m, t);

	buf_puts(b, "[");
	for (int i = 0; i < t->rank; i++) {
		uint64_t n = module_dim(m, t->d[i].name)->size;

		size /= n;
		buf_printf(
		    b, "%s%s=%" PRIu64, i ? "," : "", t->d[i].name, at / size);
		at %= size;
	}
	buf_puts(b, "]");
}

/* " at l=2": the function's index, then its loops. */
static void
put_iteration(struct buf *b, const struct interp_value *v)
{
	for (int i = 0; i < v->niter; i++)
		buf_printf(b, "%s%s%s%" PRId64, i ? ", " : " at ",
		    i == 0 && v->func->index ? v->func->index : "",
		    i == 0 && v->func->index ? "=" : "iteration ", v->iter[i]);
}

static void
report_value(
    struct verify *v, const struct interp_value *x, uint64_t at, double want)
{
	struct buf b = {0};

	buf_printf(&b, "verify: after pass '%s', fn %s computes another %s",
	    v->after, x->func->name, x->value->name);
	put_iteration(&b, x);
	buf_puts(&b, ": element ");
	put_index(&b, v->m, x->value->type, at);
	buf_printf(&b, " is %.17g, was %.17g", x->global[at], want);
	diag_error(
	    v->m->diag, x->op ? x->op->at : x->func->at, "%s", buf_text(&b));
	buf_free(&b);
}

static void
on_value(const struct interp_value *x, void *arg)
{
	struct verify *v = arg;
	uint64_t at;
	double want;

	if (v->reference) {
		record_add(v->record, x);
		v->sum.values++;
		v->sum.elements += x->count;
		return;
	}
	if (record_compare(v->record, x, &v->sum, &at, &want))
		return;
	if (!v->wrong_shown)
		report_value(v, x, at, want);
	v->wrong_shown = v->failed = true;
}

static void
check_tensor(struct verify *v, const char *name, const double *x, uint64_t n)
{
	uint64_t at;
	double want;

	if (v->reference) {
		record_add_tensor(v->record, name, x, n);
		return;
	}
	if (record_compare_tensor(v->record, name, x, n, &v->sum, &at, &want))
		return;
	if (!v->wrong_shown)
		diag_error(v->m->diag, (struct span){0},
		    "verify: after pass "
		    "'%s', %s differs after a step: element %" PRIu64
		    " is %.17g, was %.17g",
		    v->after, name, at, x[at], want);
	v->wrong_shown = v->failed = true;
}

/* Gradients are complete in the bundle that is stored over the shares. */
static bool
is_final(const struct module *m, const struct bundle *b)
{
	for (int i = 0; i < m->nbundle && b->role == ROLE_GRAD; i++)
		if (m->bundle[i]->role == ROLE_GRAD &&
		    m->bundle[i]->of == b->of && m->bundle[i]->over &&
		    m->bundle[i] != b)
			return false;
	return b->role != ROLE_COPY;
}

/* A name that passes keep: they may split bundles. */
static const char *
lasting_name(struct verify *v, const struct bundle *b, int field)
{
	const struct bundle *of = b->of ? b->of : b;

	return arena_printf(v->m->mem, "%s%s%s.%s",
	    b->of ? bundle_role_name[b->role] : "",
	    b->of ? " of " : "", of->path ? of->path : of->name,
	    b->field[field].name);
}

static void
check_bundles(struct verify *v, struct interp *in)
{
	for (int i = 0; i < v->m->nbundle; i++) {
		const struct bundle *b = v->m->bundle[i];

		for (int j = 0; is_final(v->m, b) && j < b->nfield; j++) {
			uint64_t n = interp_count(in, b, j);
			double *x = calloc(n + 1, sizeof *x);

			if (!x)
				abort();
			if (interp_get(in, b, j, x))
				check_tensor(v, lasting_name(v, b, j), x, n);
			free(x);
		}
	}
}

static void
call(struct verify *v, struct interp *in, const char *phase, const char *func)
{
	const struct func *f = module_func(v->m, func);

	record_phase(v->record, phase);
	if (f && !v->failed &&
	    !interp_run(in, func, 0, batch_args(&v->batch, v->m, f), NULL))
		v->failed = true;
}

/* The forward pass alone, by the name it has at this stage. */
static void
check_forward(struct verify *v, struct interp *in)
{
	v->reference = !v->have_forward;
	call(v, in, "forward", module_func(v->m, "eval") ? "eval" : "model");
	v->have_forward = true;
}

static void
check_step(struct verify *v, struct interp *in)
{
	static const char *const phase[] = {"step 1", "step 2"};

	v->reference = !v->have_step;
	for (int i = 0; i < 2 && !v->failed; i++) {
		interp_set_step(in, i + 1, 0);
		call(v, in, phase[i], "step");
		if (!v->failed)
			check_bundles(v, in);
	}
	if (module_func(v->m, "logits"))
		call(v, in, "logits", "logits");
	v->have_step = true;
}

static void
print_line(const struct verify *v, bool first)
{
	fprintf(v->o->out, "  %-12s %6" PRIu64 " values, %9" PRIu64 " elements",
	    v->after, v->sum.values, v->sum.elements);
	if (v->sum.wrong)
		fprintf(
		    v->o->out, "; %" PRIu64 " values differ\n", v->sum.wrong);
	else if (first)
		fputs(": the reference\n", v->o->out);
	else
		fprintf(v->o->out,
		    ", largest difference %.1e; %" PRIu64 " values are new\n",
		    v->sum.worst, v->sum.unknown);
}

/* Operands of 8 bits are other numbers: what comes after the pass that rounds
 * them is compared with what it leaves. */
static void
begin_anew(struct verify *v, const char *after)
{
	if (strcmp(after, "fp8") != 0 || strcmp(module_text(v->m,
	    "recipe.linear", "compute"), "fp8") != 0)
		return;
	record_free(v->record);
	v->record = record_new();
	v->have_forward = v->have_step = false;
}

void
verify_stage(struct verify *v, const char *after)
{
	struct interp_options o = {.seed = 5,
	    .step = 1,
	    .training = true,
	    .on_value = on_value,
	    .arg = v};
	struct interp *in = interp_new(v->m, &o);
	bool has_step = module_func(v->m, "step") != NULL;
	bool slopes = has_step && !v->have_step && v->have_forward;
	bool first;

	begin_anew(v, after);
	first = !v->have_forward;
	v->after = after;
	v->wrong_shown = false;
	v->sum = (struct record_result){0};
	if (!in) {
		v->failed = true;
		return;
	}
	batch_set_parameters(v->m, in);
	check_forward(v, in);
	if (has_step && !v->failed)
		check_step(v, in);
	interp_free(in);
	print_line(v, first);
	if (slopes && !v->o->no_slopes && !v->failed)
		verify_slopes(v);
}
