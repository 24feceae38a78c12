/*
 * The rotate pass moves gathers and scatters to another trip of their loop and
 * nothing else: parameters after two steps, loss and norm are bit for bit what
 * they were, for one to five layers and both distances, on meshes where blocks
 * of gradients and of parameters differ, with microbatches that add up.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp/interp.h"
#include "ir/replay.h"
#include "passes/pass.h"
#include "support/rng.h"

extern const struct pass pass_rotate, pass_schedule, pass_memory;

static struct arena mem;
static struct source src;
static struct diag diag;

/* The mesh, layers, distance; axes of parameters, of gradients, what is left to add. */
static const char text[] = "module t stage d\nmesh %s\n"
    "dim b=12 e=5 v=7 L=%d mb=2\nset plan.prefetch = %d\n"
    "bundle W[L] m { a[e] c[e] } : f32 flat/(%s)\n"
    "init W normal(1) decay a c\n"
    "bundle GW[L] = grad W : f32 flat/(%s) +(%s)\n"
    "bundle RW[L] = grad W over GW : f32 flat/(%s)\n"
    "bundle MW[L] = moment1 W : f32 flat/(%s)\n"
    "bundle VW[L] = moment2 W : f32 flat/(%s)\n"
    "fn layer(l:L, x : f32[b/(%s),e]) {\n"
    "  w = gather @W[l] on %s : f32\n"
    "  y = mul x, w.a : f32[b/(%s),e]\n"
    "  z = add y, w.c : f32[b/(%s),e]\n"
    "  save x\n  return z\n}\n"
    "fn layer.bwd(l:L, d : f32[b/(%s),e]) {\n"
    "  x = load\n"
    "  w = gather @W[l] on %s : f32\n"
    "  d1 = mul d, w.a : f32[b/(%s),e]\n"
    "  g = local @GW : f32 +all\n"
    "  p = mul d, x : f32[b/(%s),e]\n"
    "  g.a = sum p : f32[e] +all\n"
    "  g.c = sum d : f32[e] +all\n"
    "  s = rscatter g on %s : f32 flat/(%s) +(%s)\n"
    "  @GW[l] += accum s : f32 flat/(%s) +(%s)\n"
    "  return d1\n}\n"
    "fn step(x0 : f32[mb,b/(%s),e]) {\n"
    "  zero @GW\n"
    "  l0 = zeros : f32[] +all\n"
    "  l1 = for m=0..mb (lm = l0) {\n"
    "    xm = take x0 at m : f32[b/(%s),e]\n"
    "    y = for l=0..L (h = xm) {\n"
    "      r = call layer(l, h)\n      yield r\n    }\n"
    "    n = sum y : f32[] +all\n"
    "    ln = add lm, n : f32[] +all\n"
    "    dx = for l=0..L rev (d = y) {\n"
    "      r1 = call layer.bwd(l, d)\n      yield r1\n    }\n"
    "    yield ln\n  }\n"
    "  loss = allreduce l1 on %s : f32[]\n"
    "  @RW = allreduce @GW on %s : f32 flat/(%s)\n"
    "  sp = sumsq @RW : f32[] +(%s)\n"
    "  ss = allreduce sp on %s : f32[]\n"
    "  adamw @W, @RW, @MW, @VW, ss\n"
    "  return loss, ss\n}\n";

static const struct layout {
	const char *mesh, *all, *cut, *rest;
} layouts[] = {
	{"dp=2 hp=3", "dp,hp", "hp", "dp"},
	{"dp=3 hp=2", "dp,hp", "dp", "hp"},
	{"dp=2 co=3 hp=2", "dp,co,hp", "hp,co", "dp"},
};

static struct module *
load(const struct layout *x, int layers, int prefetch)
{
	const char *a = x->all, *c = x->cut, *r = x->rest;
	char *t = arena_printf(&mem, text, x->mesh, layers, prefetch, c, c, r, c, c, c,
	    a, c, a, a, a, c, a, a, c, c, r, c, r, a, a, a, r, c, c, c);
	struct module *m;

	src = (struct source){"test", t, (uint32_t)strlen(t)};
	diag = (struct diag){.src = &src, .out = stderr};
	m = module_read(&mem, &diag);
	ck_assert(m && module_verify(m) == 0);
	return m;
}

