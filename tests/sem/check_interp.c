/*
 * The interpreter against naive code that shares nothing with it: explicit
 * loops, hand-made numbers, and one rank against four.
 *
 * Tolerance: both sides are doubles and differ in the order of sums of at most
 * 20 terms below 4, so by less than 20 * 80 * 2^-53 = 1.8e-13; compared to
 * 1e-12.  A window off by one or a swapped index moves 1e-3 and more.
 */
#include "config.h"

#include <check.h>
#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp/interp.h"
#include "support/rng.h"

#define TOL 1e-12

static struct arena mem;
static struct source src;
static struct diag diag;
static struct module *m;

static struct interp *
load(const char *text, const struct interp_options *o)
{
	src = (struct source){"test", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = stderr};
	m = module_read(&mem, &diag);
	ck_assert(m && module_verify(m) == 0);
	return interp_new(m, o ? o : &(struct interp_options){.step = 1});
}

static double *
draws(uint64_t stream, uint64_t n)
{
	double *x = NEW_N(&mem, double, n);

	for (uint64_t i = 0; i < n; i++)
		x[i] = 2 * lt_rng_uniform(9, stream, i) - 1;
	return x;
}

static void
same(const double *got, const double *want, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		ck_assert_msg(fabs(got[i] - want[i]) <= TOL,
		    "element %d is %.15g, not %.15g", (int)i, got[i],
		    want[i]);
}

/* ------------------------------------------------------------- attention */

enum { B = 2, S = 5, K = 2, G = 3, D = 4 };

struct mask {
	const char *text, *doc;
};

static const struct mask masks[] = {
	{"", ""}, {" {mask=full}", ""}, {" {mask=window, window=2}", ""},
	{" {mask=same}", ", c"},
};

static const double doc[B * S] = {0, 0, 1, 1, 1, 0, 1, 1, 2, 2};

static bool
visible(int mask, int b, int i, int j)
{
	return mask == 0 ? j <= i : mask == 1 ? true :
	    mask == 2 ? j == i || j == i - 1 :
	    j <= i && doc[b * S + i] == doc[b * S + j];
}

START_TEST(attention)
{
	const char *text = arena_printf(&mem, "module t stage a\n"
	    "dim b=2 s=5 k=2 g=3 d=4\n\n"
	    "fn f(q : f32[b,s,k,g,d], x : f32[b,s,k,d], v : f32[b,s,k,d], "
	    "c : i32[b,s]) {\n"
	    "o, z = attn q, x, v%s%s : f32[b,s,k,g,d], f32[b,s,k,g]\n"
	    "return o, z\n}\n", masks[_i].doc, masks[_i].text);
	struct interp *in = load(text, NULL);
	double *q = draws(1, B * S * K * G * D), *k = draws(2, B * S * K * D);
	double *v = draws(3, B * S * K * D), o[B * S * K * G * D];
	double z[B * S * K * G], want_o[D], want_z;

	ck_assert(interp_run(in, "f", 0, (const double *[]){q, k, v, doc},
	    (double *[]){o, z}));
	for (int r = 0; r < B * S * K * G; r++) {
		int b = r / (S * K * G), i = r / (K * G) % S, h = r / G % K;
		double sum = 0;

		memset(want_o, 0, sizeof want_o);
		for (int j = 0; j < S; j++) {
			const double *kj = k + ((b * S + j) * K + h) * D;
			const double *vj = v + ((b * S + j) * K + h) * D;
			double dot = 0;

			for (int c = 0; c < D; c++)
				dot += q[r * D + c] * kj[c];
			dot = visible(_i, b, i, j) ? exp(dot / 2) : 0;
			sum += dot;
			for (int c = 0; c < D; c++)
				want_o[c] += dot * vj[c];
		}
		for (int c = 0; c < D; c++)
			want_o[c] /= sum;
		want_z = log(sum);
		same(o + r * D, want_o, D);
		same(z + r, &want_z, 1);
	}
	interp_free(in);
}
END_TEST

/* A row that sees no key: nothing comes out, and no NaN. */
START_TEST(infinite)
{
	struct interp *in = load("module t stage a\ndim s=3\n\nfn f() {\n"
	    "z = neginf : f32[s]\ne = exp z : f32[s]\nreturn z, e\n}\n", NULL);
	double z[3], e[3];

	ck_assert(interp_run(in, "f", 0, NULL, (double *[]){z, e}));
	ck_assert(isinf(z[2]) && e[2] == 0);
	interp_free(in);
}
END_TEST

