/*
 * Initial values, AdamW and sums of squares against the interpreter and
 * against naive double code.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp/interp.h"
#include "runtime/cpu/pool.h"
#include "runtime/cpu/vec.h"
#include "runtime/state/state.h"
#include "support/rng.h"

enum { N = 4099, THREADS = 4 }; /* N: no multiple of any vector */

static float *
draws(uint64_t stream, uint64_t n, double lo, double hi)
{
	float *x = malloc(n * sizeof *x);

	ck_assert_ptr_nonnull(x);
	for (uint64_t i = 0; i < n; i++)
		x[i] = (float)(lo + (hi - lo) * lt_rng_uniform(5, stream, i));
	return x;
}

/* ---------------------------------------------------------- initial values */

static const char text[] =
    "module init stage a\n"
    "dim    e=6 f=5 L=3\n"
    "bundle W[L] layer { a[e,f] b[f] c[e] } : f32\n"
    "init   W ones b\n"
    "init   W normal(0.02) decay a\n"
    "init   W uniform(-0.5,0.25) c\n"
    "fn model(x : f32[e]) {\n"
    "  return x\n"
    "}\n";

static const struct lt_tensor init_tensors[] = {
	{.name = "layer.a", .rank = 3, .shape = {3, 6, 5},
	 .init = LT_INIT_NORMAL, .init_a = 0.02, .count = 90, .master = 0,
	 .moment1 = 1024, .moment2 = UINT64_MAX, .flat = -1},
	{.name = "layer.b", .rank = 2, .shape = {3, 5}, .init = LT_INIT_ONES,
	 .count = 15, .master = 384, .moment1 = UINT64_MAX, .moment2 = 2048, .flat = -1},
	{.name = "layer.c", .rank = 2, .shape = {3, 6},
	 .init = LT_INIT_UNIFORM, .init_a = -0.5, .init_b = 0.25, .count = 18,
	 .master = 512, .moment1 = UINT64_MAX, .moment2 = UINT64_MAX, .flat = -1},
};

static struct interp *
reference(struct arena *mem, struct module **m, uint64_t seed)
{
	static struct source src;
	static struct diag diag;
	struct interp *in;

	src = (struct source){"init", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = stderr};
	*m = module_read(mem, &diag);
	ck_assert(*m && module_verify(*m) == 0);
	in = interp_new(*m, &(struct interp_options){.seed = seed});
	ck_assert_ptr_nonnull(in);
	interp_init(in);
	return in;
}

/* Rounded to f32, the interpreter's doubles are the trainer's floats. */
START_TEST(init_is_the_interpreters)
{
	static const uint64_t seeds[] = {1, UINT64_C(0x123456789abcdef0)};
	struct arena mem = {0};
	struct module *m;
	struct interp *in = reference(&mem, &m, seeds[_i]);
	struct lt_program prog = {.tensor = init_tensors, .ntensor = 3};
	struct lt rt = {.prog = &prog, .pool = lt_pool_new(THREADS)};
	float *state = aligned_alloc(64, 4096);

	memset(state, 0xff, 4096);
	rt.arena[LT_STATE] = (char *)state;
	lt_state_init(&rt, seeds[_i]);
	for (int i = 0; i < 3; i++) {
		const struct lt_tensor *t = &init_tensors[i];
		double want[90];

		interp_get(in, m->bundle[0], i, want);
		for (uint64_t j = 0; j < t->count; j++)
			ck_assert(state[t->master / 4 + j] == (float)want[j]);
	}
	for (int i = 0; i < 90; i++)
		ck_assert(state[1024 / 4 + i] == 0);
	for (int i = 0; i < 15; i++)
		ck_assert(state[2048 / 4 + i] == 0);
	ck_assert(isnan(state[1024 / 4 + 90])); /* and no byte more */
	interp_free(in);
	arena_free(&mem);
	lt_pool_free(rt.pool);
	free(state);
}
END_TEST

/* ------------------------------------------------------------------- AdamW */

struct operands {
	float *w, *g, *m, *v;
	uint16_t *w16;
};

