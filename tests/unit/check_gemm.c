/*
 * lt_gemm against a product in double precision, at every CPU level.
 *
 * Tolerance: an f32 sum of k products rounds at most k + 2 times, each by
 * u = 2^-24 of a partial sum no larger than S = sum |a b| (+ |c| + |bias| +
 * |resid|): |error| <= (k + 8) u S; rounding C adds u_c (|c| + that error).
 *
 * On tiles an f32 product is six products of parts: what is left out is below
 * u |a b|, and five of the six gather first, 5 k roundings of sums no larger
 * than 2^-7 S: k / 25, and a rounding for each 384 of k.  Together less than
 * (k + k / 16 + 9) u S.
 */
#define _GNU_SOURCE
#include <check.h>
#include <time.h>

#include "runtime/cpu/gemm.h"
#include "runtime/cpu/pool.h"
#include "runtime/cpu/vec.h"
#include "tests/unit/kernels.h"

struct shape {
	uint32_t m, n, k;
};

static const struct shape shapes[] = {
	{ 1, 1, 1 }, { 5, 3, 2 }, { 14, 32, 16 }, { 15, 33, 17 },
	{ 64, 64, 64 }, { 100, 70, 385 }, { 13, 47, 400 }, { 3, 2100, 9 },
	{ 231, 50, 800 }, { 450, 96, 33 }, { 6, 5, 1200 },
};

struct types {
	enum lt_dtype in, out;
};

static const struct types types[] = {
	{ LT_F32, LT_F32 }, { LT_BF16, LT_BF16 }, { LT_BF16, LT_F32 },
};

/* What one case adds to the bare product. */
enum { ACC = 1, BIAS = 2, RESID = 4, PAD = 8 };

static struct lt_pool *pool;

struct operands {
	void *a, *b, *c, *before, *bias, *resid;
	size_t c_bytes;
};

static double
element(const struct lt_gemm *g, const struct lt_gemm_epilogue *e,
    const struct operands *o, uint32_t i, uint32_t j, double *size)
{
	double sum = 0, x;
	uint32_t p;

	*size = 0;
	for (p = 0; p < g->k; p++) {
		x = get(o->a, g->ta ? p * g->lda + i : i * g->lda + p, g->a) *
		    get(o->b, g->tb ? j * g->ldb + p : p * g->ldb + j, g->b);
		sum += x;
		*size += fabs(x);
	}
	x = g->acc ? get(o->before, i * g->ldc + j, g->c) : 0;
	sum += x;
	*size += fabs(x);
	x = e->bias ? get(e->bias, j, e->bias_type) : 0;
	sum += x;
	*size += fabs(x);
	x = e->resid ? get(e->resid, i * e->ldr + j, e->resid_type) : 0;
	*size += fabs(x);
	return sum + x;
}

static void
compare(const struct lt_gemm *g, const struct lt_gemm_epilogue *e,
    const struct operands *o)
{
	uint32_t i, j;

	for (i = 0; i < g->m; i++)
		for (j = 0; j < g->n; j++) {
			double size, want = element(g, e, o, i, j, &size);
			double got = get(o->c, i * g->ldc + j, g->c);
			double tol = (g->k + 8) * 0x1p-24 * size;

			if (g->a == LT_F32 && lt_cpu_level() >= LT_CPU_TILE_EMU)
				tol += (g->k / 16 + 1) * 0x1p-24 * size;
			tol += unit_roundoff(g->c) * (fabs(want) + tol);
			if (fabs(got - want) <= tol)
				continue;
			ck_abort_msg("%ux%ux%u t%d%d acc%d in%d "
			    "out%d [%u,%u]: got %.9g want %.9g tol %.3g",
			    g->m, g->n, g->k, g->ta, g->tb, g->acc, g->a, g->c,
			    i, j, got, want, tol);
		}
}

/* Bytes between the rows of C and after it stay as they were. */
static void
check_gaps(const struct lt_gemm *g, const struct operands *o)
{
	size_t es = lt_dtype_size(g->c), i;
	uint64_t gap = g->ldc - g->n;

	for (i = 0; i + 1 < g->m; i++)
		ck_assert(memcmp((char *)o->c + (i * g->ldc + g->n) * es,
		    (char *)o->before + (i * g->ldc + g->n) * es,
		    gap * es) == 0);
}

static void
run(struct lt_pool *p, const struct lt_gemm *g,
    const struct lt_gemm_epilogue *e, const struct operands *o)
{
	size_t bytes = lt_gemm_workspace(g, lt_pool_threads(p));
	unsigned char *ws = must_alloc(bytes + 64);

	memset(ws + bytes, 0x5a, 64);
	memcpy(o->c, o->before, o->c_bytes);
	lt_gemm(p, g, o->a, o->b, o->c, e, ws);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(ws[bytes + i], 0x5a);
	free(ws);
}