/* Turning a pair is multiplying a complex number. */
START_TEST(rotary)
{
	const char *text = arena_printf(&mem, "module t stage a\n"
	    "dim b=2 s=5 k=2 d=4\n\nfn f(x : f32[b,s,k,d]) {\n"
	    "y = rope x {base=100, style=%s, over=d} : f32[b,s,k,d]\n"
	    "return y\n}\n", _i ? "interleaved" : "half");
	struct interp *in = load(text, NULL);
	double *x = draws(4, B * S * K * D), y[B * S * K * D], want[2];

	ck_assert(interp_run(in, "f", 0, (const double *[]){x},
	    (double *[]){y}));
	for (int r = 0; r < B * S * K; r++)
		for (int j = 0; j < 2; j++) {
			int u = r * D + (_i ? 2 * j : j);
			int w = _i ? u + 1 : u + 2;
			int pos = r / K % S;
			double complex t = (x[u] + I * x[w]) *
			    cexp(I * pos * (j ? 0.1 : 1.0));

			want[0] = creal(t);
			want[1] = cimag(t);
			same(y + u, &want[0], 1);
			same(y + w, &want[1], 1);
		}
	interp_free(in);
}
END_TEST

/* ------------------------------------------------------------- numbers */

START_TEST(rows_and_losses)
{
	static const double x[6] = {3, 4, 0, 1, 2, 2}, w[3] = {1, 2, 3};
	static const double z[3] = {0.5, 0, -1}, lab[2] = {2, -100};
	struct interp *in = load("module t stage a\ndim b=1 s=2 e=3\n\n"
	    "fn f(x : f32[b,s,e], w : f32[e], z : f32[e], l : i32[b,s]) {\n"
	    "r = rmsnorm x, w {eps=0} : f32[b,s,e]\n"
	    "n = layernorm x, w, z {eps=0} : f32[b,s,e]\n"
	    "c = count l : f32[]\n"
	    "h = xent x, l : f32[]\n"
	    "p = softmax x {over=e} : f32[b,s,e]\n"
	    "return r, n, c, h, p\n}\n", NULL);
	double r[6], n[6], c, h, p[6], q = sqrt(25.0 / 3), v = sqrt(26.0 / 9);
	double sum = exp(3) + exp(4) + 1, want;

	ck_assert(interp_run(in, "f", 0, (const double *[]){x, w, z, lab},
	    (double *[]){r, n, &c, &h, p}));
	same(r, (double[]){3 / q, 8 / q, 0, 1 / sqrt(3), 4 / sqrt(3),
	    6 / sqrt(3)}, 6);
	same(n, (double[]){(3 - 7.0 / 3) / v + 0.5, 2 * (4 - 7.0 / 3) / v,
	    -7 / v - 1}, 3);
	ck_assert(c == 1);
	want = log(sum);
	same(&h, &want, 1);
	same(p, (double[]){exp(3) / sum, exp(4) / sum, 1 / sum}, 3);
	interp_free(in);
}
END_TEST

START_TEST(bad_index)
{
	struct interp *in = load("module t stage a\ndim b=1 s=2 e=3 v=4\n\n"
	    "fn f(x : f32[v,e], i : i32[b,s]) {\n"
	    "y = embed x, i : f32[b,s,e]\nreturn y\n}\n", NULL);
	double *x = draws(5, 12), y[6];
	char *said;
	size_t len;

	diag.out = open_memstream(&said, &len);
	ck_assert(!interp_run(in, "f", 0,
	    (const double *[]){x, (const double[]){1, 4}}, (double *[]){y}));
	fclose(diag.out);
	ck_assert_msg(strstr(said, "embed: index 4, allowed are 0 to 3"),
	    "%s", said);
	free(said);
	interp_free(in);
}
END_TEST

START_TEST(rounding)
{
	ck_assert(interp_round(1 + 0x1p-8, DT_BF16) == 1); /* tie, to even */
	ck_assert(interp_round(1 + 0x3p-8, DT_BF16) == 1 + 0x1p-6);
	ck_assert(interp_round(1 + 0x1.1p-8, DT_BF16) == 1 + 0x1p-7);
	ck_assert(interp_round(-3e38, DT_BF16) == (float)-0x1.c4p127);
	ck_assert(isinf(interp_round(INFINITY, DT_BF16)));
	ck_assert(isnan(interp_round(NAN, DT_BF16)));
	ck_assert(interp_round(0.1, DT_F32) == (double)0.1f);
	ck_assert(interp_round(0.1, DT_I32) == 0.1);
}
END_TEST

