/*
 * The ring pass keeps what attention means: o, z, D, dq, dk and dv of one
 * device are those of N ranks, for rings of one and two axes that are not all
 * square or even, every mask, both things that can travel backward.
 *
 * Tolerance: doubles, sums of at most 48 terms below 64 in another order:
 * 48 * 48 * 64 * 2^-53 = 1.6e-11; compared to 1e-10.  A key that is missed or
 * met twice moves 1e-3 and more.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/flops.h"
#include "ir/interp/interp.h"
#include "passes/pass.h"
#include "support/rng.h"

#define TOL 1e-10

enum { B = 2, S = 48, K = 2, G = 2, D = 2 };
enum { NQ = B * S * K * G * D, NK = B * S * K * D, NZ = B * S * K * G };
enum { RESULTS = 6 };
static const uint64_t counts[RESULTS] = {NQ, NZ, NZ, NQ, NK, NK};
static const char *const result_name[RESULTS] = {
	"o", "z", "D", "dq", "dk", "dv"
};

static struct arena mem;
static struct source src;
static struct diag diag;

/* ------------------------------------------------------------- programs */

struct layout {
	const char *mesh, *b, *s, *k, *g, *on;
	const char *sum; /* axes dk and dv are pending on, or NULL */
};

static const struct layout one = {"", "b", "s", "k", "g", NULL, NULL};

#define ZZ1 "s/zz(cp)", "k", "g", "cp", NULL
#define ZZ2 "s/zz(co,ci)", "k", "g", "co,ci", NULL
static const struct layout layouts[] = {
	{"mesh cp=2", "b", ZZ1},
	{"mesh cp=3", "b", ZZ1},
	{"mesh dp=2 cp=4", "b/dp", ZZ1},
	{"mesh cp=6", "b", ZZ1},
	{"mesh co=2 ci=2", "b", ZZ2},
	{"mesh co=2 ci=3", "b", ZZ2},
	{"mesh co=3 ci=2", "b", ZZ2},
	{"mesh ci=3 co=2", "b", ZZ2}, /* context ranks not in rank order */
	{"mesh dp=2 co=2 ci=2 hp=2", "b/dp", "s/zz(co,ci)", "k/hp", "g",
	    "co,ci", NULL},
	{"mesh hp=2 cp=3", "b", "s/zz(cp)", "k/hp", "g", "cp", NULL},
	{"mesh cp=2 hr=2", "b", "s/zz(cp)", "k", "g/hr", "cp", "hr"},
	{"mesh co=2 ci=3 hr=2", "b", "s/zz(co,ci)", "k", "g/hr", "co,ci",
	    "hr"},
	{"mesh hk=2 hr=2 cp=2", "b", "s/zz(cp)", "k/hk", "g/hr", "cp", "hr"},
	{"mesh cp=2", "b", "s/cp", "k", "g", "cp", NULL},
	{"mesh cp=4", "b", "s/cp", "k", "g", "cp", NULL},
	{"mesh hr=2", "b", "s", "k", "g/hr", "", "hr"},
	{"mesh dp=2 cp=6", "b/dp", "s/cp", "k", "g", "cp", NULL},
	{"mesh cp=4 hk=2 hr=2", "b", "s/cp", "k/hk", "g/hr", "cp", "hr"},
	{"mesh co=2 ci=3", "b", "s/(co,ci)", "k", "g", "co,ci", NULL},
	{"mesh co=4 ci=2", "b", "s/(co,ci)", "k", "g", "co,ci", NULL},
	{"mesh co=4 ci=2", "b", ZZ2},
	{"mesh hr=2 cp=6", "b", "s/zz(cp)", "k", "g/hr", "cp", "hr"},
};

struct mask {
	const char *name;
	bool doc;
};
static const struct mask masks[] = {
	{"causal", false}, {"full", false}, {"window, window=7", false},
	{"window, window=40", false}, {"window, window=1", false},
	{"window, window=2", false}, {"window, window=9", false},
	{"window, window=13", false}, {"same", true},
};