static struct operands
operands(void)
{
	struct operands o = {draws(1, N, -1, 1), draws(2, N, -8, 8),
	    draws(3, N, -1, 1), draws(4, N, 0, 4), calloc(N, 2)};

	for (int i = 0; i < N; i += 7) /* tiny and absent gradients */
		o.g[i] = i % 2 ? 0 : o.g[i] * 1e-12f;
	for (int i = 0; i < N; i += 11)
		o.m[i] = o.v[i] = 0;
	return o;
}

static void
release(struct operands *o)
{
	free(o->w);
	free(o->g);
	free(o->m);
	free(o->v);
	free(o->w16);
}

static struct lt_program
recipe(void)
{
	return (struct lt_program){.recipe = {.beta1 = 0.9, .beta2 = 0.95,
	    .eps = 1e-8, .wd = 0.1}};
}

/*
 * Tolerance, u = 2^-24, constants rounded once from double:
 *   m  4 u (|b1 m| + |c1 g|): constant, g = clip G, product, sum
 *   v  6 u v: g^2 has 3, constant, product, sum; all terms are >= 0
 *   the denominator then has 6 u (half of 8, root, eps, sum), the quotient
 *   9 u beside m's 4, decay w 2, their sum 1: below 16 u of the terms' size,
 *   and the last subtraction u of the result.
 */
static void
expect(struct operands *o, const struct operands *old, int i, double lr,
    int64_t step, double clip, double wd)
{
	const double u = 0x1p-24;
	double g = clip * old->g[i];
	double m = 0.9 * old->m[i] + (1 - 0.9) * g;
	double v = 0.95 * old->v[i] + (1 - 0.95) * g * g;
	double size = 0.9 * fabs(old->m[i]) + (1 - 0.9) * fabs(g);
	double rate = lr / (1 - pow(0.9, (double)step));
	double den = sqrt(v / (1 - pow(0.95, (double)step))) + 1e-8;
	double w = old->w[i] - rate * m / den - lr * wd * old->w[i];

	ck_assert_double_le(fabs(o->m[i] - m), 4.01 * u * size + 0x1p-149);
	ck_assert_double_le(fabs(o->v[i] - v), 6.01 * u * v + 0x1p-149);
	ck_assert_double_le(fabs(o->w[i] - w),
	    16 * u * (rate * size / den + lr * wd * fabs(old->w[i])) +
	    1.01 * u * fabs(w));
}

struct trial {
	int64_t step;
	double lr;
	float clip;
	bool decay, cast;
};

static const struct trial trials[] = {
	{1, 1e-3, 1, true, false}, {2, 3e-4, 0.125f, true, true},
	{1000, 1e-6, 1, false, true}, {100000, 0.3, 0.7f, false, false},
};

START_TEST(adamw_is_the_formula)
{
	const struct trial *t = &trials[_i];
	struct lt_program prog = recipe();
	struct lt rt = {.prog = &prog, .step = t->step, .lr = t->lr};
	struct operands o = operands(), old = operands();

	lt_adamw(&rt, N, o.w, o.g, o.m, o.v, t->cast ? o.w16 : NULL, t->clip,
	    t->decay);
	for (int i = 0; i < N; i++) {
		expect(&o, &old, i, t->lr, t->step, t->clip,
		    t->decay ? 0.1 : 0);
		ck_assert_uint_eq(o.w16[i], t->cast ? lt_to_bf16(o.w[i]) : 0);
		ck_assert(o.g[i] == old.g[i]);
	}
	release(&o);
	release(&old);
}
END_TEST

static const int gangs[] = {2, 3, 4, 7};

START_TEST(adamw_same_bits_for_any_threads)
{
	struct lt_program prog = recipe();
	struct lt one = {.prog = &prog, .step = 3, .lr = 1e-3};
	struct lt many = one;
	struct operands a = operands(), b = operands();

	many.pool = lt_pool_new(gangs[_i]);
	lt_adamw(&one, N, a.w, a.g, a.m, a.v, NULL, 0.5f, true);
	lt_adamw(&many, N, b.w, b.g, b.m, b.v, b.w16, 0.5f, true);
	ck_assert(memcmp(a.w, b.w, N * 4) == 0);
	ck_assert(memcmp(a.m, b.m, N * 4) == 0);
	ck_assert(memcmp(a.v, b.v, N * 4) == 0);
	lt_pool_free(many.pool);
	release(&a);
	release(&b);
}
END_TEST