static void
one(struct shape s, struct types t, bool ta, bool tb, int with)
{
	uint32_t seed = s.m * 7 + s.n * 3 + s.k + with;
	uint32_t pad = with & PAD ? 5 : 0;
	struct lt_gemm g = {
		.m = s.m, .n = s.n, .k = s.k,
		.lda = (ta ? s.m : s.k) + pad, .ldb = (tb ? s.k : s.n) + pad,
		.ldc = s.n + pad, .ta = ta, .tb = tb, .acc = with & ACC,
		.a = t.in, .b = t.in, .c = t.out,
	};
	struct lt_gemm_epilogue e = { .ldr = s.n + pad };
	struct operands o = { .c_bytes = s.m * g.ldc * lt_dtype_size(t.out) };
	void *alone;

	o.a = random_tensor((ta ? s.k : s.m) * g.lda, t.in, &seed);
	o.b = random_tensor((tb ? s.n : s.k) * g.ldb, t.in, &seed);
	o.before = random_tensor(s.m * g.ldc, t.out, &seed);
	o.c = must_alloc(o.c_bytes);
	o.bias = random_tensor(s.n, t.in, &seed);
	o.resid = random_tensor(s.m * e.ldr, t.out, &seed);
	e.bias = with & BIAS ? o.bias : NULL;
	e.bias_type = t.in;
	e.resid = with & RESID ? o.resid : NULL;
	e.resid_type = t.out;

	run(NULL, &g, with & (BIAS | RESID) ? &e : NULL, &o);
	compare(&g, &e, &o);
	check_gaps(&g, &o);
	alone = must_alloc(o.c_bytes);
	memcpy(alone, o.c, o.c_bytes);
	run(pool, &g, &e, &o);
	ck_assert_msg(memcmp(alone, o.c, o.c_bytes) == 0,
	    "%ux%ux%u: threads change the bits", s.m, s.n, s.k);
	free(alone);
	free(o.a);
	free(o.b);
	free(o.c);
	free(o.before);
	free(o.bias);
	free(o.resid);
}

START_TEST(against_double)
{
	size_t i, t;
	int op;

	if (!lt_cpu_force(_i)) {
		printf("level %d: not on this CPU\n", _i);
		return;
	}
	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		for (t = 0; t < sizeof(types) / sizeof(*types); t++)
			for (op = 0; op < 4; op++) {
				int f = types[t].out == LT_F32 ? ACC : 0;

				one(shapes[i], types[t], op & 1, op & 2, 0);
				one(shapes[i], types[t], op & 1, op & 2,
				    f | PAD);
				one(shapes[i], types[t], op & 1, op & 2,
				    f | BIAS | RESID | PAD);
			}
	lt_cpu_force(-1);
}
END_TEST

/* One side in f32 gives the bits of a product of its rounded copy. */
static void
rounded(struct shape s, bool ta, bool tb, bool side_a, enum lt_dtype out)
{
	uint32_t seed = s.m + s.n + s.k;
	size_t na = (size_t)s.m * s.k, nb = (size_t)s.k * s.n;
	size_t bytes = (size_t)s.m * s.n * lt_dtype_size(out);
	struct lt_gemm g = { s.m, s.n, s.k, ta ? s.m : s.k, tb ? s.k : s.n,
		s.n, ta, tb, false, LT_BF16, LT_BF16, out };
	struct operands o = { .a = random_tensor(na, LT_BF16, &seed),
		.b = random_tensor(nb, LT_BF16, &seed), .c_bytes = bytes,
		.c = must_alloc(bytes), .before = must_alloc(bytes) };
	size_t n = side_a ? na : nb;
	float *x = random_tensor(n, LT_F32, &seed);
	uint16_t *copy = side_a ? o.a : o.b;
	void *want = must_alloc(bytes);

	x[n / 2] = 1 + 0x1p-8f; /* a tie, and one above it */
	x[n - 1] = 1 + 0x1p-8f + 0x1p-20f;
	for (size_t i = 0; i < n; i++)
		copy[i] = lt_to_bf16(x[i]);
	run(pool, &g, NULL, &o);
	memcpy(want, o.c, bytes);
	*(side_a ? &o.a : &o.b) = x;
	*(side_a ? &g.a : &g.b) = LT_F32;
	run(pool, &g, NULL, &o);
	ck_assert_msg(memcmp(want, o.c, bytes) == 0, "%ux%ux%u t%d%d: %c is "
	    "not as its copy", s.m, s.n, s.k, ta, tb, side_a ? 'a' : 'b');
	free(copy);
	free(o.a);
	free(o.b);
	free(o.c);
	free(o.before);
	free(want);
}

START_TEST(as_rounded_copies)
{
	if (!lt_cpu_force(_i))
		return;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		for (int op = 0; op < 16; op++)
			rounded(shapes[i], op & 1, op & 2, op & 4,
			    op & 8 ? LT_F32 : LT_BF16);
	lt_cpu_force(-1);
}
END_TEST

START_TEST(no_depth)
{
	float c[6] = { 9, 9, 9, 9, 9, 9 }, bias[3] = { 1, 2, 3 };
	struct lt_gemm g = { .m = 2, .n = 3, .ldc = 3 };
	struct lt_gemm_epilogue e = { .bias = bias };

	ck_assert_uint_eq(lt_gemm_workspace(&g, 4), 0);
	lt_gemm(pool, &g, NULL, NULL, c, &e, NULL);
	ck_assert(c[0] == 1 && c[2] == 3 && c[5] == 3);
}
END_TEST

