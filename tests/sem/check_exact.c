/*
 * The program of tests/train/exact.lt with integers for parameters on the
 * interpreter, values rounded as a trainer rounds them: behind all passes the
 * loss, every gradient and every parameter after the step are those of one
 * rank to the last bit, whatever the mesh, what ranks share and what backward
 * computes again.  tests/train/exact.sh has the same of trainers, and why.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sem/train.h"
#include "tests/suite.h"
#include "tests/train/integers.h"

enum { SEQUENCE = 64, FIELDS = 8 };

static const struct mesh {
	const char *axes;
	int s; /* padded for them */
	const char *set;
} meshes[] = {
	{"", 64, ""},
	{"dp=2", 64, ""},
	{"hp=2", 64, ""},
	{"cp=2", 64, ""},
	{"hr=3", 66, ""},
	{"hk=4 hr=3", 72, "plan.recompute = full"},
	{"cp=3", 66, ""},
	{"cp=5", 70, "plan.ring = q"},
	{"cp=4 hp=2", 64, ""},
	{"cp=2 hp=4", 64, ""},
	{"hp=2 cp=4", 64, "plan.recompute = full"},
	{"hp=4 cp=2", 64, "plan.ring = q"},
	{"co=3 ci=2", 72, ""},
	{"co=2 ci=3", 72, ""},
	{"co=3 ci=2 hr=3", 72, "plan.ring = kv"},
	{"co=2 ci=3 hr=3", 72, "plan.ring = q"},
	{"hk=2 hr=3 co=2 ci=2", 72, ""},
	{"dp=2 co=2 ci=2 hp=2", 64,
	    "plan.zero.matrices = \"params(hp) grads(hp,ci) "
	    "optimizer(hp,ci,dp)\"; plan.zero.rest = \"params() grads() "
	    "optimizer(hp,co)\""},
	{"dp=2 cp=2 hp=2", 64,
	    "plan.zero.matrices = \"params(dp,cp,hp) grads(dp,cp,hp) "
	    "optimizer(dp,cp,hp)\"; plan.zero.rest = "
	    "\"params(dp,cp,hp) grads(dp,cp,hp) optimizer(dp,cp,hp)\"; "
	    "plan.recompute = full"},
};

static char *
program(struct arena *mem, const struct mesh *x)
{
	return arena_printf(mem, "module exact stage a\n%s%s%s"
	    "dim b=4 s=%d e=16 f=24 k=4 g=3 d=6 v=128 L=2\n"
	    "set recipe.s = 64; recipe.lr = 0.001; recipe.clip = 0\n%s%s%s"
	    "bundle W[L] layer { wq[e,k,g,d] wk[e,k,d] wv[e,k,d] wo[k,g,d,e] "
	    "w1[e,f] w2[f,e] } : f32\n"
	    "bundle E model { emb[v,e] head[e,v] } : f32\n"
	    "init W normal(0.02) decay wq wk wv wo w1 w2\n"
	    "init E normal(0.02) decay emb head\n\n"
	    "fn layer(l:L, x : f32[b,s,e], doc : i32[b,s]) {\n"
	    "  w = params @W[l] : f32\n"
	    "  q = dot x, w.wq : f32[b,s,k,g,d]\n"
	    "  c = dot x, w.wk : f32[b,s,k,d]\n"
	    "  v = dot x, w.wv : f32[b,s,k,d]\n"
	    "  o, z = attn q, c, v, doc {mask=same} : f32[b,s,k,g,d], "
	    "f32[b,s,k,g]\n"
	    "  p = dot o, w.wo : f32[b,s,e]\n"
	    "  y = add x, p : f32[b,s,e]\n"
	    "  u = dot y, w.w1 : f32[b,s,f]\n"
	    "  a = relu u : f32[b,s,f]\n"
	    "  m = dot a, w.w2 : f32[b,s,e]\n"
	    "  r = add y, m : f32[b,s,e]\n"
	    "  return r\n}\n\n"
	    "fn model(tok : i32[b,s], lab : i32[b,s]) {\n"
	    "  E1 = params @E : f32\n"
	    "  x = embed E1.emb, tok : f32[b,s,e]\n"
	    "  y = for l=0..L (h = x) {\n"
	    "    r = call layer(l, h, tok)\n    yield r\n  }\n"
	    "  lg = dot y, E1.head : f32[b,s,v]\n"
	    "  nll = xent lg, lab : f32[]\n"
	    "  return nll\n}\n",
	    *x->axes ? "mesh " : "", x->axes, *x->axes ? "\n" : "", x->s,
	    *x->set ? "set " : "", x->set, *x->set ? "\n" : "");
}