/* attention and its backward in layout l; dt of activations. */
static char *
program(const struct layout *l, const struct mask *x, const char *dt,
    const char *set)
{
	struct arena *a = &mem;
	char *dims = arena_printf(a, "%s,%s,%s", l->b, l->s, l->k);
	char *q = arena_printf(a, "%s[%s,%s,d]", dt, dims, l->g);
	char *k = arena_printf(a, "%s[%s,d]", dt, dims);
	char *z = arena_printf(a, "f32[%s,%s]", dims, l->g);
	const char *on = l->on && *l->on ? arena_printf(a, " on %s", l->on) :
	    "";
	const char *doc = x->doc ? ", doc" : "", *sum = l->sum;
	const char *pend = sum ? arena_printf(a, " +(%s)", sum) : "";
	char *k32 = arena_printf(a, "f32[%s,d]", dims);
	const char *reduce = sum ? arena_printf(a, "  dkF = cast dkp : %s%s\n"
	    "  dkS = allreduce dkF on %s : %s\n  dk = cast dkS : %s\n"
	    "  dvF = cast dvp : %s%s\n  dvS = allreduce dvF on %s : %s\n"
	    "  dv = cast dvS : %s\n", k32, pend, sum, k32, k, k32, pend, sum,
	    k32, k) : "";
	const char *p = sum ? "p" : "";

	return arena_printf(a, "module t stage %s\nafter recompute\n%s\n"
	    "dim b=2 s=48 k=2 g=2 d=2\n%s"
	    "fn f(q : %s, k : %s, v : %s, do : %s, doc : i32[%s,%s]) {\n"
	    "  o, z = attn q, k, v%s%s {mask=%s} : %s, %s\n"
	    "  D = attn.delta do, o : %s\n"
	    "  dq, dk%s, dv%s = attn.bwd do, q, k, v, z, D%s%s {mask=%s} : "
	    "%s, %s%s, %s%s\n%s"
	    "  return o, z, D, dq, dk, dv\n}\n", l->on ? "b" : "a", l->mesh,
	    set, q, k, k, q, l->b, l->s, doc, on, x->name, q, z, z, p, p, doc,
	    on, x->name, q, k, pend, k, pend, reduce);
}

static struct module *
lowered(const char *text)
{
	struct module *m;

	src = (struct source){"test", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = stderr};
	m = module_read(&mem, &diag);
	ck_assert_msg(m != NULL, "%s", text);
	ck_assert_msg(pipeline_run(pipeline, m, &(struct pipeline_options){
	    .stop = "ring"}) == PIPELINE_OK, "%s", text);
	return m;
}

/* ------------------------------------------------------------- running */

static double *
draws(uint64_t stream, uint64_t n)
{
	double *x = NEW_N(&mem, double, n);

	for (uint64_t i = 0; i < n; i++)
		x[i] = 2 * lt_rng_uniform(9, stream, i) - 1;
	return x;
}

static void
run_rounded(struct module *m, double **result, bool round)
{
	struct interp *in = interp_new(m, &(struct interp_options){.step = 1,
	    .round = round});
	double *doc = NEW_N(&mem, double, B * S);
	const double *arg[5] = {draws(1, NQ), draws(2, NK), draws(3, NK),
	    draws(4, NQ), doc};

	/* Documents of 11 tokens cross every border of blocks. */
	for (int i = 0; i < B * S; i++)
		doc[i] = i % S / 11 + i / S;
	for (int i = 0; i < RESULTS; i++)
		result[i] = NEW_N(&mem, double, counts[i]);
	ck_assert(interp_run(in, "f", 0, arg, result));
	interp_free(in);
}

static void
run(struct module *m, double **result)
{
	run_rounded(m, result, false);
}

static void
compare(const char *text, double **want)
{
	double *got[RESULTS];

	run(lowered(text), got);
	for (int i = 0; i < RESULTS; i++)
		for (uint64_t j = 0; j < counts[i]; j++)
			ck_assert_msg(fabs(got[i][j] - want[i][j]) <= TOL,
			    "%s[%d] is %.15g, not %.15g: %s", result_name[i],
			    (int)j, got[i][j], want[i][j], text);
}

