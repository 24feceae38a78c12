/*
 * Autodiff and the passes after it against PyTorch: loss and gradients of
 * every golden model, after each pass, under every recompute policy, as one
 * batch and one sequence at a time, in an f32 and in a bf16 program (the
 * interpreter does not round, so both mean the same).  The tolerance is
 * derived in tests/golden/README.md.
 *
 * And every dump reads back: print(read(t)) == t after each pass of each model
 * and each example.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"
#include "tests/lt/example.h"
#include "tests/suite.h"

static const char *const files[] = {
	"tests/golden/docs.lt", "tests/golden/gpt2.lt",
	"tests/golden/llama.lt", "tests/golden/mistral.lt",
	"tests/golden/mix.lt", "tests/golden/qwen3.lt",
	"examples/gpt2.lt", "examples/llama2-7b.lt", "examples/llama3-8b.lt",
	"examples/llama3-70b.lt", "examples/mistral-7b.lt",
	"examples/quickstart.lt",
	"examples/qwen3-8b.lt",
};

/* Settings that may change the program but not its gradients. */
static const char *const variants[][2] = {
	{NULL, NULL},
	{"plan.recompute=full", NULL},
	{"plan.recompute=save(x, attention)", NULL},
	{"plan.micro=1", NULL},
	{"plan.micro=1", "plan.recompute=full"},
	{"recipe.precision=bf16", NULL},
	{"recipe.precision=bf16", "plan.recompute=save(x, attention)"},
};

enum { FILES = COUNT_OF(files),
	VARIANTS = COUNT_OF(variants) };

static struct frontend_options
options_of(const char *const *set)
{
	return (struct frontend_options){.set = set,
	    .nset = !set[0] ? 0 : !set[1] ? 1 : 2};
}

/* ------------------------------------------------------------- gradients */

struct trial {
	struct example x;
	const char *name;
	int compared;
};

static void
compare_field(struct trial *t, struct interp *in, const struct bundle *grad,
    int field, const char *after)
{
	const char *name = arena_printf(&t->x.l.mem, "%s.%s", grad->of->path,
	    grad->field[field].name);
	const struct golden_grad *want = golden_find(t->x.g, name);
	uint64_t n = interp_count(in, grad, field);
	double *x = NEW_N(&t->x.l.mem, double, n), far;

	ck_assert_msg(want != NULL, "%s: no golden gradient of %s", t->name,
	    name);
	ck_assert(interp_get(in, grad, field, x));
	far = golden_distance(want, x, n);
	ck_assert_msg(far < 1e-9, "%s after %s: gradient of %s is off by %g",
	    t->name, after, name, far);
	t->compared++;
}

/* One step of the module as it is. */
static void
compare_step(struct module *m, const char *after, void *arg)
{
	struct trial *t = arg;
	struct interp *in;
	double loss = 0, norm = 0;

	if (!module_func(m, "step"))
		return;
	in = interp_new(m, &(struct interp_options){.step = 1, .lr = 1e-3});
	ck_assert_ptr_nonnull(in);
	example_weights(m, in, &t->x.l.mem);
	ck_assert(interp_run(in, "step", 0, t->x.arg, (double *[]){&loss,
	    &norm}));
	ck_assert_msg(fabs(loss - t->x.g->loss) < 1e-9, "%s after %s: loss "
	    "%.15g, PyTorch has %.15g", t->name, after, loss, t->x.g->loss);
	t->compared = 0;
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield &&
		    m->bundle[i]->role == ROLE_GRAD; j++)
			compare_field(t, in, m->bundle[i], j, after);
	ck_assert_int_eq(t->compared, (int)t->x.g->ngrad);
	interp_free(in);
}

START_TEST(gradients)
{
	const char *name = example_name[_i / VARIANTS];
	struct frontend_options fo = options_of(variants[_i % VARIANTS]);
	struct trial t = {.name = name};
	struct pipeline_options o = {.watch = compare_step, .arg = &t};

	example_open(&t.x, name, &fo);
	ck_assert_int_eq(pipeline_run(pipeline, t.x.m, &o), PIPELINE_OK);
	ck_assert_int_gt(t.compared, 0);
	example_close(&t.x);
}
END_TEST

/* ------------------------------------------------------------- round trip */

static void
reads_back(struct module *m, const char *after, void *arg)
{
	char *text = module_string(m), *again;
	struct source src = {arg, text, (uint32_t)strlen(text)};
	struct diag d = {.src = &src, .out = stderr};
	struct arena mem = {0};
	struct module *copy = module_read(&mem, &d);

	ck_assert_msg(copy != NULL && module_verify(copy) == 0,
	    "%s after %s does not read back", (char *)arg, after);
	again = module_string(copy);
	ck_assert_msg(strcmp(text, again) == 0, "%s after %s changes when it "
	    "is read", (char *)arg, after);
	free(again);
	free(text);
	arena_free(&mem);
}

START_TEST(round_trip)
{
	static const char *const policy[][2] = {{NULL, NULL},
	    {"plan.recompute=save(x, attention)", NULL}};
	struct frontend_options fo = options_of(policy[_i / FILES]);
	struct pipeline_options o = {.watch = reads_back,
	    .arg = (void *)(uintptr_t)files[_i % FILES]};
	struct load l;
	struct module *m = load_file(&l, files[_i % FILES], &fo);

	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(pipeline_run(pipeline, m, &o), PIPELINE_OK);
	load_free(&l);
}
END_TEST

/*
 * A person can read the whole training program of a 32-layer model: its rolled
 * functions and bundles in 120 lines, beside one line for each setting.
 */
static void
count_lines(struct module *m, const char *after, void *arg)
{
	char *text = module_string(m);
	int n = 0;

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	free(text);
	if (strcmp(after, "autodiff") == 0)
		*(int *)arg = n - m->nset;
}

START_TEST(short_dump)
{
	int lines = 0;
	struct frontend_options fo = {0};
	struct pipeline_options o = {.stop = "autodiff", .watch = count_lines,
	    .arg = &lines};
	struct load l;
	struct module *m = load_file(&l, "examples/llama3-8b.lt", &fo);

	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(pipeline_run(pipeline, m, &o), PIPELINE_OK);
	ck_assert_msg(lines > 0 && lines <= 130, "%d lines", lines);
	load_free(&l);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("gradients");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, gradients, 0, EXAMPLES * VARIANTS);
	tcase_add_loop_test(t, round_trip, 0, 2 * FILES);
	tcase_add_test(t, short_dump);
	return suite_run("gradients", t);
}
