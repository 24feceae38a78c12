/* The pipeline is data; this runs it. */
#include "config.h"

#include "passes/pass.h"

#include <string.h>
#include <time.h>

#include "ir/coverage.h"

#define PASS(name) extern const struct pass pass_##name;
#include "passes/passes.def"

const struct pass *const pipeline[] = {
#define PASS(name) &pass_##name,
#include "passes/passes.def"
    NULL};

/* Stands for no pass at all: what was read or lowered, verified. */
static const char nothing[] = "read";

const struct pass *
pass_find(const struct pass *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp((*list)->name, name) == 0)
			return *list;
	return NULL;
}

static int
index_of(const struct pass *const *list, const char *name)
{
	int i = 0;

	while (list[i] && strcmp(list[i]->name, name) != 0)
		i++;
	return i;
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* What happens to a module after the pass called name. */
static enum pipeline_result
inspect(struct module *m, const char *name, const struct pipeline_options *o)
{
	struct span nowhere = {0, 0};

	if (module_verify(m) != 0 || coverage_check(m) != 0) {
		if (strcmp(name, nothing) == 0)
			return PIPELINE_ERRORS;
		diag_error(m->diag, nowhere,
		    "internal: pass '%s' left a module that does not verify",
		    name);
		return PIPELINE_BROKEN;
	}
	module_compact(m);
	if (o->print && (strcmp(o->print, "all") == 0 ||
	    strcmp(o->print, name) == 0)) {
		fprintf(o->out, "// after %s\n", name);
		module_print(m, NULL, o->out);
		fputc('\n', o->out);
	}
	if (o->watch)
		o->watch(m, name, o->arg);
	return PIPELINE_OK;
}

static enum pipeline_result
run_pass(struct module *m, const struct pass *p,
    const struct pipeline_options *o)
{
	double start = now_ms(), ran, end;
	enum pipeline_result result;

	if (p->run(m) != 0 || m->diag->errors)
		return PIPELINE_ERRORS;
	ran = now_ms();
	m->after = module_namez(m, p->name);
	if (p->leaves)
		m->stage = p->leaves;
	result = inspect(m, p->name, o);
	end = now_ms();
	if (o->times)
		fprintf(o->times, "%-12s %9.3f ms, checks %9.3f ms\n",
		    p->name, ran - start, end - ran);
	return result;
}

static enum pipeline_result
complain(struct module *m, const char *what, const char *name)
{
	struct span nowhere = {0, 0};

	diag_error(m->diag, nowhere, what, name);
	return PIPELINE_ERRORS;
}

/* First pass to run, first not to; an error if that is not a range. */
static enum pipeline_result
find_range(const struct pass *const *list, struct module *m, const char *stop,
    int *from, int *to)
{
	*from = 0;
	*to = index_of(list, "");
	if (m->after && strcmp(m->after, nothing) != 0) {
		if (!pass_find(list, m->after))
			return complain(m,
			    "the file goes on after '%s', which is no pass",
			    m->after);
		*from = index_of(list, m->after) + 1;
	}
	if (!stop)
		return PIPELINE_OK;
	if (strcmp(stop, nothing) == 0) {
		*to = *from;
		return PIPELINE_OK;
	}
	if (!pass_find(list, stop))
		return complain(m, "no pass is called '%s'", stop);
	*to = index_of(list, stop) + 1;
	if (*to < *from)
		return complain(m, "the file is already past '%s'", stop);
	return PIPELINE_OK;
}

static bool
printable(const struct pass *const *list, const char *name)
{
	return !name || strcmp(name, "all") == 0 ||
	    strcmp(name, nothing) == 0 || pass_find(list, name);
}

enum pipeline_result
pipeline_run(const struct pass *const *list, struct module *m,
    const struct pipeline_options *o)
{
	enum pipeline_result result;
	int from, to;

	if (!printable(list, o->print))
		return complain(m, "no pass is called '%s'", o->print);
	result = find_range(list, m, o->stop, &from, &to);
	if (result == PIPELINE_OK)
		result = inspect(m, nothing, o);
	for (int i = from; i < to && result == PIPELINE_OK; i++)
		result = run_pass(m, list[i], o);
	return result;
}