static void
same_as_one(const struct layout *l, const struct mask *x)
{
	static const char *const set[] = {"set plan.ring = kv\n",
	    "set plan.ring = q\n"};
	double *want[RESULTS];

	run(lowered(program(&one, x, "f32", "")), want);
	for (int i = 0; i < 2; i++)
		compare(program(l, x, i ? "bf16" : "f32", set[i]), want);
}

/* ------------------------------------------------------------- mistakes */

/* Well typed, every pair met once, and wrong: values tell. */
static const struct {
	const char *from, *to;
	int result; /* the first that is off */
} slips[] = {
	{"yield dqb3, dkn2, dvn2", "yield dqb3, dks1, dvn2", 4},
	{"dvn = add dvs, dvb1", "dvn = add dvs, dvs", 5},
	{"attn.step.bwd do, q, k, v, z, D into", "attn.step.bwd q, q, k, v, "
	    "z, D into", 3},
	{"attn.step q, ki, vi into", "attn.step q, ki, ki into", 0},
	{"attn.step q, ki, vi into !oi, !zi", "attn.step q, ki, vi into !oi, "
	    "!zi {mask=full}", 0},
};

static char *
printed(struct module *m)
{
	char *text, *copy;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	module_print(m, NULL, f);
	fclose(f);
	copy = arena_printf(&mem, "%s", text);
	free(text);
	return copy;
}

START_TEST(values_tell)
{
	static const struct layout three = {"mesh co=3 ci=2", "b", ZZ2};
	char *text = printed(lowered(program(&three, &masks[0], "f32",
	    "set plan.ring = kv\n")));
	const char *at = strstr(text, slips[_i].from);
	double *want[RESULTS], *got[RESULTS], worst = 0;
	int first = slips[_i].result;

	ck_assert_msg(at != NULL, "no '%s' in: %.3000s", slips[_i].from, text);
	run(lowered(text), want);
	run(lowered(arena_printf(&mem, "%.*s%s%s", (int)(at - text), text,
	    slips[_i].to, at + strlen(slips[_i].from))), got);
	for (uint64_t j = 0; j < counts[first]; j++)
		worst = fmax(worst, fabs(got[first][j] - want[first][j]));
	ck_assert_msg(worst > 1e-3, "'%s' for '%s': %s is off by %g only",
	    slips[_i].to, slips[_i].from, result_name[first], worst);
	arena_free(&mem);
}
END_TEST

/* ------------------------------------------------------------ precision */

/*
 * bf16 as a trainer rounds: sums are f32 over all windows, so o and dv differ
 * from one device's by f32 errors, 2^-24 in each of 48 terms below 64, before
 * both are rounded to 8 bits: by one unit in the last place at most.  Sums in
 * bf16 between steps would lose half a unit each time.
 */
START_TEST(sums_are_f32)
{
	const struct layout *l = &layouts[_i];
	double *want[RESULTS], *got[RESULTS];

	run_rounded(lowered(program(&one, &masks[0], "bf16", "")), want, true);
	run_rounded(lowered(program(l, &masks[0], "bf16",
	    "set plan.ring = kv\n")), got, true);
	for (int i = 0; i < RESULTS; i += 5)
		for (uint64_t j = 0; j < counts[i]; j++)
			ck_assert_msg(fabs(got[i][j] - want[i][j]) <=
			    ldexp(fabs(want[i][j]), -7) + 48 * ldexp(64, -24),
			    "%s: %s[%d] is %.9g, not %.9g", l->mesh,
			    result_name[i], (int)j, got[i][j], want[i][j]);
	arena_free(&mem);
}
END_TEST

/* -------------------------------------------------------------- bytes */

enum { NEST = 3 }; /* loops in loops */

