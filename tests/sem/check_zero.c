/*
 * zero keeps what a step computes, for every nested choice of axes on small
 * meshes: losses and norms of three steps, moments, every named value of the
 * first step; and replicas stay equal.
 *
 * Tolerance: sums of at most 64 terms below 100 in another order, a few units
 * of 2^-53 each: 1e-12 relative plus absolute.  A gradient that rounds to
 * another number changes a weight by at most lr times that over its size: the
 * second and third step are compared at 1e-9.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sem/trace.h"
#include "tests/sem/train.h"

enum { STEPS = 3 };

static const char header[] =
    "module t stage c\n"
    "after  ring\n"
    "mesh   $M\n"
    "dim    $B e=4 f=6 v=7 L=2\n"
    "set    recipe.lr = 0.01\n"
    "$S"
    "lay    T = $T\n"
    "type   X = $D[T,e]\n"
    "type   F = $D[T,f]\n"
    "bundle W[L] layer { n[e] w1[e,f] w2[f,e] } : f32\n"
    "init   W ones n\n"
    "init   W normal(0.5) decay w1 w2\n"
    "bundle E model { emb[v,e] head[v,e] } : f32\n"
    "init   E normal(0.5) decay emb head\n"
    "bundle GW[L] = grad W : f32 +all\n"
    "bundle GE = grad E : f32 +all\n"
    "bundle RW[L] = grad W over GW : f32\n"
    "bundle RE = grad E over GE : f32\n"
    "bundle MW[L] = moment1 W : f32\n"
    "bundle ME = moment1 E : f32\n"
    "bundle VW[L] = moment2 W : f32\n"
    "bundle VE = moment2 E : f32\n"
    "\n"
    "fn layer(l:L, x : X) {\n"
    "  w = params @W[l] : $D\n"
    "  n = rmsnorm x, w.n : X\n"
    "  u = dot n, w.w1 : F\n"
    "  a = silu u : F\n"
    "  m = dot a, w.w2 : X\n"
    "  r = add x, m : X\n"
    "  save x, n, u, a\n"
    "  return r\n"
    "}\n"
    "\n"
    "fn layer.bwd(l:L, dr : X) {\n"
    "  x, n, u, a = load\n"
    "  w = params @W[l] : $D\n"
    "  @GW[l].w2 += dot a, dr : f32[f,e] +all\n"
    "  da = dot dr, w.w2 : F\n"
    "  du = silu.bwd da, u : F\n"
    "  @GW[l].w1 += dot n, du : f32[e,f] +all\n"
    "  dn = dot du, w.w1 : X\n"
    "  dx1, d_n = rmsnorm.bwd dn, x, w.n : X, f32[e] +all\n"
    "  @GW[l].n += accum d_n : f32[e] +all\n"
    "  dx = add dr, dx1 : X\n"
    "  return dx\n"
    "}\n"
    "\n";

/* $H: the field that the head reads, emb again or head. */
static const char model[] =
    "  E = params @E : $D\n"
    "  x = embed E.emb, tok : X\n"
    "  y = for l=0..L (h = x) {\n"
    "    r = call layer(l, h)\n"
    "    yield r\n"
    "  }\n";

static const char backward[] =
    "  nll, dy, d_head = xent.dot.bwd rn, y, E.$H, lab : f32[] +all, X, "
    "f32[v,e] +all\n"
    "  @GE.$H += accum d_head : f32[v,e] +all\n"
    "  dx = for l=0..L rev (d = dy) {\n"
    "    d1 = call layer.bwd(l, d)\n"
    "    yield d1\n"
    "  }\n"
    "  @GE.emb += embed.bwd dx, tok : f32[v,e] +all\n";

static const char step_begin[] =
    "fn step($P) {\n"
    "  cntp = count $L : f32[] +all\n"
    "  cnt = allreduce cntp on $A : f32[]\n"
    "  rn = recip cnt : f32[]\n"
    "  zero @GW, @GE\n";

static const char loop_begin[] =
    "  nll0 = zeros : f32[] +all\n"
    "  nlls = for m=0..mb (acc = nll0) {\n"
    "  tok = take toks at m : i32[T]\n"
    "  lab = take labs at m : i32[T]\n";

static const char loop_end[] =
    "  sum = add acc, nll : f32[] +all\n"
    "  yield sum\n"
    "  }\n";

static const char step_end[] =
    "  lossp = mul $N, rn : f32[] +all\n"
    "  loss = allreduce lossp on $A : f32[]\n"
    "  @RW = allreduce @GW on $A : f32\n"
    "  @RE = allreduce @GE on $A : f32\n"
    "  ss = sumsq @RW, @RE : f32[]\n"
    "  gn = sqrt ss : f32[]\n"
    "  cl = clip gn {max=1} : f32[]\n"
    "  adamw @W, @RW, @MW, @VW, cl\n"
    "  adamw @E, @RE, @ME, @VE, cl\n"
    "  return loss, gn\n"
    "}\n";

