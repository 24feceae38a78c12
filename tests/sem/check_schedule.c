/*
 * The schedule pass changes when things happen, never what: every result is
 * bit by bit what it was, on rings over several meshes and masks; and what it
 * is for happens: transfers start before the work that hides them.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp/interp.h"
#include "passes/pass.h"
#include "support/rng.h"
#include "tests/sem/ringtext.h"

extern const struct pass pass_schedule;

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

static const uint64_t counts[5] = {NQ, NZ, NQ, NK, NK};

static void
run(struct module *m, double **result)
{
	struct interp *in = interp_new(m, &(struct interp_options){.step = 1});
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

struct count {
	int starts, waits, lanes[LANE_COUNT];
};

static void
count_op(struct op *op, void *arg)
{
	struct count *c = arg;
	bool start = op_info[op->code].group == GROUP_COMM &&
	    op->code != OP_WAIT;

	c->starts += start;
	c->waits += op->code == OP_WAIT;
	c->lanes[op->lane] += start;
}

START_TEST(same_values)
{
	const struct mask *x = &masks[_i % (int)COUNT_OF(masks)];
	const char *mesh = meshes[_i / (int)COUNT_OF(masks)];
	static char text[8192];
	double *want[5], *got[5];
	struct count c = {0};
	struct module *m;

	snprintf(text, sizeof text, attn_ring, mesh, x->q, x->name, x->k,
	    x->name);
	m = load(text);
	run(m, want);
	ck_assert_int_eq(pass_schedule.run(m), 0);
	ck_assert_int_eq(module_verify(m), 0);
	run(m, got);
	for (int i = 0; i < 5; i++)
		ck_assert(memcmp(got[i], want[i], counts[i] *
		    sizeof(double)) == 0);
	region_walk(&module_func(m, "f")->body, count_op, &c);
	ck_assert_int_eq(c.starts, c.waits);
	ck_assert_int_eq(c.lanes[LANE_C], 0);
	ck_assert_int_eq(c.lanes[LANE_KI], 4); /* k and v, ids; twice */
	ck_assert_int_eq(c.lanes[LANE_KO], 4);
	ck_assert_int_eq(c.lanes[LANE_DI], 1);
	ck_assert_int_eq(c.lanes[LANE_DO], 1);
}
END_TEST

#define X "f32[b,s/hp,e]"

static const char layer[] = "module t stage d\nmesh hp=2\n"
    "dim b=4 s=64 e=64 f=256\nset plan.flops = 1000000000\n"
    "set plan.intra = 4000000\n"
    "bundle W model { a[e,f] c[e,f] } : f32\n"
    "bundle GW = grad W : f32 flat/(hp)\n"
    "fn f(x : " X ", y : f32[b,s/hp,f]) {\n"
    "  w = params @W : f32\n"
    "  u = dot x, w.a : f32[b,s/hp,f]\n"
    "  u1 = a2a u on hp s>f : f32[b,s,f/hp]\n"
    "  u2 = silu u1 : f32[b,s,f/hp]\n"
    "  v = dot x, w.c : f32[b,s/hp,f]\n"
    "  g = local @GW : f32 +all\n"
    "  g.a = dot x, y : f32[e,f] +all\n"
    "  g.c = dot x, y : f32[e,f] +all\n"
    "  s = rscatter g on hp : f32 flat/(hp)\n"
    "  @GW = accum s : f32 flat/(hp)\n"
    "  return u2, v\n}\n";

static int
position(const struct func *f, enum opcode code, const char *out)
{
	for (int i = 0; i < f->body.n; i++) {
		const struct op *op = f->body.op[i];

		if (op->code == code && (!out || (op->nout &&
		    op->out[0]->name && !strcmp(op->out[0]->name, out))))
			return i;
	}
	ck_abort_msg("no op %s", op_info[code].name);
	return -1;
}

/* The a2a travels while v and the gradients are computed. */
START_TEST(overlap)
{
	struct module *m = load(layer);
	struct func *f = module_func(m, "f");
	int start, wait, v;

	ck_assert_int_eq(pass_schedule.run(m), 0);
	ck_assert_int_eq(module_verify(m), 0);
	start = position(f, OP_A2A, NULL);
	wait = position(f, OP_WAIT, "u1");
	v = position(f, OP_DOT, "v");
	ck_assert_int_lt(start, v);
	ck_assert_int_lt(v, wait);
	ck_assert_int_lt(wait, position(f, OP_SILU, NULL));
	ck_assert_int_lt(position(f, OP_RSCATTER, NULL),
	    position(f, OP_ACCUM, NULL));
	ck_assert_int_eq(f->body.op[start]->lane, LANE_H);
	ck_assert_int_eq(f->body.op[position(f, OP_RSCATTER, NULL)]->lane,
	    LANE_ZR);
}
END_TEST

/* No byte may be in flight twice over the cap. */
START_TEST(capped)
{
	struct module *m = load(layer);
	struct func *f = module_func(m, "f");
	int flying = 0;

	module_set_number(m, "plan.in_flight", 1, (struct span){0, 0});
	ck_assert_int_eq(pass_schedule.run(m), 0);
	ck_assert_int_eq(module_verify(m), 0);
	for (int i = 0; i < f->body.n; i++) {
		struct count c = {0};

		count_op(f->body.op[i], &c);
		flying += c.starts - c.waits;
		ck_assert_int_le(flying, 1);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("schedule");
	TCase *t = tcase_create("schedule");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, same_values, 0,
	    (int)(COUNT_OF(masks) * COUNT_OF(meshes)));
	tcase_add_test(t, overlap);
	tcase_add_test(t, capped);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
