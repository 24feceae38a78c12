/* The pipeline as data, and the loop that runs it. */
#include "config.h"

#include "passes/pass.h"

#include <string.h>
#include <time.h>

#define PASS(name) extern const struct pass pass_##name;
#include "passes/passes.def"

static const struct pass *const pipeline[] = {
#define PASS(name) &pass_##name,
#include "passes/passes.def"
};

const struct pass *
pass_at(int i)
{
	return i >= 0 && (size_t)i < COUNT_OF(pipeline) ? pipeline[i] : NULL;
}

const struct pass *
pass_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(pipeline); i++)
		if (strcmp(pipeline[i]->name, name) == 0)
			return pipeline[i];
	return NULL;
}

static int
first_to_run(const struct module *m)
{
	for (int i = 0; m->after && pass_at(i); i++)
		if (strcmp(pass_at(i)->name, m->after) == 0)
			return i + 1;
	return 0;
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static bool
wants_dump(const struct pipeline_options *o, const struct pass *p)
{
	return o->print_after && (strcmp(o->print_after, "all") == 0 ||
	    strcmp(o->print_after, p->name) == 0);
}

static int
run_one(struct module *m, const struct pass *p,
    const struct pipeline_options *o)
{
	double start = now_ms();
	int errors = p->run(m);

	if (errors)
		return errors;
	m->after = p->name;
	module_compact(m);
	if (o->times)
		fprintf(stderr, "%-12s %8.3f ms\n", p->name, now_ms() - start);
	if (wants_dump(o, p))
		module_print(m, &(struct print_options){0}, o->dump);
	errors = module_verify(m);
	if (errors)
		fprintf(stderr, "loongc: internal error: pass %s broke the "
		    "program (%d errors above)\n", p->name, errors);
	return errors;
}

int
pipeline_run(struct module *m, const struct pipeline_options *o)
{
	const struct pass *p;

	for (int i = first_to_run(m); (p = pass_at(i)); i++) {
		int errors = run_one(m, p, o);

		if (errors)
			return errors;
		if (o->stop_after && strcmp(o->stop_after, p->name) == 0)
			break;
	}
	return 0;
}