static void
fill(struct train *t, uint64_t seed)
{
	for (int i = 0; i < t->m->nbundle; i++) {
		const struct bundle *b = t->m->bundle[i];

		for (int f = 0; f < b->nfield && b->role == ROLE_PARAM; f++) {
			uint64_t n = interp_count(t->in, b, f);
			double *x = NEW_N(&t->mem, double, n);

			for (uint64_t j = 0; j < n; j++)
				x[j] = integers_element(seed,
				    b->field[f].name, j);
			interp_set(t->in, b, f, x);
		}
	}
	ck_assert(interp_refresh(t->in));
}

/* No token twice in a sequence; padding behind it, whose labels are ignored. */
static void
inputs(struct train *t, int s)
{
	for (uint64_t i = 0; i < t->tokens; i++) {
		uint64_t at = i % (uint64_t)s, row = i / (uint64_t)s;
		uint64_t c = (row * 41 + at) * 5 % 127 + 1;

		t->arg[0][i] = at < SEQUENCE ? (double)c : 0;
		t->arg[1][i] = at < SEQUENCE ? (double)((c + 4) % 127 + 1) :
		    -100;
	}
}

/* What a step leaves, by field. */
struct left {
	double loss;
	int n;
	const char *name[2 * FIELDS];
	double *x[2 * FIELDS];
	uint64_t count[2 * FIELDS];
};

static void
keep(struct train *t, struct left *l)
{
	l->loss = t->loss;
	for (int i = 0; i < t->m->nbundle; i++) {
		const struct bundle *b = t->m->bundle[i];

		for (int f = 0; f < b->nfield && b->role == ROLE_PARAM; f++) {
			ck_assert(l->n + 2 <= 2 * FIELDS);
			for (int g = 0; g < 2; g++) {
				l->name[l->n] = arena_printf(&t->mem, "%s%s",
				    g ? "gradient of " : "",
				    b->field[f].name);
				l->x[l->n] = (g ? train_grad : train_field)(t,
				    b, f, &l->count[l->n]);
				l->n++;
			}
		}
	}
}

static void
run(struct train *t, const struct mesh *x, uint64_t seed, struct left *l)
{
	struct interp_options o = {.seed = 1, .step = 1, .round = true,
	    .training = true};

	ck_assert_msg(train_load_with(t, "exact", program(&t->mem, x), NULL,
	    &o), "mesh %s", x->axes);
	fill(t, seed);
	inputs(t, x->s);
	ck_assert(train_step(t));
	keep(t, l);
}

static void
compare(const struct left *a, const struct left *b, const char *mesh)
{
	ck_assert_msg(a->loss == b->loss, "mesh %s: loss %.17g, not %.17g",
	    mesh, b->loss, a->loss);
	ck_assert_int_eq(a->n, b->n);
	for (int i = 0; i < a->n; i++) {
		int j = 0;

		while (j < b->n && strcmp(a->name[i], b->name[j]) != 0)
			j++;
		ck_assert_msg(j < b->n && a->x[i] && b->x[j] &&
		    a->count[i] == b->count[j] && memcmp(a->x[i], b->x[j],
		    a->count[i] * sizeof(double)) == 0, "mesh %s, %s: %s",
		    mesh, a->name[i], "not the bits of one rank");
	}
}

START_TEST(bits)
{
	const struct mesh *x = &meshes[_i];
	struct train one = {.loss = 0}, many = {.loss = 0};
	struct left a = {.n = 0}, b = {.n = 0};

	for (uint64_t seed = 1; seed <= 2; seed++) {
		a.n = b.n = 0;
		run(&one, &meshes[0], seed, &a);
		run(&many, x, seed, &b);
		ck_assert(a.loss > 1 && a.n == 2 * FIELDS);
		compare(&a, &b, x->axes);
		train_free(&one);
		train_free(&many);
		memset(&one, 0, sizeof one);
		memset(&many, 0, sizeof many);
	}
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("meshes");

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, bits, 0, sizeof meshes / sizeof *meshes);
	return suite_run("exact", c);
}
