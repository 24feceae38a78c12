/*
 * Rings with a mistake in them: types or coverage say so, and where.  The
 * programs are the ring pass's own text with one thing changed.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/coverage.h"
#include "passes/pass.h"
#include "support/arena.h"

static struct arena mem;
static struct source src;
static struct diag diag;
static char *said;
static size_t said_len;

static struct module *
load(const char *text)
{
	src = (struct source){"test", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src,
	    .out = open_memstream(&said, &said_len)};
	return module_read(&mem, &diag);
}

static char *
attention(const char *mesh, const char *s, const char *on, const char *mask,
    const char *set)
{
	char *q = arena_printf(&mem, "f32[b,%s,k,d]", s);
	char *z = arena_printf(&mem, "f32[b,%s,k]", s);

	return arena_printf(&mem, "module t stage b\nafter recompute\n%s\n"
	    "dim b=2 s=48 k=2 d=2\n%sfn f(q : %s, k : %s, v : %s, do : %s) {\n"
	    "  o, z = attn q, k, v on %s {mask=%s} : %s, %s\n"
	    "  D = attn.delta do, o : %s\n"
	    "  dq, dk, dv = attn.bwd do, q, k, v, z, D on %s {mask=%s} : "
	    "%s, %s, %s\n  return o, dq, dk, dv\n}\n", mesh, set, q, q, q, q,
	    on, mask, q, z, z, on, mask, q, q, q);
}

/* What the ring pass makes of it. */
static char *
ring(const char *text)
{
	struct module *m = load(text);
	char *out, *copy;
	size_t n;
	FILE *f;

	ck_assert(m && pipeline_run(pipeline, m, &(struct pipeline_options){
	    .stop = "ring"}) == PIPELINE_OK);
	fclose(diag.out);
	free(said);
	f = open_memstream(&out, &n);
	module_print(m, &(struct print_options){.apart = true}, f);
	fclose(f);
	copy = arena_printf(&mem, "%s", out);
	free(out);
	return copy;
}

static char *
changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_msg(at != NULL, "no '%s' in the program", from);
	return arena_printf(&mem, "%.*s%s%s", (int)(at - text), text, to,
	    at + strlen(from));
}

enum by { TYPES, COVERAGE };

#define TWO "mesh co=2 ci=3", "s/zz(co,ci)", "co,ci", "causal"
#define THREE "mesh co=3 ci=2", "s/zz(co,ci)", "co,ci", "causal"
#define ZZWIN "mesh cp=6", "s/zz(cp)", "cp", "window, window=6"
#define ONE "mesh cp=4", "s/zz(cp)", "cp", "full"
#define WIN "mesh cp=6", "s/cp", "cp", "window, window=10"
#define HALO "mesh cp=4", "s/cp", "cp", "window, window=6"
#define KV "set plan.ring = kv\n"
#define QUERIES "set plan.ring = q\n"