/* A NaN anywhere in the inputs reaches C: a trainer must notice.  So does an
 * infinity, as one or as a NaN. */
static void
not_a_number(enum lt_dtype t, uint32_t bits)
{
	uint32_t seed = 1;
	struct lt_gemm g = { 20, 40, 50, 50, 40, 40, false, false, false, t, t,
		t };
	void *a = random_tensor(20 * 50, t, &seed);
	void *b = random_tensor(50 * 40, t, &seed);
	void *c = must_alloc(20 * 40 * lt_dtype_size(t));
	void *ws = must_alloc(lt_gemm_workspace(&g, lt_pool_threads(pool)));

	if (t == LT_F32)
		((uint32_t *)a)[3 * 50 + 7] = bits;
	else
		((uint16_t *)a)[3 * 50 + 7] = bits >> 16;
	lt_gemm(pool, &g, a, b, c, NULL, ws);
	for (int j = 0; j < 40; j++) {
		ck_assert(!isfinite(get(c, 3 * 40 + j, t)));
		ck_assert(isfinite(get(c, 4 * 40 + j, t)));
	}
	free(a);
	free(b);
	free(c);
	free(ws);
}

START_TEST(nan_survives)
{
	/* also those that rounding by carry could turn into something else */
	static const uint32_t bits[] = { 0x7fc00000, 0x7fffffff, 0xffffffff,
		0x7f800000, 0xff800000 };
	size_t i;

	if (!lt_cpu_force(_i))
		return;
	for (i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		not_a_number(LT_F32, bits[i]);
		not_a_number(LT_BF16, bits[i]);
	}
	lt_cpu_force(-1);
}
END_TEST

/* Sums that f32 holds exactly come out exactly, at every level: numbers of 12
 * bits, 24 products of at most 2^18 (parts of them no larger). */
START_TEST(integers)
{
	uint32_t seed = 5, i, j, p;
	struct lt_gemm g = { 33, 35, 24, 24, 35, 35, false, false, false,
		LT_F32, LT_F32, LT_F32 };
	float a[33 * 24], b[24 * 35], c[33 * 35];
	void *ws;

	if (!lt_cpu_force(_i))
		return;
	for (i = 0; i < 33 * 24; i++)
		a[i] = nearbyint(rnd(&seed) * 4095);
	for (i = 0; i < 24 * 35; i++)
		b[i] = nearbyint(rnd(&seed) * 63);
	ws = must_alloc(lt_gemm_workspace(&g, lt_pool_threads(pool)));
	lt_gemm(pool, &g, a, b, c, NULL, ws);
	for (i = 0; i < 33; i++)
		for (j = 0; j < 35; j++) {
			double sum = 0;

			for (p = 0; p < 24; p++)
				sum += (double)a[i * 24 + p] * b[p * 35 + j];
			ck_assert(c[i * 35 + j] == sum);
		}
	free(ws);
	lt_cpu_force(-1);
}
END_TEST

struct count {
	struct lt_pool *pool;
	int before[3], after[3];
	bool wrong;
};

static void
count_parts(void *arg, int part, int parts)
{
	struct count *c = arg;
	int i;

	c->before[part]++;
	lt_pool_barrier(c->pool);
	for (i = 0; i < parts; i++)
		c->wrong |= part == 0 && c->before[i] != c->before[0];
	lt_pool_barrier(c->pool);
	c->after[part]++;
}

/* Two pools at once, many short runs, a pause long enough to sleep. */
START_TEST(pools)
{
	struct count a = { .pool = lt_pool_new(3) };
	struct count b = { .pool = lt_pool_new(2) };
	int i;

	for (i = 0; i < 300; i++) {
		lt_pool_run(a.pool, count_parts, &a);
		lt_pool_run(b.pool, count_parts, &b);
		if (i % 100 == 50)
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 },
			    NULL);
	}
	ck_assert(!a.wrong && !b.wrong);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(a.after[i], 300);
	ck_assert_int_eq(b.after[1], 300);
	ck_assert_int_eq(b.after[2], 0);
	lt_pool_free(a.pool);
	lt_pool_free(b.pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gemm");
	TCase *t = tcase_create("gemm");
	SRunner *r = srunner_create(s);
	int failed;

	/* Threads do not survive a fork. */
	srunner_set_fork_status(r, CK_NOFORK);
	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, against_double, 0, LT_CPU_LEVELS);
	tcase_add_loop_test(t, nan_survives, 0, LT_CPU_LEVELS);
	tcase_add_loop_test(t, integers, 0, LT_CPU_LEVELS);
	tcase_add_loop_test(t, as_rounded_copies, 0, LT_CPU_LEVELS);
	tcase_add_test(t, no_depth);
	tcase_add_test(t, pools);
	suite_add_tcase(s, t);
	pool = lt_pool_new(3);
	srunner_run_all(r, CK_NORMAL);
	lt_pool_free(pool);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