/* ------------------------------------------------------------ structure */

#define LAYERS                                                                 \
	"module t stage a\n"                                                   \
	"dim e=2 L=3\n"                                                        \
	"set recipe.lr = 0.5\n"                                                \
	"set recipe.wd = 0.25\n"                                               \
	"set recipe.eps = 0\n"                                                 \
	"bundle W[L] layer { w[e] } : f32\n"                                   \
	"init W normal(2) decay w\n"                                           \
	"bundle G[L] = grad W : f32\n"                                         \
	"bundle M[L] = moment1 W : f32\n"                                      \
	"bundle V[L] = moment2 W : f32\n\n"                                    \
	"fn layer(l:L, x : f32[e]) {\n"                                        \
	"p = params @W[l] : f32\n"                                             \
	"y = mul x, p.w : f32[e]\n"                                            \
	"save x\n"                                                             \
	"return y\n}\n\n"                                                      \
	"fn layer.bwd(l:L, d : f32[e]) {\n"                                    \
	"x = load\n"                                                           \
	"p = params @W[l] : f32\n"                                             \
	"@G[l].w += mul d, x : f32[e]\n"                                       \
	"dx = mul d, p.w : f32[e]\n"                                           \
	"return dx\n}\n\n"                                                     \
	"fn step(x : f32[e], d : f32[e]) {\n"                                  \
	"y = for l=0..L (a = x) {\n"                                           \
	"r = call layer(l, a)\nyield r\n}\n"                                   \
	"g = for l=0..L rev (a1 = d) {\n"                                      \
	"r1 = call layer.bwd(l, a1)\nyield r1\n}\n"                            \
	"ss = sumsq @G : f32[]\n"                                              \
	"cl = const {value=2} : f32[]\n"                                       \
	"adamw @W, @G, @M, @V, cl\n"                                           \
	"zero @M\n"                                                            \
	"return y, g, ss\n}\n"

static int seen;
static double layer1;

static void
watch(const struct interp_value *v, void *arg)
{
	(void)arg;
	if (strcmp(v->value->name, "y") || strcmp(v->func->name, "layer"))
		return;
	ck_assert_int_eq(v->niter, 1);
	ck_assert_int_eq((int)v->iter[0], seen++);
	if (v->iter[0] == 1)
		layer1 = v->global[1];
}

START_TEST(layers)
{
	static const double w[6] = {1, 2, 3, -4, 5, 6}, x[2] = {1, 2};
	static const double d[2] = {1, -1};
	struct interp *in = load(LAYERS, &(struct interp_options){.step = 1,
	    .on_value = watch});
	struct bundle *W = module_bundle(m, "W");
	double y[2], g[2], ss, got[6], moment[6];

	seen = 0;
	interp_set(in, W, 0, w);
	ck_assert(interp_run(in, "step", 0, (const double *[]){x, d},
	    (double *[]){y, g, &ss}));
	ck_assert_int_eq(seen, 3);
	ck_assert(layer1 == -16);
	same(y, (double[]){15, -96}, 2);
	same(g, (double[]){15, 48}, 2);
	interp_get(in, module_bundle(m, "G"), 0, got);
	same(got, (double[]){15, 48, 5, -24, 3, 16}, 6);
	ck_assert(ss == 15 * 15 + 48 * 48 + 25 + 576 + 9 + 256);
	/* first step: m / sqrt v is the sign of the gradient */
	interp_get(in, W, 0, got);
	same(got, (double[]){1 - .5 - .125, 2 - .5 - .25, 3 - .5 - .375,
	    -4 + .5 + .5, 5 - .5 - .625, 6 - .5 - .75}, 6);
	interp_get(in, module_bundle(m, "V"), 0, moment);
	same(moment, (double[]){0.05 * 900}, 1);
	interp_get(in, module_bundle(m, "M"), 0, moment);
	ck_assert(moment[0] == 0);
	interp_free(in);
}
END_TEST

/* Initial values depend on seed, checkpoint name and global index. */
START_TEST(initial_values)
{
	struct interp *in = load(LAYERS, &(struct interp_options){.seed = 5});
	double got[6];

	interp_init(in);
	interp_get(in, module_bundle(m, "W"), 0, got);
	for (uint64_t i = 0; i < 6; i++)
		ck_assert(got[i] == 2 * lt_rng_normal(5,
		    lt_fnv1a64("layer.w"), i));
	interp_free(in);
}
END_TEST

