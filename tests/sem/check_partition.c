/*
 * partition keeps what a step computes: losses, norms, gradients, parameters
 * after two steps and every named value of one device are those of N ranks.
 * Sizes of all dims differ and inputs are coded by place, so that a head or a
 * position in a wrong place, or an axis for another, shows.
 *
 * Tolerance: sums of at most 2 * 48 terms below 16 in another order, each off
 * by 2^-53 of the largest: 96 * 96 * 16 * 2^-53 = 1.6e-11 absolute; compared
 * to 1e-10.  A second step is off by what AdamW makes of that: 1e-8.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sem/trace.h"
#include "tests/sem/train.h"

#define X "f32[b,s,e]"

static const char model[] =
    "module t stage a\n%s"
    "dim    b=%d s=%d e=5 k=%d g=%d d=4 f=3 v=7 L=2%s\n"
    "set    recipe.lr = 0.01\nset    recipe.eps = 0.1\n"
    "bundle W[L] layer { n1[e] wq[e,k,g,d] wk[e,k,d] wv[e,k,d] wo[k,g,d,e] "
    "w1[e,f] w2[f,e] } : f32\n"
    "bundle E model { emb[v,e] nf[e] head[e,v] } : f32\n"
    "fn layer(l:L, x : " X "%s) {\n"
    "  w = params @W[l] : f32\n"
    "  h = rmsnorm x, w.n1 : " X "\n"
    "  q = dot h, w.wq : f32[b,s,k,g,d]\n"
    "  q1 = rope q {base=50, over=d} : f32[b,s,k,g,d]\n"
    "  c = dot h, w.wk : f32[b,s,k,d]\n"
    "  c1 = rope c {base=50, over=d} : f32[b,s,k,d]\n"
    "  v1 = dot h, w.wv : f32[b,s,k,d]\n"
    "  o, z = attn q1, c1, v1%s {mask=%s} : f32[b,s,k,g,d], f32[b,s,k,g]\n"
    "  p = dot o, w.wo : " X "\n"
    "  y = add x, p : " X "\n"
    "  u = dot y, w.w1 : f32[b,s,f]\n"
    "  a = silu u : f32[b,s,f]\n"
    "  m = dot a, w.w2 : " X "\n"
    "  r = add y, m : " X "\n"
    "  return r\n}\n"
    "fn model(tok : i32[b,s], lab : i32[b,s]%s) {\n"
    "  E1 = params @E : f32\n"
    "  x = embed E1.emb, tok : " X "\n"
    "  x1 = for l=0..L (x2 = x) {\n"
    "    r = call layer(l, x2%s)\n    yield r\n  }\n"
    "  hf = rmsnorm x1, E1.nf : " X "\n"
    "  lg = dot hf, E1.%s : f32[b,s,v]\n"
    "  nll = xent lg, lab : f32[]\n"
    "  return nll\n}\n";

static const struct shape {
	const char *mesh;
	int b, s, k, g;
} shapes[] = {
	{"dp=2", 4, 6, 2, 3},
	{"hp=2", 2, 12, 2, 3},
	{"cp=2", 2, 12, 1, 2},
	{"cp=3", 1, 18, 2, 1},
	{"hp=2 cp=3", 2, 24, 2, 1},
	{"cp=3 hp=2", 2, 24, 4, 1},
	{"dp=2 co=2 ci=2 hp=2", 4, 32, 2, 2},
	{"dp=2 hp=4 cp=2", 2, 32, 4, 1},
	{"cp=2 hp=4", 1, 32, 8, 1},
	{"cp=4 hp=2", 1, 32, 2, 4}, /* 8 query heads on 2 */
	{"co=2 ci=3", 1, 24, 2, 1},
	{"co=3 ci=2", 1, 24, 2, 1},
	{"hk=2 hr=2", 2, 24, 2, 4},          /* GQA 8:2, hp=4 */
	{"cp=2 hr=3", 2, 36, 2, 3},          /* 6:2 by 3 */
	{"dp=2 cp=2 hk=2 hr=2", 2, 48, 2, 4},
	{"hr=4", 1, 16, 1, 8},               /* MQA */
	{"hp=3 cp=2", 1, 36, 3, 2},          /* 6:3 */
	{"cp=2 hk=2 hr=3", 1, 48, 2, 6},     /* 12:2, hp=6 */
	{"hr=2 hk=2 dp=2", 2, 24, 2, 2},     /* another rank order */
};

