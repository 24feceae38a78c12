#include "config.h"

#include "driver/run.h"

#include "driver/batch.h"
#include "ir/flops.h"

enum { STEPS = 5 };
static const double RUN_FLOPS = 1e10; /* a step the interpreter can do */

static bool
fail(struct module *m, const char *why)
{
	diag_error(m->diag, (struct span){0}, "%s", why);
	return false;
}

bool
run_is_small(struct module *m)
{
	double model, hardware;

	flops_of_step(m, &model, &hardware);
	return hardware < RUN_FLOPS;
}

static bool
run_steps(struct module *m, struct interp *in, const struct batch *x, FILE *out)
{
	const double *const *args = batch_args(x, m, module_func(m, "step"));
	double loss, gn, *result[] = {&loss, &gn};

	for (int i = 1; i <= STEPS; i++) {
		interp_set_step(in, i, 0);
		if (!interp_run(in, "step", 0, args, result))
			return false;
		fprintf(out, "step %d  loss %.6f  gradient norm %.6f\n", i,
		    loss, gn);
	}
	return true;
}

bool
run_module(struct module *m, FILE *out)
{
	struct interp_options o = {.step = 1,
	    .training = true,
	    .seed = (uint64_t)module_number(m, "recipe.seed", 1)};
	struct interp *in;
	struct batch x;
	bool ok;

	if (!module_func(m, "step"))
		return fail(m, "there is no fn step to run");
	if (!run_is_small(m))
		return fail(m, "too large for the interpreter; make dimensions "
			       "smaller with --set");
	if (!batch_make(&x, m, o.seed) || !(in = interp_new(m, &o)))
		return false;
	interp_init(in);
	ok = run_steps(m, in, &x, out);
	interp_free(in);
	return ok;
}
