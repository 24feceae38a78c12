/*
 * Every .bwd op against central differences of its forward op.
 *
 * A case is two functions: f(params) -> y, and b(d, params) -> the gradient of
 * <d, f> for each real parameter.  For every element p of every parameter
 *
 *	b_p  ~  (<d, f(p + h)> - <d, f(p - h)>) / 2h
 *
 * Tolerance: the difference is off by h^2/6 |f'''| + u |<d, f>| / h.  With
 * h = 1e-5, u = 2^-53, at most 200 terms of size below 4 in <d, f>, and third
 * derivatives below 500 (softmax of scores below 4 in steps of scale < 1):
 * 1e-10/6 * 500 + 1.1e-16 * 800 / 1e-5 < 2e-8.  Compared to 1e-7, absolute
 * plus relative; a wrong sign, factor or index is off by 1e-2.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp/interp.h"
#include "support/rng.h"
#include "tests/suite.h"

#define H   1e-5
#define TOL 1e-7

struct fd {
	const char *name;
	const char *params; /* of f */
	const char *body;   /* makes y */
	const char *type;   /* of y and d */
	const char *back;   /* makes the gradients */
	const char *grads;
};

#define X   "f32[b,s,e]"
#define Q   "f32[b,s,k,g,d]"
#define KV  "f32[b,s,k,d]"

#define MAP(op, arg)                                                           \
	{#op, "x : " X, "y = " #op " x : " X "\n", X,                          \
	    "y = " #op " x : " X "\ng = " #op ".bwd d, " #arg " : " X "\n",    \
	    "g"}
#define ROPE(style)                                                            \
	{"rope " #style, "x : " Q,                                             \
	    "y = rope x {base=100, style=" #style ", over=d} : " Q "\n", Q,    \
	    "g = rope.bwd d {base=100, style=" #style ", over=d} : " Q "\n",   \
	    "g"}
#define ATTN(name, doc, mask)                                                  \
	{name, "q : " Q ", k : " KV ", v : " KV ", x : i32[b,s]",              \
	    "y, z = attn q, k, v" doc mask " : " Q ", f32[b,s,k,g]\n", Q,      \
	    "o, z = attn q, k, v" doc mask " : " Q ", f32[b,s,k,g]\n"          \
	    "D = attn.delta d, o : f32[b,s,k,g]\n"                             \
	    "dq, dk, dv = attn.bwd d, q, k, v, z, D" doc mask " : " Q ", " KV  \
	    ", " KV "\n",                                                      \
	    "dq, dk, dv"}

