/*
 * Communication in the interpreter: the same mathematics on one rank and on
 * meshes that are not square, attention in one op and as a ring of steps.
 *
 * Tolerance: doubles, sums of at most 64 terms below 64 in another order:
 * 64 * 64 * 64 * 2^-53 = 2.9e-11; compared to 1e-10.  A misplaced head or
 * position moves 1e-3 and more.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp/interp.h"
#include "support/rng.h"
#include "tests/sem/ringtext.h"

#define TOL 1e-10

static struct arena mem;
static struct source src;
static struct diag diag;

static struct module *
load(const char *text)
{
	struct module *m;

	src = (struct source){"test", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = stderr};
	m = module_read(&mem, &diag);
	ck_assert(m && module_verify(m) == 0);
	return m;
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
same(const char *what, const double *got, const double *want, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		ck_assert_msg(fabs(got[i] - want[i]) <= TOL,
		    "%s: element %d is %.15g, not %.15g", what, (int)i,
		    got[i], want[i]);
}

/* ------------------------------------------------------------- attention */

static const uint64_t counts[5] = {NQ, NZ, NQ, NK, NK};

static void
run(const char *text, double **result)
{
	struct interp *in = interp_new(load(text),
	    &(struct interp_options){.step = 1});
	double *doc = NEW_N(&mem, double, B * S);
	const double *arg[5] = {draws(1, NQ), draws(2, NK), draws(3, NK),
	    draws(4, NQ), doc};

	for (int i = 0; i < B * S; i++)
		doc[i] = i % S / 11 + i / S;
	for (int i = 0; i < 5; i++)
		result[i] = NEW_N(&mem, double, counts[i]);
	ck_assert(interp_run(in, "f", 0, arg, result));
	interp_free(in);
}

static void
compare(const char *text, double **want)
{
	static const char *const name[] = {"o", "z", "dq", "dk", "dv"};
	double *got[5];

	run(text, got);
	for (int i = 0; i < 5; i++)
		same(name[i], got[i], want[i], counts[i]);
}

START_TEST(attention)
{
	const struct mask *x = &masks[_i % (int)COUNT_OF(masks)];
	const char *mesh = meshes[_i / (int)COUNT_OF(masks)];
	const char *docA = *x->doc ? ", docA" : "";
	static char text[8192];
	double *want[5];

	snprintf(text, sizeof text, attn_one, x->doc, x->name, x->doc, x->name);
	run(text, want);
	snprintf(text, sizeof text, attn_whole, mesh, docA, x->name, docA,
	    x->name);
	compare(text, want);
	snprintf(text, sizeof text, attn_ring, mesh, x->q, x->name, x->k, x->name);
	compare(text, want);
}
END_TEST

/* --------------------------------------------------------------- bundles */

#define FIELDS "bundle W[L] m { a[e,d] n[e] z[d] } : f32"

static const char plain[] = "module t stage b\ndim b=12 e=5 d=3 L=2\n" FIELDS
    "\ninit W normal(1) decay a\nbundle GW[L] = grad W : f32\n"
    "bundle MW[L] = moment1 W : f32\nbundle VW[L] = moment2 W : f32\n"
    "fn f(x : f32[b,e], y : f32[b,d]) {\n"
    "  for l=0..L () {\n"
    "    w = params @W[l] : f32\n"
    "    h = add x, w.n : f32[b,e]\n    u = add y, w.z : f32[b,d]\n"
    "    @GW[l].a = dot h, u : f32[e,d]\n"
    "    @GW[l].n = sum h : f32[e]\n    @GW[l].z = sum u : f32[d]\n"
    "    @GW[l].z += sum u : f32[d]\n"
    "    yield\n  }\n"
    "  ss = sumsq @GW : f32[]\n  adamw @W, @GW, @MW, @VW, ss\n"
    "  return ss\n}\n";

static const char cut[] = "module t stage d\n"
    "mesh dp=2 co=3 hp=2\ndim b=12 e=5 d=3 L=2\n" FIELDS " flat/(hp,co)"
    "\ninit W normal(1) decay a\n"
    "bundle PW[L] = copy W : f32 flat/(hp)\n"
    "bundle GW[L] = grad W : f32 flat/(hp) +(dp,co)\n"
    "bundle RW[L] = grad W : f32 flat/(hp,co)\n"
    "bundle TW[L] = grad W : f32 flat/(hp,co) +(dp)\n"
    "bundle MW[L] = moment1 W : f32 flat/(hp,co)\n"
    "bundle VW[L] = moment2 W : f32 flat/(hp,co)\n"
    "fn f(x : f32[b/dp/co/hp,e], y : f32[b/dp/co/hp,d]) {\n"
    "  @PW = gather @W on co : f32 flat/(hp)\n"
    "  for l=0..L () {\n"
    "    w = gather @PW[l] on hp : f32\n"
    "    g = local @GW : f32 +all\n"
    "    h = add x, w.n : f32[b/dp/co/hp,e]\n"
    "    u = add y, w.z : f32[b/dp/co/hp,d]\n"
    "    g.a = dot h, u : f32[e,d] +all\n"
    "    g.n = sum h : f32[e] +all\n    g.z = sum u : f32[d] +all\n"
    "    g.z += sum u : f32[d] +all\n"
    "    s = rscatter g on hp : f32 flat/(hp) +(dp,co)\n"
    "    @GW[l] = accum s : f32 flat/(hp) +(dp,co)\n"
    "    yield\n  }\n"
    "  @TW = rscatter @GW on co : f32 flat/(hp,co) +(dp)\n"
    "  @RW = allreduce @TW on dp : f32 flat/(hp,co)\n"
    "  sp = sumsq @RW : f32[] +(co,hp)\n"
    "  ss = allreduce sp on co,hp : f32[]\n"
    "  adamw @W, @RW, @MW, @VW, ss\n"
    "  return ss\n}\n";

