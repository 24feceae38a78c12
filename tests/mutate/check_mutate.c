/*
 * The compiler's proofs against bugs on purpose: mutants.def, put into modules
 * behind passes, one at a time.  Every checker says whether it finds a bug; at
 * least 98 of 100 must be found, and each by one that should find its kind.
 *
 * mutate-result.txt lists what was done and what found it; LOONGC_BLESS=1
 * keeps it as tests/mutate/result.txt.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/input.h"
#include "driver/load.h"
#include "driver/scale.h"
#include "driver/verify_state.h"
#include "ir/coverage.h"
#include "ir/replay.h"
#include "tests/mutate/mutate.h"

enum { TOKENS = 7, LEAST = 100 };

struct subject {
	const char *name, *file, *mesh;
	const char *set[4];
	int nset;
	/* loaded */
	struct verify v;
	struct verify_options o;
	struct diag diag;
	struct input in;
	struct module *m;           /* behind the last pass */
	struct module *behind[32];
	const char *pass[32];
	int n;
};

static struct subject subjects[] = {
	{.name = "ring", .file = "subject.lt",
	    .mesh = "hp=2,cp=4,inner=2"},
	{.name = "single", .file = "subject.lt", .mesh = "cp=3",
	    .set = {"plan.recompute=save(x, attention)", "s=1152", "recipe.batch=16128",
		"plan.ring=kv"}, .nset = 4},
	{.name = "gqa", .file = "subject.lt", .mesh = "hp=8,cp=2"},
	{.name = "window", .file = "window.lt", .mesh = "cp=4"},
	{.name = "host", .file = "subject.lt", .mesh = "hp=2,cp=2",
	    .set = {"plan.recompute=save(offload(x, attention))"}, .nset = 1},
	{.name = "zero", .file = "subject.lt", .mesh = "dp=2,hp=2,cp=2",
	    .set = {"plan.shard=over(cp,hp)", "plan.stage=3",
		"plan.micro=2"}, .nset = 3},
};

enum finder { TYPES, COVERAGE, TRACE, PLAN, VALUES, MISSED };
static const struct {
	const char *name;
	char letter;
} finders[] = {{"types", 'T'}, {"coverage", 'C'}, {"trace", 'X'},
    {"plan", 'P'}, {"values", 'V'}, {"MISSED", '-'}};

struct tally {
	FILE *out;
	int made, found, wrong; /* wrong: by another checker than it should */
	int by[MISSED + 1];
	int kinds;
};

static struct arena mem;
static FILE *nowhere;

/* ---- subjects ---- */

/* Values of the first stages are the reference; all stages are kept. */
static void
on_stage(struct module *m, const char *after, void *arg)
{
	struct subject *s = arg;

	if (strcmp(after, "read") == 0 || strcmp(after, "autodiff") == 0)
		verify_stage(&s->v, after);
	s->pass[s->n] = after;
	s->behind[s->n++] = module_clone(&mem, m);
}

static void
die(const struct subject *s, const char *why)
{
	fprintf(stderr, "subject %s: %s\n", s->name, why);
	exit(1);
}

static void
load(struct subject *s)
{
	struct options o = {.mesh = s->mesh,
	    .set = {.item = s->set, .n = s->nset}};
	struct pipeline_options po = {.watch = on_stage, .arg = s};

	o.file = arena_printf(&mem, "%s/mutate/%s", TEST_DIR, s->file);
	s->diag = (struct diag){.src = &s->in.src, .out = stderr};
	if (!input_read(&s->in, &mem, o.file))
		die(s, "cannot be read");
	s->m = load_module(&mem, &s->diag, &o);
	if (!s->m)
		die(s, "does not compile");
	scale_module(s->m, TOKENS);
	s->o = (struct verify_options){.out = nowhere, .no_slopes = true};
	s->v = (struct verify){.m = s->m, .o = &s->o,
	    .record = record_new()};
	if (!batch_make(&s->v.batch, s->m, 11) ||
	    pipeline_run(pipeline, s->m, &po) != PIPELINE_OK || s->v.failed)
		die(s, "is broken before it is broken on purpose");
}

static struct subject *
subject_named(const char *name)
{
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		if (strcmp(subjects[i].name, name) == 0)
			return &subjects[i];
	abort();
}

static struct module *
module_behind(const struct subject *s, const char *pass)
{
	for (int i = 0; i < s->n; i++)
		if (strcmp(s->pass[i], pass) == 0)
			return s->behind[i];
	die(s, arena_printf(&mem, "has no pass %s", pass));
	return NULL;
}

/* ---- checkers ---- */

static bool
values_differ(const struct subject *s, struct module *m)
{
	struct verify v = s->v;

	v.m = m;
	verify_stage(&v, "mutation");
	return v.failed;
}