/*
 * Blocks of images: what each rank of a mesh updates is what it is in the whole
 * image, bit for bit, wherever blocks begin in what decays and what does not.
 */
static const struct lt_range decays[] = {{16, 80}, {96, 208}, {240, 384}};

static bool
decayed(uint64_t i)
{
	for (size_t r = 0; r < sizeof decays / sizeof *decays; r++)
		if (i >= decays[r].lo && i < decays[r].hi)
			return true;
	return false;
}

START_TEST(adamw_on_blocks)
{
	enum { IMAGE = 384, LAYERS = 2, RANKS = 6, BLOCK = IMAGE / RANKS };
	struct lt_program prog = recipe();
	struct lt rt = {.prog = &prog, .step = 3, .lr = 1e-3};
	struct lt_flat flat = {.layers = LAYERS, .image = IMAGE, .n = 2,
	    .axis = {2, 0}}; /* axis 2 is the major one */

	memcpy(prog.axis_size, (int[]){3, 5, 2}, 3 * sizeof(int));
	for (int rank = 0; rank < RANKS; rank++) {
		struct operands all = operands(), own = operands();

		rt.coord[0] = rank % 3;
		rt.coord[1] = 4;
		rt.coord[2] = rank / 3;
		lt_adamw_blocks(&rt, &flat, decays, 3, own.w, own.g, own.m,
		    own.v, 0.5f);
		for (uint64_t i = 0; i < LAYERS * BLOCK; i++) {
			uint64_t at = (uint64_t)rank * BLOCK + i % BLOCK;

			lt_adamw(&rt, 1, all.w + i, all.g + i, all.m + i,
			    all.v + i, NULL, 0.5f, decayed(at));
		}
		ck_assert(memcmp(all.w, own.w, N * 4) == 0);
		ck_assert(memcmp(all.m, own.m, N * 4) == 0);
		ck_assert(memcmp(all.v, own.v, N * 4) == 0);
		release(&all);
		release(&own);
	}
}
END_TEST

/* --------------------------------------------------------- sums of squares */

static const uint64_t lengths[] = {0, 1, 31, 33, 4095, 4096, 4097, 100000,
	(1 << 20) + 1, 3000017};

/* Bound of sumsq.c against a sum in long double, whose own error is 2^-64 n. */
START_TEST(sumsq_is_the_sum)
{
	uint64_t n = lengths[_i];
	struct lt one = {0}, many = {.pool = lt_pool_new(THREADS)};
	float *x = draws(6, n + 1, -3, 3);
	long double want = 0;
	double got = lt_sumsq(&one, n, x);
	double rounds = (double)n / 32 / 256 + 4096.0 / 32 + 256 + 32;

	for (uint64_t i = 0; i < n; i++)
		want += (long double)x[i] * x[i];
	ck_assert_double_le((double)fabsl(got - want),
	    (double)want * (rounds * 0x1p-53 + (double)n * 0x1p-64));
	ck_assert(lt_sumsq(&many, n, x) == got);
	x[n] = NAN; /* out of range: not read */
	ck_assert(lt_sumsq(&many, n, x) == got);
	lt_pool_free(many.pool);
	free(x);
}
END_TEST

START_TEST(step_is_refused)
{
	struct lt rt = {0};

	ck_assert(lt_step_ok(&rt, 1, 2));
	ck_assert(!rt.skipped && rt.loss == 1 && rt.gnorm == 2);
	ck_assert(!lt_step_ok(&rt, NAN, 2) && rt.skipped);
	ck_assert(!lt_step_ok(&rt, 1, INFINITY) && rt.skipped);
	ck_assert(lt_step_ok(&rt, 1, 2) && !rt.skipped);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("optim");
	TCase *t = tcase_create("optim");
	SRunner *run;
	int failed;

	tcase_add_loop_test(t, init_is_the_interpreters, 0, 2);
	tcase_add_loop_test(t, adamw_is_the_formula, 0, 4);
	tcase_add_loop_test(t, adamw_same_bits_for_any_threads, 0, 4);
	tcase_add_test(t, adamw_on_blocks);
	tcase_add_loop_test(t, sumsq_is_the_sum, 0,
	    (int)(sizeof lengths / sizeof lengths[0]));
	tcase_add_test(t, step_is_refused);
	suite_add_tcase(s, t);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