static const struct fd cases[] = {
	MAP(silu, x),
	MAP(gelu, x),
	MAP(gelu_tanh, x),
	MAP(relu, x),
	MAP(tanh, y),
	MAP(sigmoid, y),
	{"dropout", "x : " X, "y = dropout x {rate=0.3, key=5} : " X "\n", X,
	    "g = dropout.bwd d {rate=0.3, key=5} : " X "\n", "g"},
	{"swiglu", "u : " X ", t : " X, "y = swiglu u, t : " X "\n", X,
	    "du, dt = swiglu.bwd d, u, t : " X ", " X "\n", "du, dt"},
	ROPE(half),
	ROPE(interleaved),
	{"rope of keys", "x : " KV, "y = rope x {over=d} : " KV "\n", KV,
	    "g = rope.bwd d {over=d} : " KV "\n", "g"},
	{"rmsnorm", "x : " X ", w : f32[e]",
	    "y = rmsnorm x, w {eps=0.01} : " X "\n", X,
	    "dx, dw = rmsnorm.bwd d, x, w {eps=0.01} : " X ", f32[e]\n",
	    "dx, dw"},
	{"rmsnorm of heads", "x : " Q ", w : f32[d]",
	    "y = rmsnorm x, w : " Q "\n", Q,
	    "dx, dw = rmsnorm.bwd d, x, w : " Q ", f32[d]\n", "dx, dw"},
	{"layernorm", "x : " X ", w : f32[e], z : f32[e]",
	    "y = layernorm x, w, z : " X "\n", X,
	    "dx, dw, dz = layernorm.bwd d, x, w : " X ", f32[e], f32[e]\n",
	    "dx, dw, dz"},
	{"softmax inside", "x : " X, "y = softmax x {over=s} : " X "\n", X,
	    "y = softmax x {over=s} : " X "\n"
	    "g = softmax.bwd d, y {over=s} : " X "\n", "g"},
	{"softmax of rows", "x : " X, "y = softmax x {over=e} : " X "\n", X,
	    "y = softmax x {over=e} : " X "\n"
	    "g = softmax.bwd d, y {over=e} : " X "\n", "g"},
	{"sum and spread", "x : " X, "y = sum x : f32[b,e]\n", "f32[b,e]",
	    "g = spread d : " X "\n", "g"},
	{"dot", "x : " X ", w : f32[e,k,d]",
	    "y = dot x, w : f32[b,s,k,d]\n", "f32[b,s,k,d]",
	    "dx = dot d, w : " X "\ndw = dot x, d : f32[e,k,d]\n", "dx, dw"},
	{"dot transposed", "x : " X ", w : f32[v,e]",
	    "y = dot x, w : f32[b,s,v]\n", "f32[b,s,v]",
	    "dx = dot d, w : " X "\ndw = dot d, x : f32[v,e]\n", "dx, dw"},
	{"embed", "t : f32[v,e], i : i32[b,s]", "y = embed t, i : " X "\n", X,
	    "g = embed.bwd d, i : f32[v,e]\n", "g"},
	ATTN("attn causal", "", ""),
	ATTN("attn full", "", " {mask=full, scale=0.7}"),
	ATTN("attn window", "", " {mask=window, window=2}"),
	ATTN("attn same", ", x", " {mask=same}"),
	{"attn without groups", "q : " KV ", k : " KV ", v : " KV,
	    "y, z = attn q, k, v : " KV ", f32[b,s,k]\n", KV,
	    "o, z = attn q, k, v : " KV ", f32[b,s,k]\n"
	    "D = attn.delta d, o : f32[b,s,k]\n"
	    "dq, dk, dv = attn.bwd d, q, k, v, z, D : " KV ", " KV ", " KV
	    "\n", "dq, dk, dv"},
	{"xent", "x : f32[b,s,v], l : i32[b,s]",
	    "y = xent x, l {ignore=1} : f32[]\n", "f32[]",
	    "g = xent.bwd d, x, l {ignore=1} : f32[b,s,v]\n", "g"},
	{"xent.dot", "h : " X ", w : f32[e,v], l : i32[b,s]",
	    "y = xent.dot h, w, l {ignore=1} : f32[]\n", "f32[]",
	    "n, dh, dw = xent.dot.bwd d, h, w, l {ignore=1} : f32[], " X
	    ", f32[e,v]\n", "dh, dw"},
	{"xent.dot tied", "h : " X ", w : f32[v,e], l : i32[b,s]",
	    "y = xent.dot h, w, l {ignore=0, chunk=2} : f32[]\n", "f32[]",
	    "n, dh, dw = xent.dot.bwd d, h, w, l {ignore=0, chunk=2} : f32[], "
	    X ", f32[v,e]\n", "dh, dw"},
};

static const char *const shapes[] = {
	"b=2 s=3 e=4 k=2 g=3 d=2 v=5",
	"b=1 s=4 e=3 k=1 g=2 d=4 v=3",
	"b=3 s=1 e=2 k=3 g=1 d=2 v=2",
};

enum { NSHAPE = sizeof shapes / sizeof shapes[0], NPARAM = 5 };