static const struct kind {
	const char *mask, *head;
	bool doc, micro;
} kinds[] = {
	{"causal", "head", false, false},
	{"full", "head", false, true},
	{"window, window=5", "head", false, false},
	{"same", "head", true, false},
	{"causal", "emb", false, true}, /* tied */
};

struct subject {
	struct train t;
	struct trace *trace;
};

static void
load(struct subject *r, const struct shape *s, const struct kind *k,
    const char *mesh, const char *stop)
{
	struct interp_options o = {.seed = 3, .step = 1, .training = true,
	    .lr = 0.01};
	const char *text = arena_printf(&r->t.mem, model, mesh, s->b, s->s,
	    s->k, s->g, k->micro ? " mb=2" : "",
	    k->doc ? ", doc : i32[b,s]" : "", k->doc ? ", doc" : "", k->mask,
	    k->doc ? ", doc : i32[b,s]" : "", k->doc ? ", doc" : "", k->head);

	r->trace = trace_new(&r->t.mem);
	o.on_value = trace_value;
	o.arg = r->trace;
	ck_assert_msg(train_load_with(&r->t, "partition", text, stop, &o),
	    "%s", text);
	train_weights(&r->t);
	train_inputs(&r->t, 7);
}

static void
same_bundles(struct subject *a, struct subject *b, enum bundle_role role,
    double tolerance, const char *what)
{
	for (int i = 0; i < a->t.m->nbundle; i++) {
		const struct bundle *w = a->t.m->bundle[i];

		for (int f = 0; f < w->nfield && w->role == role; f++) {
			uint64_t n;
			double *x = train_field(&a->t, w, f, &n);
			double *y = train_field(&b->t, module_bundle(b->t.m,
			    w->name), f, &n);

			for (uint64_t j = 0; j < n; j++)
				ck_assert_msg(fabs(x[j] - y[j]) <= tolerance *
				    (1 + fabs(x[j])), "%s: %s.%s[%d] is %g, "
				    "not %g", what, w->name, w->field[f].name,
				    (int)j, y[j], x[j]);
		}
	}
}

static void
compare(const struct shape *s, const struct kind *k, const char *stop)
{
	struct subject a = {0}, b = {0};
	const char *what = arena_printf(&a.t.mem, "%s, %s", s->mesh, k->mask);
	struct trace_result r;

	load(&a, s, k, "", "autodiff");
	load(&b, s, k, arena_printf(&b.t.mem, "mesh   %s\n", s->mesh), stop);
	for (int i = 0; i < 2; i++) {
		double bound = i ? 1e-8 : 1e-10;

		interp_set_step(a.t.in, i + 1, 0.01);
		interp_set_step(b.t.in, i + 1, 0.01);
		ck_assert_msg(train_step(&a.t) && train_step(&b.t), "%s",
		    what);
		ck_assert_msg(fabs(a.t.loss - b.t.loss) <= bound &&
		    fabs(a.t.gnorm - b.t.gnorm) <= bound * (1 + a.t.gnorm),
		    "%s: step %d: loss %.15g, norm %.15g; not %.15g, %.15g",
		    what, i, b.t.loss, b.t.gnorm, a.t.loss, a.t.gnorm);
		if (i)
			continue;
		same_bundles(&a, &b, ROLE_GRAD, bound, what);
		r = trace_compare(a.trace, b.trace, NULL, NULL);
		ck_assert_msg(r.shared > 40 && r.worst <= bound,
		    "%s: %d values, %s is off by %g", what, r.shared, r.name,
		    r.worst);
	}
	same_bundles(&a, &b, ROLE_PARAM, 1e-8, what);
	train_free(&a.t);
	train_free(&b.t);
}

START_TEST(same_training)
{
	compare(&shapes[_i / (int)COUNT_OF(kinds)],
	    &kinds[_i % (int)COUNT_OF(kinds)], "partition");
}
END_TEST

/* The passes behind it too, with their own policies. */
START_TEST(whole_pipeline)
{
	compare(&shapes[_i / (int)COUNT_OF(kinds)],
	    &kinds[_i % (int)COUNT_OF(kinds)], "schedule");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("partition");
	TCase *t = tcase_create("partition");
	int n = (int)(COUNT_OF(shapes) * COUNT_OF(kinds));
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, same_training, 0, n);
	tcase_add_loop_test(t, whole_pipeline, 0, n);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