static const struct mutation {
	const char *mesh, *s, *on, *mask, *set;
	const char *from, *to;
	enum by by;
	const char *why;
} mutations[] = {
	/* hops */
	{TWO, KV, "kj, vj by co+1 when", "kj, vj by co+2 when", TYPES, "shift"},
	{TWO, KV, "ki, vi by ci+1", "ki, vi by ci+2", TYPES, "shift"},
	{TWO, KV, "ki, vi by ci+1", "ki, vi by co+1", TYPES, "shift"},
	{TWO, KV, "yield ob, zb, kr, vr", "yield ob, zb, ki, vi", TYPES,
	    "next value"},
	{TWO, KV, "yield oe, ze, kn, vn", "yield oe, ze, kj, vj", TYPES,
	    "next value"},
	{TWO, KV, "dks, dvs = shift dki, dvi by ci+1",
	    "dks, dvs = shift dki, dvi by ci+2", TYPES, "shift"},
	{TWO, KV, "by co+1, ci+1", "by co+1", TYPES, "shift"},
	{TWO, KV, "by co+1, ci+1", "by ci+1", TYPES, "shift"},
	{TWO, KV, "add dks, dkb1", "add dki, dkb1", TYPES, "add"},
	{TWO, QUERIES, "by co+1, ci+1", "by co+1", TYPES, "shift"},
	/* steps */
	{TWO, KV, "for i=0..ci", "for i=0..2", COVERAGE,
	    "queries 8 to 11 never meet keys 0 to 3"},
	{TWO, KV, "for j=0..co", "for j=0..1", COVERAGE, "never meet"},
	{TWO, KV, "attn.step q, ki, vi", "attn.step q, kj, vj", COVERAGE,
	    "more than once"},
	{TWO, KV, "attn.step q, ki, vi", "attn.step q, k, v", COVERAGE,
	    "more than once"},
	{TWO, KV, "into !oi, !zi :", "into !oi, !zi when i>0 :", COVERAGE,
	    "never meet"},
	{TWO, KV, "= for i=1..ci", "= for i=1..2", TYPES, "shift"},
	{THREE, KV, "= for j=1..co", "= for j=1..2", TYPES, "shift"},
	{THREE, KV, "dks1, dvs1 = shift dkj, dvj by co+1",
	    "dks1, dvs1 = shift dkj, dvj by co-1", TYPES, "shift"},
	{TWO, QUERIES, "attn.step.bwd doi, qi, k, v, zi1, Di into",
	    "attn.step.bwd do, q, k, v, z, D into", TYPES, "accumulator"},
	{ONE, KV, "for i=0..cp", "for i=0..3", COVERAGE, "never meet"},
	{ONE, KV, "for i=0..cp", "for i=0..5", COVERAGE, "more than once"},
	{ONE, KV, "for i=0..cp", "for i=0..900000000", COVERAGE,
	    "more steps than"},
	{ONE, KV, "for i=0..cp", "for i=1..cp", TYPES, "start"},
	/* windows of 10 keys, blocks of 8: this block, and two before it */
	{WIN, KV, "for i=0..3", "for i=0..2", COVERAGE,
	    "queries 16 to 23 never meet keys 7 to 7"},
	{WIN, KV, "by cp-2", "by cp+1", TYPES, "shift"},
	/* windows of 6 keys, pieces of 4: two ranks before, two after */
	{ZZWIN, KV, "kr1, vr1 = shift k, v by cp-1 : f32[b,s/zz(cp+1),k,d] x2",
	    "kr1, vr1 = shift k, v by cp+1 : f32[b,s/zz(cp-1),k,d] x2", TYPES,
	    "start of carry"},
	/* windows of 6 keys, blocks of 12 */
	{HALO, KV, "{mask=window, window=6} : f32[b,s/cp,k,d], f32[b,s/cp,k]",
	    "{mask=window, window=7} : f32[b,s/cp,k,d], f32[b,s/cp,k]",
	    COVERAGE, "queries 12 to 23 never meet keys 6 to 6"},
	{HALO, KV, "over=s, from=7, to=12", "over=s, from=8, to=12",
	    TYPES, "part"},
	{HALO, KV, "kr, vr = shift kp, vp by cp+1 : "
	    "f32[b,s/(cp-1)/part(7,12),k,d] x2", "kr, vr = shift kp, vp by cp-1 : "
	    "f32[b,s/(cp+1)/part(7,12),k,d] x2", COVERAGE,
	    "queries 12 to 23 never meet keys 7 to 11"},
	{HALO, KV, "attn.step q, kr, vr", "attn.step q, k, v", COVERAGE,
	    "more than once"},
	{HALO, KV, "dks, dvs = shift dkb1, dvb1 by cp-1",
	    "dks, dvs = shift dkb1, dvb1 by cp+1", TYPES, "shift"},
	{HALO, KV, "part.add dks into", "part.add dkb1 into", TYPES,
	    "no part"},
	{WIN, KV, "window=10", "window=18", COVERAGE, "never meet keys 7 to 7"},
};

START_TEST(mistakes)
{
	const struct mutation *x = &mutations[_i];
	char *text = ring(attention(x->mesh, x->s, x->on, x->mask, x->set));
	char *bad = changed(text, x->from, x->to);
	struct module *m = load(bad);
	int types = m ? module_verify(m) : 1;
	int holes = types ? 0 : coverage_check(m);

	fclose(diag.out);
	ck_assert_msg(x->by == TYPES ? types > 0 : holes == 1,
	    "'%s' for '%s': %d errors of type, %d of coverage: %s", x->to,
	    x->from, types, holes, said);
	ck_assert_msg(strstr(said, x->why), "no '%s' in: %s", x->why, said);
	free(said);
	arena_free(&mem);
}
END_TEST

/* Other windows are other rings, and right ones: masks follow types. */
START_TEST(strided_windows)
{
	static const char *const s[] = {"s/zz(co,ci)", "s/zz(ci,co)",
	    "s/(ci,co)", "s/zz(ci)/co"};
	struct module *m = load(ring(attention("mesh co=2 ci=3", s[_i],
	    "co,ci", "causal", KV)));

	ck_assert(m && module_verify(m) == 0 && coverage_check(m) == 0);
	fclose(diag.out);
	free(said);
	arena_free(&mem);
}
END_TEST

/* A ring of 1024 ranks is checked by its 1024 steps, not by their pairs. */
START_TEST(many_ranks)
{
	char *text = attention("mesh co=32 ci=32", "s/zz(co,ci)", "co,ci",
	    "causal", KV);
	struct module *m = load(ring(changed(text, "s=48", "s=1048576")));

	ck_assert(m && module_verify(m) == 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(coverage_check(m), 0);
	fclose(diag.out);
	free(said);
	arena_free(&mem);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("coverage");
	TCase *t = tcase_create("coverage");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, mistakes, 0, (int)COUNT_OF(mutations));
	tcase_add_loop_test(t, strided_windows, 0, 4);
	tcase_add_test(t, many_ranks);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
