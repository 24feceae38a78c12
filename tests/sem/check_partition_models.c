/*
 * The models of tests/golden on meshes, as --mesh makes them: every named value
 * of a step, of eval and of logits behind the pass partition is that of one
 * device, and replicas are equal.
 *
 * Weights and tokens depend on their place, so that a head, a block of a
 * sequence or a document on the wrong rank changes values by far more than
 * the tolerance: sums of at most 4096 terms of size 1 in another order, 4096
 * units of 2^-53 each and a few of them in a row, 1e-11 relative.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "tests/sem/trace.h"
#include "tests/sem/train.h"

static const double tolerance = 1e-11;
enum { MAX_SET = 10, CLASSES = 13 };

/* A model, its sizes, and a mesh that cuts them. */
static const struct shape {
	const char *model, *mesh;
	const char *set; /* NAME=VALUE, separated by blanks */
	int dp;          /* sequences of a microbatch, one on each dp rank */
} shapes[] = {
	{"golden/llama", "dp=2", ""},
	{"golden/llama", "hp=2", ""},
	{"golden/llama", "cp=2", ""},
	{"golden/llama", "cp=4,inner=2", ""},
	{"golden/llama", "cp=6,inner=3,hp=2", "recipe.s=24"},
	{"golden/llama", "hp=2,cp=3", "recipe.s=12"},
	{"golden/llama", "hp=3,cp=2", "k=3 g=2 recipe.s=12"},
	{"golden/llama", "hp=3,cp=2", "k=2 g=6 recipe.s=12"},
	{"golden/llama", "hp=4", "k=2 g=2"},
	{"golden/llama", "hp=4,cp=2", "k=2 g=4 recipe.s=16"},
	{"golden/llama", "hp=6,cp=2", "k=4 g=3 recipe.s=24"},
	{"golden/llama", "hp=3", "k=1 g=6 recipe.s=12"},
	{"golden/llama", "hp=6,dp=2", "k=1 g=6 recipe.s=12"},
	{"golden/llama", "hp=2,cp=4", "recipe.s=16"},
	{"golden/llama", "hp=4,cp=2,place=context_first", "k=4 recipe.s=16"},
	{"golden/llama", "dp=2,hp=4,cp=4,inner=2,place=context_first",
	    "k=2 g=2 recipe.s=32 L=1"},
	{"golden/llama", "dp=2,hp=2,cp=2", "recipe.batch=48", 2},
	{"golden/llama", "dp=2,hp=2,cp=2", "recipe.precision=bf16"},
	{"golden/llama", "hp=4,cp=2", "recipe.precision=bf16 k=2 g=2 recipe.s=16"},
	{"golden/gpt2", "dp=2,hp=2,cp=2", "k=4 recipe.s=8"},
	{"golden/gpt2", "hp=3,cp=2", "k=3 p=16 recipe.s=12", 1},
	{"golden/qwen3", "dp=2,hp=2,cp=2", ""},
	{"golden/qwen3", "hp=6,cp=3", "recipe.s=18"},
	{"golden/mistral", "cp=4,hp=2", "recipe.s=16"},
	{"golden/docs", "hp=2,cp=2", ""},
	{"golden/docs", "hp=6,cp=2", "k=3 g=2 recipe.s=24"},
	{"golden/docs", "hp=4,cp=2,dp=2", "k=2 g=2 recipe.s=16"},
	{"golden/mix", "dp=2,cp=2", ""},
	{"sem/captured", "dp=2,cp=2", "recipe.s=8"},
	{"sem/captured", "hp=6,cp=2", "recipe.s=24"},
	{"sem/captured", "hp=9", "recipe.s=18"},
};

struct model_run {
	struct train t;
	struct trace *trace;
	double nll, count, *logits[2];
	uint64_t nlogits;
};

/* s and batch come first, so that the shape's own win. */
static int
settings(struct arena *mem, const struct shape *s, const char **set)
{
	char *text = arena_strndup(mem, s->set, strlen(s->set));
	int n = 0;

	set[n++] = "recipe.s=8";
	for (char *p = strtok(text, " "); p; p = strtok(NULL, " ")) {
		ck_assert_int_lt(n, MAX_SET);
		set[n++] = p;
	}
	return n;
}

static void
compile(struct model_run *r, const struct shape *s, const char *mesh,
    const char *stop)
{
	const char *set[MAX_SET + 2];
	struct arena *mem = &r->t.mem;
	struct pipeline_options o = {.stop = stop};
	struct frontend_options f = {.mesh = mesh, .set = set};
	char *text = train_file(mem, arena_printf(mem, "tests/%s.lt",
	    s->model));
	char batch[64], micro[64];
	uint64_t len = 8;

	ck_assert_ptr_nonnull(text);
	f.nset = settings(mem, s, set);
	for (int i = 0; i < f.nset; i++)
		if (strncmp(set[i], "recipe.s=", 9) == 0)
			len = strtoull(set[i] + 9, NULL, 10);
	if (!strstr(s->set, "recipe.batch")) {
		snprintf(batch, sizeof batch, "recipe.batch=%llu",
		    (unsigned long long)len * 4);
		set[f.nset++] = batch;
	}
	if (s->dp) {
		snprintf(micro, sizeof micro, "plan.micro=%d", mesh ? 1 :
		    s->dp);
		set[f.nset++] = micro;
	}
	r->t.src = (struct source){s->model, text, (uint32_t)strlen(text)};
	r->t.diag = (struct diag){.src = &r->t.src, .out = stderr};
	r->t.m = frontend_compile(mem, &r->t.diag, &f);
	ck_assert_msg(r->t.m && pipeline_run(pipeline, r->t.m, &o) ==
	    PIPELINE_OK, "%s on %s", s->model, s->mesh);
}