/* What a rank sends in this region, all trips of its loops counted. */
static uint64_t
sent(struct module *m, struct region *r, const char **var, int64_t *at, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op->code == OP_SHIFT && cond_holds(m, &op->when, var, at, n))
			for (int j = 0; j < op->nin; j++)
				sum += type_local_bytes(m,
				    arg_type(m, &op->in[j]));
		if (op->code != OP_FOR)
			continue;
		ck_assert_int_lt(n, NEST);
		var[n] = op->var;
		for (at[n] = (int64_t)bound_eval(m, &op->lo);
		    at[n] < (int64_t)bound_eval(m, &op->hi); at[n]++)
			sum += sent(m, &op->body, var, at, n + 1);
	}
	return sum;
}

/* "kv travel: F bytes; T travel: kv K bytes S us, q Q bytes S us": F and what T
 * says, which takes not longer than the other if that was free to choose. */
static uint64_t
promised(const struct module *m)
{
	unsigned long long forward, kv, q;
	double kv_us, q_us;
	char what[3];
	bool keys;

	if (!module_text(m, "ring.f", NULL))
		return 0;
	ck_assert_int_eq(sscanf(module_text(m, "ring.f", ""),
	    "kv travel: %llu bytes; %2s travel: kv %llu bytes %lf us, "
	    "q %llu bytes %lf us", &forward, what, &kv, &kv_us, &q, &q_us), 6);
	keys = strcmp(what, "kv") == 0;
	if (!module_text(m, "plan.ring", NULL))
		ck_assert(keys ? kv_us <= q_us : q_us <= kv_us);
	return forward + (keys ? kv : q);
}

START_TEST(bytes)
{
	const struct layout *l = &layouts[_i / (int)COUNT_OF(masks)];
	const struct mask *x = &masks[_i % (int)COUNT_OF(masks)];
	static const char *const set[] = {"", "set plan.ring = kv\n",
	    "set plan.ring = q\n"};
	uint64_t n[3];

	for (int i = 0; i < 3; i++) {
		struct module *m = lowered(program(l, x, "bf16", set[i]));
		const char *var[NEST];
		int64_t at[NEST];

		n[i] = sent(m, &module_func(m, "f")->body, var, at, 0);
		ck_assert_msg(n[i] == promised(m), "%s, %s, %s: %d bytes, %s",
		    l->mesh, x->name, set[i], (int)n[i],
		    module_text(m, "ring.f", ""));
	}
	ck_assert(n[0] == n[1] || n[0] == n[2]);
	arena_free(&mem);
}
END_TEST

/* Work on all ranks: that of one device, whatever the ring. */
START_TEST(flops)
{
	const struct layout *l = &layouts[_i / (int)COUNT_OF(masks)];
	const struct mask *x = &masks[_i % (int)COUNT_OF(masks)];
	double work[3], model;

	for (int i = 0; i < 3; i++) {
		const char *set = i == 2 ? "set plan.ring = q\n" :
		    "set plan.ring = kv\n";
		struct module *m = lowered(program(i ? l : &one, x, "f32",
		    set));

		m->func[0]->name = module_namez(m, "step");
		flops_of_step(m, &model, &work[i]);
	}
	ck_assert_msg(fabs(work[1] - work[0]) <= 1e-12 * work[0] &&
	    fabs(work[2] - work[0]) <= 1e-12 * work[0], "%s, %s: %g %g %g",
	    l->mesh, x->name, work[0], work[1], work[2]);
	arena_free(&mem);
}
END_TEST

START_TEST(any_ring)
{
	same_as_one(&layouts[_i / (int)COUNT_OF(masks)],
	    &masks[_i % (int)COUNT_OF(masks)]);
	arena_free(&mem);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("ring");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, flops, 0,
	    (int)(COUNT_OF(layouts) * COUNT_OF(masks)));
	tcase_add_loop_test(t, any_ring, 0,
	    (int)(COUNT_OF(layouts) * COUNT_OF(masks)));
	tcase_add_loop_test(t, sums_are_f32, 0, (int)COUNT_OF(layouts));
	tcase_add_loop_test(t, values_tell, 0, (int)COUNT_OF(slips));
	tcase_add_loop_test(t, bytes, 0,
	    (int)(COUNT_OF(layouts) * COUNT_OF(masks)));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