enum variant { PLAIN, TIED, MICRO, BF16, VARIANTS };

struct shape {
	const char *mesh, *tokens, *axes;
	int n;
	const char *axis[3];
};

static const struct shape shapes[] = {
	{"hp=2", "b, s/hp", "hp", 1, {"hp"}},
	{"dp=3", "b/dp, s", "dp", 1, {"dp"}},
	{"dp=2 hp=3", "b/dp, s/hp", "dp, hp", 2, {"dp", "hp"}},
	{"dp=2 hp=2 cp=2", "b/dp, s/zz(cp)/hp", "dp, hp, cp", 3,
	    {"dp", "hp", "cp"}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* ------------------------------------------------------------------- texts */

/* Bit 2i and 2i+1 of a choice: what axis i shares first, of four. */
static const char *
lists(struct arena *mem, const struct shape *s, int choice)
{
	static const char *const kind[] = {"params", "grads", "optimizer"};
	const char *text = "", *list = "";

	for (int k = 0; k < 3; k++) {
		for (int i = 0; i < s->n; i++)
			if ((choice >> 2 * i & 3) == k)
				list = arena_printf(mem, "%s%s%s", list,
				    *list ? "," : "", s->axis[i]);
		text = arena_printf(mem, "%s%s%s(%s)", text, k ? " " : "",
		    kind[k], list);
	}
	return text;
}

/* text with $X replaced, by pairs of letter and string. */
static const char *
fill(struct arena *mem, const char *text, const char *const (*with)[2])
{
	char *out = NEW_N(mem, char, 1 << 14), *p = out;

	for (; *text; text++) {
		int i = 0;

		if (*text != '$') {
			*p++ = *text;
			continue;
		}
		text++;
		while (with[i][0] && *with[i][0] != *text)
			i++;
		ck_assert_msg(with[i][0] != NULL, "no $%c", *text);
		p += sprintf(p, "%s", with[i][1]);
		ck_assert(p - out < 1 << 13);
	}
	return out;
}

static const char *
program(struct arena *mem, const struct shape *s, enum variant v,
    const char *settings)
{
	bool micro = v == MICRO;
	const char *const with[][2] = {
		{"M", s->mesh}, {"T", s->tokens}, {"A", s->axes},
		{"S", settings}, {"D", v == BF16 ? "bf16" : "f32"},
		{"B", micro ? "b=6 s=24 mb=2" : "b=6 s=24"},
		{"P", micro ? "toks : i32[mb,T], labs : i32[mb,T]" :
		    "tok : i32[T], lab : i32[T]"},
		{"L", micro ? "labs" : "lab"},
		{"N", micro ? "nlls" : "nll"},
		{"H", v == TIED ? "emb" : "head"},
		{NULL, NULL},
	};

	return fill(mem, arena_printf(mem, "%s%s%s%s%s%s%s", header,
	    step_begin, micro ? loop_begin : "", model, backward,
	    micro ? loop_end : "", step_end), with);
}

static const char *
settings(struct arena *mem, const struct shape *s, int choice)
{
	int all = 1 << 2 * s->n;

	return arena_printf(mem, "set plan.zero.matrices = \"%s\"\n"
	    "set plan.zero.rest = \"%s\"\n", lists(mem, s, choice),
	    lists(mem, s, choice % 3 == 0 ? choice : (choice * 7 + 3) % all));
}

/* -------------------------------------------------------------------- runs */

struct subject {
	struct train t;
	struct trace *trace;
};

static void
load(struct subject *r, const char *text, const char *stop)
{
	struct interp_options o = {.seed = 3, .step = 1, .training = true};

	r->trace = trace_new(&r->t.mem);
	o.on_value = trace_value;
	o.arg = r->trace;
	ck_assert_msg(train_load_with(&r->t, "zero", text, stop, &o), "%s",
	    text);
	train_weights(&r->t);
	train_inputs(&r->t, 7);
}

static struct bundle *
find_field(const struct train *t, const struct bundle *like, int field,
    int *at)
{
	for (int i = 0; i < t->m->nbundle; i++) {
		struct bundle *b = t->m->bundle[i];

		if (b->role != like->role || (b->role == ROLE_GRAD &&
		    *b->name != *like->name) || strcmp(b->path, like->path) != 0)
			continue;
		*at = bundle_field(b, module_namez(t->m,
		    like->field[field].name));
		if (*at >= 0)
			return b;
	}
	return NULL;
}

/* What a role holds is what it held, and equal wherever it is; gradients: the
 * complete ones, RW and RE. */
static void
same_fields(struct subject *a, struct subject *b, enum bundle_role role,
    double tolerance, const char *what)
{
	for (int i = 0; i < a->t.m->nbundle; i++) {
		const struct bundle *w = a->t.m->bundle[i];

		for (int f = 0; f < w->nfield && w->role == role &&
		    !w->pend; f++) {
			uint64_t n = interp_count(a->t.in, w, f);
			double *x = NEW_N(&a->t.mem, double, n);
			double *y = NEW_N(&b->t.mem, double, n);
			int at = -1;
			struct bundle *v = find_field(&b->t, w, f, &at);

			ck_assert(v && interp_count(b->t.in, v, at) == n);
			ck_assert(interp_get(a->t.in, w, f, x));
			ck_assert_msg(interp_get(b->t.in, v, at, y),
			    "%s: %s.%s differs between ranks", what, v->name,
			    v->field[at].name);
			for (uint64_t j = 0; j < n; j++)
				ck_assert_msg(fabs(x[j] - y[j]) <= tolerance *
				    (1 + fabs(x[j])), "%s: %s.%s[%d] is %g, "
				    "not %g", what, v->name,
				    v->field[at].name, (int)j, y[j], x[j]);
		}
	}
}

/* Copies are the masters, rounded. */
static void
same_copies(struct subject *r, const char *what)
{
	for (int i = 0; i < r->t.m->nbundle; i++) {
		const struct bundle *c = r->t.m->bundle[i];

		for (int f = 0; f < c->nfield && c->role == ROLE_COPY; f++) {
			uint64_t n;
			double *x = train_field(&r->t, c->of, f, &n);
			double *y = train_field(&r->t, c, f, &n);

			for (uint64_t j = 0; j < n; j++)
				ck_assert_msg(x[j] == y[j], "%s: copy %s.%s",
				    what, c->name, c->field[f].name);
		}
	}
}

static void
compare(const struct shape *s, enum variant v, int choice)
{
	struct subject a = {0}, b = {0};
	const char *set = settings(&a.t.mem, s, choice), *what;
	struct trace_result r;

	what = arena_printf(&a.t.mem, "%s variant %d\n%s", s->mesh, v, set);
	load(&a, program(&a.t.mem, s, v, set), "read");
	load(&b, program(&b.t.mem, s, v, set), "zero");
	for (int i = 0; i < STEPS; i++) {
		double bound = i ? 1e-9 : 1e-12;

		interp_set_step(a.t.in, i + 1, 0.01);
		interp_set_step(b.t.in, i + 1, 0.01);
		ck_assert_msg(train_step(&a.t) && train_step(&b.t), "%s",
		    what);
		if (i == 0)
			same_fields(&a, &b, ROLE_GRAD, 1e-12, what);
		ck_assert_msg(fabs(a.t.loss - b.t.loss) <= bound * 10 &&
		    fabs(a.t.gnorm - b.t.gnorm) <= bound * 10,
		    "%s: step %d: loss %.15g, norm %.15g; not %.15g, %.15g",
		    what, i, b.t.loss, b.t.gnorm, a.t.loss, a.t.gnorm);
		if (i == 0) {
			r = trace_compare(a.trace, b.trace, NULL, NULL);
			ck_assert_msg(r.shared > 20 && r.worst <= 1e-12,
			    "%s: %s is off by %g", what, r.name, r.worst);
			same_fields(&a, &b, ROLE_MOMENT1, 1e-12, what);
			same_fields(&a, &b, ROLE_MOMENT2, 1e-12, what);
		}
	}
	same_fields(&a, &b, ROLE_PARAM, 1e-8, what);
	same_copies(&b, what);
	ck_assert(a.t.gnorm > 1e-3);
	train_free(&a.t);
	train_free(&b.t);
}

START_TEST(every_nested_choice)
{
	const struct shape *s = &shapes[_i];
	int all = 1 << 2 * s->n;

	for (int choice = 0; choice < all; choice++)
		for (int v = 0; v < VARIANTS; v++)
			if (s->n < 3 || choice % VARIANTS == v)
				compare(s, (enum variant)v, choice);
}
END_TEST

/* Nothing to share: the program stays what it is. */
START_TEST(stage_zero)
{
	struct train t = {0};
	const char *text = program(&t.mem, &shapes[2], PLAIN,
	    "set plan.zero.rest = \"params() grads() optimizer()\"\n");

	ck_assert(train_load(&t, "zero", text, "zero"));
	ck_assert_int_eq(t.m->stage, 'c');
	for (int i = 0; i < t.m->nbundle; i++)
		ck_assert_int_eq(t.m->bundle[i]->flat.n, 0);
	train_free(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("zero");
	TCase *c = tcase_create("zero");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, every_nested_choice, 0, SHAPES);
	tcase_add_test(c, stage_zero);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