static void
train(const char *text, double **field)
{
	struct module *m = load(text);
	struct bundle *w = module_bundle(m, "W");
	double *ss = NEW_N(&mem, double, 1);
	const double *arg[2] = {draws(5, 60), draws(6, 36)};
	struct interp *in = interp_new(m, &(struct interp_options){
	    .step = 1, .seed = 4, .lr = 0.01});

	interp_init(in);
	for (int i = 0; i < 2; i++)
		ck_assert(interp_run(in, "f", 0, arg, &ss));
	field[3] = ss;
	for (int i = 0; i < 3; i++) {
		field[i] = NEW_N(&mem, double, interp_count(in, w, i));
		ck_assert(interp_get(in, w, i, field[i]));
	}
	interp_free(in);
}

/* Blocks of 16 elements: fields begin and end inside of them. */
START_TEST(bundles)
{
	static const uint64_t n[4] = {30, 10, 6, 1};
	double *want[4], *got[4];

	train(plain, want);
	train(cut, got);
	for (int i = 3; i >= 0; i--)
		same("field", got[i], want[i], n[i]);
}
END_TEST

/* What happened under a `when` that did not hold is NaN, not zero. */
START_TEST(undefined)
{
	static const char text[] = "module t stage c\nmesh ci=2\ndim s=4\n"
	    "fn f(x : f32[s/(ci)]) {\n"
	    "  y = for i=0..ci (a = x) {\n"
	    "    b = shift a by ci+1, ci+1 when i>5 : f32[s/ci]\n"
	    "    c = add b, a : f32[s/ci]\n    yield c\n  }\n"
	    "  return y\n}\n";
	struct module *m;

	src = (struct source){"test", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = fopen("/dev/null", "w")};
	m = module_read(&mem, &diag);
	ck_assert(m && module_verify(m) == 1); /* the axis twice */
	fclose(diag.out);
}
END_TEST

static void
refused(const char *body, const char *why)
{
	char text[1024], *out = NULL;
	size_t n;
	struct module *m;

	snprintf(text, sizeof text, "module t stage b\nmesh dp=2 hp=2\n"
	    "dim b=4 s=8 k=2 d=2\nfn f(x : f32[b/dp,s/hp,k,d]) {\n%s}\n",
	    body);
	src = (struct source){"test", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = open_memstream(&out, &n)};
	m = module_read(&mem, &diag);
	ck_assert(m != NULL);
	ck_assert_int_gt(module_verify(m), 0);
	fclose(diag.out);
	ck_assert_msg(strstr(out, why), "no '%s' in: %s", why, out);
	free(out);
}

static const char *const wrong[][2] = {
	{"  y = allreduce x on dp : f32[b/dp,s/hp,k,d]\n  return y\n",
	    "not pending"},
	{"  y = a2a x on hp b>k : f32[b/dp,s,k/hp,d]\n  return y\n",
	    "no innermost shard of dim b"},
	{"  y = sum x : f32[k,d] +all\n  z = allreduce y on dp : f32[k,d]\n"
	    "  return z\n", "not the stated"},
	{"  y = gather x on hp,dp : f32[b,s,k,d]\n"
	    "  z = allreduce y on hp : f32[b,s,k,d]\n  return z\n",
	    "not pending"},
	{"  y = sum x : f32[k,d] +all\n"
	    "  z = rscatter y on dp>q : f32[k,d] +(hp)\n  return z\n",
	    "no dim q"},
	{"  y = rename x : f32[b/dp,s/hp,k,d]\n"
	    "  z = shift y by dp+1 : f32[b/dp,s/hp,k,d]\n  return z\n",
	    "not the stated"},
};

START_TEST(refusals)
{
	refused(wrong[_i][0], wrong[_i][1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("communication");
	TCase *t = tcase_create("communication");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, attention, 0,
	    (int)(COUNT_OF(masks) * COUNT_OF(meshes)));
	tcase_add_test(t, bundles);
	tcase_add_test(t, undefined);
	tcase_add_loop_test(t, refusals, 0, (int)COUNT_OF(wrong));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