static enum finder
find(const struct subject *s, struct module *m)
{
	struct diag quiet = {.src = &s->in.src, .out = nowhere};
	struct trace_sum sum;

	m->diag = &quiet;
	if (module_verify(m) != 0)
		return TYPES;
	if (m->stage >= 'c' && coverage_check(m) != 0)
		return COVERAGE;
	if (!trace_check_module(m, &sum))
		return TRACE;
	if (m->stage == 'e' && replay_check(m) != 0)
		return PLAN;
	return values_differ(s, m) ? VALUES : MISSED;
}

static void
note(struct tally *t, const char *subject, const char *pass, const char *what,
    const char *where, enum finder by, const char *should)
{
	bool right = strchr(should, finders[by].letter) != NULL;

	t->made++;
	t->by[by]++;
	t->found += by != MISSED;
	t->wrong += by != MISSED && !right;
	fprintf(t->out, "%-7s %-10s %-52s %-36s %s%s\n", subject, pass, what,
	    where, finders[by].name, by == MISSED || right ? "" :
	    " (another checker should)");
}

static void
mutate(struct tally *t, const char *subject, const char *pass, mutation *fn,
    int sites, const char *should, const char *what)
{
	const struct subject *s = subject_named(subject);
	int made = 0;

	t->kinds++;
	for (int i = 0; i < sites; i++) {
		struct module *m = module_clone(&mem, module_behind(s, pass));
		const char *where;

		if (!mut_apply(m, fn, i, &where))
			break;
		made++;
		note(t, subject, pass, what, where, find(s, m), should);
	}
	if (made == 0) {
		fprintf(stderr, "%s behind %s of %s: nowhere to put it\n",
		    what, pass, subject);
		t->wrong++;
	}
}

/* ---- traces ---- */

static enum finder
find_in_traces(struct subject *s, trace_mutation *fn, int site,
    const char **where)
{
	struct module *m = module_clone(&mem, module_behind(s, "memory"));
	struct diag quiet = {.src = &s->in.src, .out = nowhere};
	struct trace *all = trace_make(m, module_func(m, "step"));
	struct trace *bad = trace_copy(m, all);
	uint32_t n = mesh_ranks(m);
	const struct trace **rank = NEW_N(&mem, const struct trace *, n);
	struct trace_sum sum;

	m->diag = &quiet;
	if (!fn(m, bad, site, where)) {
		*where = NULL;
		return MISSED;
	}
	for (uint32_t i = 0; i < n; i++)
		rank[i] = i == n / 2 + 1 ? bad : all;
	return trace_check(m, rank, &sum) ? MISSED : TRACE;
}

static void
mutate_traces(struct tally *t, trace_mutation *fn, int sites,
    const char *what)
{
	static const char *const names[] = {"window", "zero"};

	t->kinds++;
	for (int i = 0; i < sites; i++) {
		struct subject *s = subject_named(names[i % 2]);
		const char *where = NULL;
		enum finder by = find_in_traces(s, fn, i, &where);

		if (where)
			note(t, s->name, "memory", arena_printf(&mem,
			    "one rank %s", what), where, by, "X");
	}
}

/* ---- the list ---- */

static void
run(struct tally *t)
{
#define MUT(subject, pass, fn, sites, by, what) \
	mutate(t, #subject, pass, fn, sites, by, what);
#define TMUT(fn, sites, what) mutate_traces(t, fn, sites, what);
#include "tests/mutate/mutants.def"
}

static void
print_sum(const struct tally *t, FILE *out)
{
	fprintf(out, "\n%d mutations of %d kinds, %d found:", t->made,
	    t->kinds, t->found);
	for (int i = 0; i <= MISSED; i++)
		if (t->by[i])
			fprintf(out, " %s %d", finders[i].name, t->by[i]);
	fputs("\n", out);
}

static void
keep_result(void)
{
	const char *to = arena_printf(&mem, "%s/mutate/result.txt", TEST_DIR);
	FILE *in = fopen("mutate-result.txt", "r"), *out = fopen(to, "w");
	int c;

	while (in && out && (c = fgetc(in)) != EOF)
		fputc(c, out);
	if (in)
		fclose(in);
	if (out)
		fclose(out);
}

int
main(void)
{
	struct tally t = {.out = fopen("mutate-result.txt", "w")};
	bool ok;

	nowhere = fopen("/dev/null", "w");
	if (!t.out || !nowhere)
		return 1;
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		load(&subjects[i]);
	run(&t);
	print_sum(&t, t.out);
	print_sum(&t, stdout);
	fclose(t.out);
	fclose(nowhere);
	if (getenv("LOONGC_BLESS"))
		keep_result();
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		record_free(subjects[i].v.record);
	ok = t.made >= LEAST && t.found * 100 >= t.made * 98 && t.wrong == 0;
	arena_free(&mem);
	return !ok;
}