struct trial {
	struct arena mem;
	struct source src;
	struct diag diag;
	struct module *m;
	struct interp *in;
	struct func *f;
	uint64_t n[NPARAM], ny;
	double *arg[NPARAM + 1]; /* d first, as b takes them */
	double *y, *grad[NPARAM];
};

static double
draw(uint64_t stream, uint64_t i)
{
	return 2 * lt_rng_uniform(1, stream, i) - 1;
}

static double *
numbers(struct trial *r, const struct type *t, uint64_t stream, uint64_t *n)
{
	double *x;

	*n = type_global_count(r->m, t);
	x = NEW_N(&r->mem, double, *n);
	for (uint64_t i = 0; i < *n; i++)
		x[i] = t->dtype == DT_I32 ? (i * 5 + 1) % 2 : draw(stream, i);
	return x;
}

static void
setup(struct trial *r, const struct fd *c, const char *shape)
{
	char *text = arena_printf(&r->mem, "module t stage a\ndim %s\n\n"
	    "fn f(%s) {\n%sreturn y\n}\n\nfn b(d : %s, %s) {\n%sreturn %s\n}\n",
	    shape, c->params, c->body, c->type, c->params, c->back, c->grads);

	r->src = (struct source){c->name, text, (uint32_t)strlen(text)};
	r->diag = (struct diag){.src = &r->src, .out = stderr};
	r->m = module_read(&r->mem, &r->diag);
	ck_assert_msg(r->m && module_verify(r->m) == 0, "%s", text);
	r->in = interp_new(r->m, &(struct interp_options){.seed = 3,
	    .step = 1, .training = true});
	r->f = module_func(r->m, "f");
	for (int i = 0; i < r->f->nparam; i++)
		r->arg[i + 1] = numbers(r, r->f->param[i]->type,
		    (uint64_t)i + 1, &r->n[i]);
	r->arg[0] = numbers(r, module_func(r->m, "b")->param[0]->type, 0,
	    &r->ny);
	r->y = NEW_N(&r->mem, double, r->ny);
}

/* <d, f> */
static double
value(struct trial *r)
{
	double sum = 0;

	ck_assert(interp_run(r->in, "f", 0,
	    (const double *const *)&r->arg[1], &r->y));
	for (uint64_t i = 0; i < r->ny; i++)
		sum += r->arg[0][i] * r->y[i];
	return sum;
}

static double
difference(struct trial *r, double *p)
{
	double x = *p, up, down;

	*p = x + H;
	up = value(r);
	*p = x - H;
	down = value(r);
	*p = x;
	return (up - down) / (2 * H);
}

START_TEST(finite_differences)
{
	const struct fd *c = &cases[_i / NSHAPE];
	struct trial r = {0};
	int ngrad = 0, at = 0;

	setup(&r, c, shapes[_i % NSHAPE]);
	for (int i = 0; i < r.f->nparam; i++)
		if (r.f->param[i]->type->dtype != DT_I32)
			r.grad[ngrad++] = NEW_N(&r.mem, double, r.n[i]);
	ck_assert(interp_run(r.in, "b", 0, (const double *const *)r.arg,
	    r.grad));
	for (int i = 0; i < r.f->nparam; i++) {
		if (r.f->param[i]->type->dtype == DT_I32)
			continue;
		for (uint64_t j = 0; j < r.n[i]; j++) {
			double want = difference(&r, &r.arg[i + 1][j]);
			double got = r.grad[at][j];

			ck_assert_msg(fabs(got - want) <=
			    TOL * (1 + fabs(want)), "%s: gradient of %s[%d] "
			    "is %.12g, differences say %.12g", c->name,
			    r.f->param[i]->name, (int)j, got, want);
		}
		at++;
	}
	interp_free(r.in);
	arena_free(&r.mem);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("ops");

	tcase_add_loop_test(t, finite_differences, 0,
	    (int)COUNT_OF(cases) * NSHAPE);
	return suite_run("finite differences", t);
}