enum { LAYERS = 5, NX = 2 * 12 * 5, NW = LAYERS * 5 };

static void
run(struct module *m, double *out)
{
	struct interp *in = interp_new(m, &(struct interp_options){
	    .step = 1, .seed = 3, .lr = 0.1});
	double *x = NEW_N(&mem, double, NX), *res[2] = {out, out + 1};
	const double *arg[1] = {x};

	for (uint64_t i = 0; i < NX; i++)
		x[i] = lt_rng_uniform(9, 1, i) - 0.5;
	interp_init(in);
	for (int step = 1; step <= 2; step++) {
		interp_set_step(in, step, 0.1);
		ck_assert(interp_run(in, "step", 0, arg, res));
	}
	for (int i = 0; i < 2; i++)
		ck_assert(interp_get(in, module_bundle(m, "W"), i,
		    out + 2 + i * NW));
	interp_free(in);
}

struct tally {
	int futures, carries, undefined;
};

static void
tally(struct op *op, void *arg)
{
	struct tally *t = arg;

	t->futures += op->code == OP_CALL && op->out[op->nout - 1]->future;
	t->undefined += op->when.set;
	for (int i = 0; op->carry && i < op->nin; i++)
		t->carries += op->carry[i]->future;
}

static struct tally
tally_of(const struct module *m, const char *func)
{
	struct tally t = {0};

	region_walk(&module_func(m, func)->body, tally, &t);
	return t;
}

/* Layouts, then 1 to LAYERS layers, then how far ahead: 1, 2. */
START_TEST(same_bits)
{
	const struct layout *x = &layouts[_i % 3];
	int layers = _i / 3 % LAYERS + 1, ahead = _i / 3 / LAYERS + 1;
	double want[2 + 2 * NW] = {0}, got[2 + 2 * NW] = {0};
	struct module *m = load(x, layers, ahead);

	run(m, want);
	ck_assert_int_eq(pass_rotate.run(m), 0);
	ck_assert_int_eq(module_verify(m), 0);
	run(m, got);
	ck_assert(memcmp(got, want, sizeof want) == 0);
	ck_assert_int_eq(tally_of(m, "step").futures, 2);
	/* forward, backward: what comes; backward: what leaves */
	ck_assert_int_eq(tally_of(m, "step").carries,
	    2 * (ahead > layers ? layers : ahead) + 1);
	/* gather, wait, accum */
	ck_assert_int_eq(tally_of(m, "layer.bwd").undefined, 3);
	ck_assert_int_eq(pass_schedule.run(m), 0);
	ck_assert_int_eq(module_verify(m), 0);
	run(m, got);
	ck_assert(memcmp(got, want, sizeof want) == 0);
}
END_TEST

START_TEST(switched_off)
{
	struct module *m = load(&layouts[0], 3, 0);

	ck_assert_int_eq(pass_rotate.run(m), 0);
	ck_assert_int_eq(tally_of(m, "step").futures, 0);
}
END_TEST

/* Two layers ahead of the one that is read: three elements by turns. */
START_TEST(buffers)
{
	struct module *m = load(&layouts[_i % 3], 4, _i / 3 + 1);
	int places = 0;

	ck_assert_int_eq(pass_rotate.run(m), 0);
	ck_assert_int_eq(pass_schedule.run(m), 0);
	ck_assert_int_eq(pass_memory.run(m), 0);
	ck_assert_int_eq(replay_check(m), 0);
	for (int i = 0; i < m->nslot; i++)
		places += m->slot[i].arena == ARENA_ACT &&
		    m->slot[i].count == 3;
	ck_assert_int_eq(places, _i / 3 == 0 ? 0 : 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rotate");
	TCase *t = tcase_create("rotate");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, same_bits, 0, 3 * LAYERS * 2);
	tcase_add_loop_test(t, buffers, 0, 3 * 2);
	tcase_add_test(t, switched_off);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