static void
prepare(struct model_run *r)
{
	struct train *t = &r->t;
	struct func *step = module_func(t->m, "step");

	r->trace = trace_new(&t->mem);
	t->in = interp_new(t->m, &(struct interp_options){.seed = 3, .step = 1,
	    .training = true, .on_value = trace_value, .arg = r->trace});
	ck_assert_ptr_nonnull(t->in);
	for (int i = 0; i < step->nparam; i++) {
		t->tokens = type_global_count(t->m, step->param[i]->type);
		t->arg[i] = NEW_N(&t->mem, double, t->tokens);
	}
	train_weights(t);
	train_inputs(t, CLASSES);
}

/* Logits of all sequences of a microbatch at the first and a late position. */
static void
logits(struct model_run *r)
{
	struct train *t = &r->t;
	struct func *f = module_func(t->m, "logits");
	const double *arg[3] = {t->arg[0], NULL, t->arg[2]};
	const struct type *type;

	ck_assert_ptr_nonnull(f);
	type = arg_type(t->m, &region_last(&f->body)->in[0]);
	r->nlogits = type_global_count(t->m, type);
	for (int i = 0; i < 2; i++) {
		double at = i ? (double)module_dim(t->m, "s")->size - 3 : 0;
		double *out[1] = {NEW_N(&t->mem, double, r->nlogits)};

		arg[1] = &at;
		r->logits[i] = out[0];
		ck_assert(interp_run(t->in, "logits", 0, arg, out));
	}
}

static void
run(struct model_run *r, const struct shape *s, const char *mesh, const char *stop)
{
	compile(r, s, mesh, stop);
	prepare(r);
	ck_assert(train_eval(&r->t, &r->nll, &r->count));
	logits(r);
	ck_assert(train_step(&r->t));
}

static void
same(const struct shape *s, const char *what, double a, double b)
{
	ck_assert_msg(fabs(a - b) <= tolerance * (1 + fabs(a)),
	    "%s on %s: %s is %.17g, not %.17g", s->model, s->mesh, what, b, a);
}

/* Moments: complete gradients, on all ranks alike (interp_get says). */
static void
same_moments(const struct shape *s, struct model_run *a, struct model_run *b)
{
	for (int i = 0; i < a->t.m->nbundle; i++) {
		const struct bundle *x = a->t.m->bundle[i];
		const struct bundle *y = module_bundle(b->t.m, x->name);

		for (int j = 0; j < x->nfield && x->role != ROLE_GRAD; j++) {
			uint64_t n = interp_count(a->t.in, x, j);
			double *u = NEW_N(&a->t.mem, double, n);
			double *v = NEW_N(&a->t.mem, double, n);

			ck_assert(interp_get(a->t.in, x, j, u));
			ck_assert_msg(interp_get(b->t.in, y, j, v), "%s on %s: "
			    "replicas of %s.%s differ", s->model, s->mesh,
			    x->name, x->field[j].name);
			for (uint64_t k = 0; k < n && x->role !=
			    ROLE_PARAM; k++)
				same(s, x->field[j].name, u[k], v[k]);
		}
	}
}

static void
compare(const struct shape *s, const char *stop)
{
	struct model_run a = {.nll = 0}, b = {.nll = 0};
	struct trace_result r;

	run(&a, s, NULL, "autodiff");
	run(&b, s, s->mesh, stop);
	r = trace_compare(a.trace, b.trace, NULL, NULL);
	ck_assert_msg(r.worst <= tolerance, "%s on %s: %s is off by %g",
	    s->model, s->mesh, r.name, r.worst);
	ck_assert_int_gt(r.shared, 50);
	same(s, "loss", a.t.loss, b.t.loss);
	same(s, "norm", a.t.gnorm, b.t.gnorm);
	same(s, "eval", a.nll, b.nll);
	same(s, "count", a.count, b.count);
	for (int i = 0; i < 2; i++)
		for (uint64_t j = 0; j < a.nlogits; j++)
			same(s, "a logit", a.logits[i][j], b.logits[i][j]);
	same_moments(s, &a, &b);
	train_free(&a.t);
	train_free(&b.t);
}

START_TEST(every_value)
{
	compare(&shapes[_i], "partition");
}
END_TEST

/* And behind all passes that change ops. */
START_TEST(whole_pipeline)
{
	compare(&shapes[_i], "schedule");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("partition of models");
	TCase *tc = tcase_create("partition");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_value, 0, (int)COUNT_OF(shapes));
	tcase_add_loop_test(tc, whole_pipeline, 0, (int)COUNT_OF(shapes));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
