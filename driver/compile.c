#include "config.h"

#include "driver/compile.h"

#include <errno.h>
#include <string.h>

#include "codegen/codegen.h"
#include "driver/diff.h"
#include "driver/launch.h"
#include "driver/load.h"
#include "driver/output.h"
#include "driver/run.h"
#include "driver/say.h"
#include "driver/times.h"
#include "driver/trainer.h"
#include "driver/verify.h"
#include "driver/why.h"
#include "frontend/frontend.h"
#include "passes/pass.h"
#include "plan/timeline.h"

struct job {
	const struct options *o;
	struct arena *mem;
	struct diag *diag;
	struct input in;
	struct module *m;
	struct times times;
	struct diff diff;
};

static int
status_of(enum pipeline_result result)
{
	static const int status[] = {[PIPELINE_OK] = 0,
	    [PIPELINE_ERRORS] = EXIT_ERRORS,
	    [PIPELINE_BROKEN] = EXIT_INTERNAL};

	return status[result];
}

static int
lower(struct job *j)
{
	struct pipeline_options po = {.stop = j->o->after,
	    .print = j->o->print_after,
	    .out = stderr,
	    .times = j->o->times ? stderr : NULL,
	    .watch = j->o->diff ? diff_watch : NULL,
	    .arg = &j->diff};

	return status_of(pipeline_run(pipeline, j->m, &po));
}

static bool
write_text(struct job *j, FILE *out)
{
	bool ok = true;

	if (trainer_emits(j->o))
		return trainer_print(j->m, j->o, &j->times, out);
	switch (j->o->emit) {
	case EMIT_TIMELINE:
		ok = timeline_print(j->m, out);
		break;
	case EMIT_LAUNCH:
		ok = launch_print(j->m, (enum launcher)j->o->launcher,
		    j->o->target == TARGET_CUDA, out);
		break;
	case EMIT_PLAN:
		ok = codegen_plan(j->m, out) == 0;
		break;
	default:
		if (j->o->diff)
			diff_print(&j->diff, out);
		else
			module_print(j->m, NULL, out);
	}
	times_lap(&j->times, "emit");
	return ok;
}

static int
emit(struct job *j)
{
	bool exe = j->o->emit == EMIT_EXE;
	struct output w;

	if (!output_open(&w, j->o->output, &j->in, exe))
		return EXIT_ERRORS;
	if (!(exe ? trainer_link(j->m, j->o, &j->times, &w) :
	    write_text(j, w.file))) {
		output_discard(&w);
		return EXIT_ERRORS;
	}
	return output_commit(&w) ? 0 : EXIT_ERRORS;
}

/* The tree of a text that parses; names and types may be wrong. */
static int
emit_ast(struct job *j)
{
	struct output w;
	int errors;

	if (!output_open(&w, j->o->output, &j->in, false))
		return EXIT_ERRORS;
	errors = frontend_print_ast(j->mem, j->diag, w.file);
	if (errors == 0)
		return output_commit(&w) ? 0 : EXIT_ERRORS;
	output_discard(&w);
	return EXIT_ERRORS;
}

static int
finish_stdout(bool ok)
{
	struct output w;

	output_open(&w, NULL, NULL, false);
	return output_commit(&w) && ok ? 0 : EXIT_ERRORS;
}

/*
 * Every pass at a few tokens; then the C alone with sequences of several
 * blocks of attention.
 */
static enum pipeline_result
verify_values(struct job *j)
{
	struct verify_options few = {.out = stdout,
	    .verbose = j->o->verbose,
	    .tokens = 7,
	    .stages = true,
	    .c = true};
	struct verify_options more = {.out = stdout, .tokens = 131, .c = true};
	struct module *again = module_clone(j->mem, j->m);
	const struct dimdef *s = module_dim(again, "s");
	bool longer = s && s->size > few.tokens && again->stage != 'e';
	enum pipeline_result result;

	result = verify_module(j->m, pipeline, &few);
	if (result == PIPELINE_OK && longer)
		result = verify_module(again, pipeline, &more);
	return result;
}

/* What needs no execution first, of the program as it is. */
static int
verify(struct job *j)
{
	struct module *real = module_clone(j->mem, j->m);
	enum pipeline_result result;

	result = verify_static(real, pipeline, stdout);
	if (result == PIPELINE_OK && j->o->verify == VERIFY_ALL)
		result = verify_values(j);
	if (finish_stdout(true) != 0)
		return EXIT_ERRORS;
	return status_of(result);
}

static int
why(struct job *j)
{
	enum pipeline_result result = why_print(j->m, pipeline, j->o->after,
	    stdout);

	return finish_stdout(true) != 0 ? EXIT_ERRORS : status_of(result);
}

/* What passes decided, and at which price. */
static void
tell_decisions(const struct module *m)
{
	for (int i = 0; i < m->nset; i++)
		if (setting_is_decision(&m->set[i]))
			fprintf(stderr, "%s: %s\n", m->set[i].key,
			    m->set[i].text);
}

/* What is asked for, of a module that was read. */
static int
finish(struct job *j)
{
	int status;

	if (j->o->verify)
		return verify(j);
	if (j->o->why)
		return why(j);
	status = lower(j);
	times_skip(&j->times);
	if (status)
		return status;
	if (j->o->verbose)
		tell_decisions(j->m);
	return j->o->run ? finish_stdout(run_module(j->m, stdout)) : emit(j);
}

/* What passes ask of it; a dump whose memory is planned keeps its own. */
static void
choose_target(struct job *j)
{
	if (j->o->target == TARGET_CUDA && j->m->stage != 'e')
		module_set_number(j->m, "target.gpu", 1, (struct span){0});
}

static int
run(struct job *j)
{
	if (!input_read(&j->in, j->mem, j->o->file))
		return EXIT_ERRORS;
	j->diag->src = &j->in.src;
	if (j->o->emit == EMIT_AST)
		return emit_ast(j);
	times_start(&j->times, j->o->times ? stderr : NULL);
	j->m = load_module(j->mem, j->diag, j->o);
	if (!j->m)
		return EXIT_ERRORS;
	choose_target(j);
	times_lap(&j->times, "read");
	return finish(j);
}

int
driver_compile(const struct options *o)
{
	struct arena mem = {0};
	struct diag diag = {.out = stderr,
	    .json = o->diagnostics == DIAGNOSTICS_JSON,
	    .color = diag_want_color(stderr)};
	struct job j = {.o = o, .mem = &mem, .diag = &diag};
	int status = run(&j);

	diff_free(&j.diff);
	arena_free(&mem);
	return status;
}