/* Off outside training; else the seed, step and site make the mask. */
START_TEST(dropping)
{
	static const char text[] = "module t stage a\ndim e=1000\n\n"
	    "fn f(x : f32[e]) {\ny = dropout x {rate=0.25, key=3} : f32[e]\n"
	    "return y\n}\n";
	struct interp *in = load(text, NULL);
	double *x = draws(6, 1000), y[1000], y2[1000];
	int dropped = 0;

	ck_assert(interp_run(in, "f", 0, (const double *[]){x},
	    (double *[]){y}));
	same(y, x, 1000);
	interp_free(in);
	in = load(text, &(struct interp_options){.step = 1, .training = true});
	ck_assert(interp_run(in, "f", 0, (const double *[]){x},
	    (double *[]){y}));
	interp_set_step(in, 2, 0);
	ck_assert(interp_run(in, "f", 0, (const double *[]){x},
	    (double *[]){y2}));
	for (int i = 0; i < 1000; i++) {
		ck_assert(y[i] == 0 || y[i] == x[i] / 0.75);
		dropped += y[i] == 0;
	}
	ck_assert(dropped > 180 && dropped < 320); /* 250 +- 5 sigma */
	ck_assert(memcmp(y, y2, sizeof y));
	interp_free(in);
}
END_TEST

/* ------------------------------------------------------------ many ranks */

/* The same program on four ranks and on one; %s is sharding or nothing. */
#define RANKS(mesh, b, s, z, all)                                              \
	"module t stage b\n" mesh "dim b=2 s=8 e=3 f=4 k=2 d=2\n\n"            \
	"fn f(x : f32[b" b ",s" s ",e], w : f32[e,f], n : f32[e], "            \
	"r : f32[b" b ",s" z ",k,d]) {\n"                                      \
	"h = rmsnorm x, n : f32[b" b ",s" s ",e]\n"                            \
	"y = dot h, w : f32[b" b ",s" s ",f]\n"                                \
	"g = dot h, y : f32[e,f]" all "\n"                                     \
	"t = sum y : f32[f]" all "\n"                                          \
	"dx, dn = rmsnorm.bwd h, x, n : f32[b" b ",s" s ",e], f32[e]" all "\n" \
	"p = rope r {over=d} : f32[b" b ",s" z ",k,d]\n"                       \
	"q = dropout r {rate=0.5, key=1} : f32[b" b ",s" z ",k,d]\n"           \
	"i = iota : i32[s" z "]\n"                                             \
	"return y, g, t, dn, p, q, i\n}\n"

static const char one[] = RANKS("", "", "", "", "");
static const char four[] = RANKS("mesh dp=2 cp=2\n", "/dp", "/cp", "/zz(cp)",
    " +all");

START_TEST(ranks)
{
	const double *arg[] = {draws(1, 48), draws(2, 12), draws(3, 3),
	    draws(4, 64)};
	static const uint64_t n[] = {64, 12, 4, 3, 64, 64, 8};
	struct interp_options o = {.step = 1, .training = true};
	double *want[7], *got[7];
	struct interp *in;

	for (int i = 0; i < 7; i++) {
		want[i] = NEW_N(&mem, double, n[i]);
		got[i] = NEW_N(&mem, double, n[i]);
	}
	in = load(one, &o);
	ck_assert(interp_run(in, "f", 0, arg, want));
	interp_free(in);
	in = load(four, &o);
	ck_assert(interp_run(in, "f", 0, arg, got));
	interp_free(in);
	for (int i = 0; i < 7; i++)
		same(got[i], want[i], n[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("interpreter");
	TCase *t = tcase_create("interpreter");
	SRunner *run;
	int failed;

	tcase_add_loop_test(t, attention, 0, (int)COUNT_OF(masks));
	tcase_add_test(t, infinite);
	tcase_add_loop_test(t, rotary, 0, 2);
	tcase_add_test(t, rows_and_losses);
	tcase_add_test(t, bad_index);
	tcase_add_test(t, rounding);
	tcase_add_test(t, layers);
	tcase_add_test(t, initial_values);
	tcase_add_test(t, dropping);
	tcase_add_test(t, ranks);
	suite_add_tcase(s, t);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	arena_free(&mem);
	return failed != 0;
}
