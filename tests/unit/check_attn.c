/*
 * Attention against double precision, at every CPU level.
 *
 * Tolerance.  All q, k, v, do lie in (-1, 1) and scale = 1/sqrt(d), so a score
 * is a sum of d products below 1/sqrt(d): its f32 error is at most
 * e = (d + 8) u sqrt(d), u = 2^-24, and a weight is off by e + 8 u (the
 * exponential) relative.  o is a weighted mean of |v| < 1 over n keys:
 * |error| <= 2 (e + 8 u) + n u.  A gradient is a sum, over at most n rows or
 * keys times g heads, of terms bounded by the sum of their magnitudes, with
 * weights and dp = do . v (below d, error d^2 u) off alike; the reference
 * adds up those magnitudes M, and |error| <= (4 e + (n + d + 32) u) M.
 * Storing in bf16 adds 2^-8 of the value, and bf16 z, delta do not exist.
 * On tiles weights w and their slopes are rounded to bf16 before they are
 * multiplied: another 2^-8 of o's mean |v| < 1 and of M.
 */
#define _GNU_SOURCE
#include <check.h>

#include "runtime/cpu/attn.h"
#include "runtime/cpu/pool.h"
#include "tests/unit/kernels.h"

#define U 0x1p-24

static struct lt_pool *pool;

struct tensors {
	struct lt_attn p;
	size_t nq, nk, nz; /* elements of q, k, z */
	void *q, *k, *v, *dout;
	int32_t *qpos, *kpos;
	/* reference, and the magnitudes that bound the errors of gradients */
	double *o, *z, *delta, *dq, *dk, *dv, *mq, *mk, *mv;
};

static int32_t *
positions(const struct lt_runs *runs, uint32_t rows)
{
	int32_t *pos = must_alloc(rows * sizeof(*pos));
	uint32_t at = 0, r;
	uint64_t i;

	for (r = 0; r < runs->n; r++)
		for (i = 0; i < runs->r[r].len; i++)
			pos[at++] = (int32_t)(runs->r[r].start + i);
	for (; at < rows; at++)
		pos[at] = (int32_t)at;
	return pos;
}

static bool
sees(const struct tensors *t, uint32_t b, uint32_t i, uint32_t j)
{
	const struct lt_attn *p = &t->p;
	int64_t x = t->qpos[i], y = t->kpos[j];

	return (!p->causal || y <= x) &&
	    (p->window == 0 || x - y < p->window) &&
	    (p->qdoc == NULL ||
	        p->qdoc[b * p->sq + i] == p->kdoc[b * p->sk + j]);
}

static double
dot(const void *a, size_t ai, const void *b, size_t bi, const struct lt_attn *p)
{
	double sum = 0;
	uint32_t c;

	for (c = 0; c < p->d; c++)
		sum += get(a, ai + c, p->type) * get(b, bi + c, p->type);
	return sum;
}

/* Row r = (b, i, head): o, z, delta. */
static void
reference_row(struct tensors *t, uint32_t b, uint32_t i, uint32_t h, double *w)
{
	const struct lt_attn *p = &t->p;
	size_t r = (b * (size_t)p->sq + i) * p->k * p->g + h, kr;
	double max = -INFINITY, sum = 0;
	uint32_t j, c;

	for (j = 0; j < p->sk; j++) {
		kr = (b * (size_t)p->sk + j) * p->k + h / p->g;
		w[j] = sees(t, b, i, j) ? p->scale *
		    dot(t->q, r * p->d, t->k, kr * p->d, p) : -INFINITY;
		max = fmax(max, w[j]);
	}
	for (j = 0; j < p->sk; j++) {
		w[j] = max == -INFINITY ? 0 : exp(w[j] - max);
		sum += w[j];
	}
	t->z[r] = max == -INFINITY ? max : max + log(sum);
	for (j = 0; j < p->sk && sum > 0; j++) {
		kr = (b * (size_t)p->sk + j) * p->k + h / p->g;
		w[j] /= sum;
		for (c = 0; c < p->d; c++)
			t->o[r * p->d + c] +=
			    w[j] * get(t->v, kr * p->d + c, p->type);
	}
	for (c = 0; c < p->d; c++)
		t->delta[r] += t->o[r * p->d + c] *
		    get(t->dout, r * p->d + c, p->type);
}

static void
reference_grad(struct tensors *t, uint32_t b, uint32_t i, uint32_t h,
    const double *w)
{
	const struct lt_attn *p = &t->p;
	size_t r = (b * (size_t)p->sq + i) * p->k * p->g + h, kr;
	uint32_t j, c;

	for (j = 0; j < p->sk; j++) {
		kr = (b * (size_t)p->sk + j) * p->k + h / p->g;
		double dp = dot(t->dout, r * p->d, t->v, kr * p->d, p);
		double ds = w[j] * (dp - t->delta[r]) * p->scale;
		double m = w[j] * (fabs(dp) + fabs(t->delta[r]) + p->d) *
		    p->scale;

		if (w[j] == 0)
			continue;
		for (c = 0; c < p->d; c++) {
			size_t qi = r * p->d + c, ki = kr * p->d + c;
			double q = get(t->q, qi, p->type);
			double k = get(t->k, ki, p->type);
			double g = get(t->dout, qi, p->type);

			t->dq[qi] += ds * k;
			t->dk[ki] += ds * q;
			t->dv[ki] += w[j] * g;
			t->mq[qi] += m * fabs(k);
			t->mk[ki] += m * fabs(q);
			t->mv[ki] += w[j] * fabs(g);
		}
	}
}

static double *
zeros(size_t n)
{
	double *p = calloc(n + 1, sizeof(*p));

	if (p == NULL)
		abort();
	return p;
}

static void
setup(struct tensors *t, const struct lt_attn *p, uint32_t seed)
{
	double *w = zeros(p->sk);
	uint32_t b, i, h;

	*t = (struct tensors){ .p = *p };
	t->nz = (size_t)p->b * p->sq * p->k * p->g;
	t->nq = t->nz * p->d;
	t->nk = (size_t)p->b * p->sk * p->k * p->d;
	t->q = random_tensor(t->nq, p->type, &seed);
	t->k = random_tensor(t->nk, p->type, &seed);
	t->v = random_tensor(t->nk, p->type, &seed);
	t->dout = random_tensor(t->nq, p->type, &seed);
	t->qpos = positions(&p->qpos, p->sq);
	t->kpos = positions(&p->kpos, p->sk);
	t->o = zeros(t->nq);
	t->z = zeros(t->nz);
	t->delta = zeros(t->nz);
	t->dq = zeros(t->nq);
	t->mq = zeros(t->nq);
	t->dk = zeros(t->nk);
	t->mk = zeros(t->nk);
	t->dv = zeros(t->nk);
	t->mv = zeros(t->nk);
	for (b = 0; b < p->b; b++)
		for (i = 0; i < p->sq; i++)
			for (h = 0; h < p->k * p->g; h++) {
				reference_row(t, b, i, h, w);
				reference_grad(t, b, i, h, w);
			}
	free(w);
}

static void
teardown(struct tensors *t)
{
	void *all[] = { t->q, t->k, t->v, t->dout, t->qpos, t->kpos, t->o,
		t->z, t->delta, t->dq, t->dk, t->dv, t->mq, t->mk, t->mv };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		free(all[i]);
}

static double
score_error(const struct lt_attn *p)
{
	return (p->d + 8) * U * sqrt(p->d) + 8 * U;
}

static double
weight_error(const struct lt_attn *p)
{
	return p->type == LT_BF16 && lt_cpu_level() >= LT_CPU_AVX512_BF16 ?
	    unit_roundoff(LT_BF16) : 0;
}

/* |got - want| <= tol * (size, or 1 if NULL) + rounding of the store */
static void
close_to(const char *what, const void *got, enum lt_dtype type,
    const double *want, const double *size, double tol, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		double x = get(got, i, type);
		double e = tol * (size ? size[i] : 1);

		if (x == want[i]) /* infinities too */
			continue;
		e += unit_roundoff(type) * (fabs(want[i]) + e);
		if (fabs(x - want[i]) <= e)
			continue;
		ck_abort_msg("%s[%zu]: got %.9g want %.9g tol %.3g "
		    "(level %d)", what, i, x, want[i], e, (int)lt_cpu_level());
	}
}

static void *
scratch(size_t bytes)
{
	unsigned char *p = must_alloc(bytes + 64);

	ck_assert(bytes != SIZE_MAX && bytes % 64 == 0);
	memset(p + bytes, 0x5a, 64);
	return p;
}

static void
drop(void *ws, size_t bytes)
{
	int i;

	for (i = 0; i < 64; i++)
		ck_assert_int_eq(((unsigned char *)ws)[bytes + i], 0x5a);
	free(ws);
}

/* Forward, delta, backward with this pool; results in out[0..5]. */
static void
run(struct lt_pool *with, const struct tensors *t, void *out[6])
{
	const struct lt_attn *p = &t->p;
	int n = lt_pool_threads(with);
	size_t fb = lt_attn_fwd_workspace(p, n), bb;
	void *ws = scratch(fb);

	bb = lt_attn_bwd_workspace(p, n);
	ck_assert(fb <= n * lt_attn_fwd_workspace(p, 1));
	ck_assert(bb <= n * lt_attn_bwd_workspace(p, 1));
	lt_attn_fwd(with, p, t->q, t->k, t->v, out[0], out[1], ws);
	drop(ws, fb);
	lt_attn_delta(with, p, t->dout, out[0], out[2]);
	ws = scratch(bb);
	lt_attn_bwd(with, p, t->dout, t->q, t->k, t->v, out[1], out[2], out[3],
	    out[4], out[5], ws);
	drop(ws, bb);
}

static void
outputs(const struct tensors *t, void *out[6], size_t bytes[6])
{
	size_t e = lt_dtype_size(t->p.type);
	size_t g = t->p.acc ? 4 : e;
	int i;

	bytes[0] = t->nq * e;
	bytes[1] = bytes[2] = t->nz * 4;
	bytes[3] = t->nq * g;
	bytes[4] = bytes[5] = t->nk * g;
	for (i = 0; i < 6; i++) {
		out[i] = must_alloc(bytes[i]);
		if (t->p.acc && i >= 3)
			memset(out[i], 0, bytes[i]);
	}
}

static void
compare(const struct tensors *t, void *out[6])
{
	const struct lt_attn *p = &t->p;
	enum lt_dtype grad = p->acc ? LT_F32 : p->type;
	double e = score_error(p), n = p->sk;
	double store = unit_roundoff(p->type);
	double w = weight_error(p);
	double g = w + 4 * e + (n + p->sq * p->g + p->d + 32) * U;

	close_to("o", out[0], p->type, t->o, NULL, w + 2 * e + n * U,
	    t->nq);
	close_to("z", out[1], LT_F32, t->z, NULL, 2 * e + (n + 16) * U, t->nz);
	/* delta is made from the stored o: each of d terms off by its error */
	close_to("delta", out[2], LT_F32, t->delta, NULL,
	    p->d * (store + w + 2 * e + (n + p->d) * U), t->nz);
	/* m counts d for the error of delta, so the store of o is covered */
	close_to("dq", out[3], grad, t->dq, t->mq, g + store, t->nq);
	close_to("dk", out[4], grad, t->dk, t->mk, g + store, t->nk);
	close_to("dv", out[5], grad, t->dv, t->mv, g, t->nk);
}

static void
one(const struct lt_attn *p)
{
	size_t bytes[6];
	void *out[6], *many[6];
	struct tensors t;
	int i;

	setup(&t, p, p->sq * 31 + p->sk * 7 + p->d);
	outputs(&t, out, bytes);
	outputs(&t, many, bytes);
	run(NULL, &t, out);
	compare(&t, out);
	run(pool, &t, many);
	for (i = 0; i < 6; i++) {
		ck_assert_msg(memcmp(out[i], many[i], bytes[i]) == 0,
		    "output %d: threads change the bits", i);
		free(out[i]);
		free(many[i]);
	}
	teardown(&t);
}

static const struct lt_attn shapes[] = {
	{ .b = 1, .sq = 1, .sk = 1, .k = 1, .g = 1, .d = 8 },
	{ .b = 2, .sq = 64, .sk = 64, .k = 2, .g = 1, .d = 64 },
	{ .b = 1, .sq = 130, .sk = 130, .k = 2, .g = 4, .d = 16 },
	{ .b = 1, .sq = 70, .sk = 70, .k = 3, .g = 2, .d = 80 },
	{ .b = 2, .sq = 33, .sk = 33, .k = 1, .g = 1, .d = 96 },
	{ .b = 1, .sq = 192, .sk = 192, .k = 1, .g = 2, .d = 128 },
	{ .b = 1, .sq = 67, .sk = 67, .k = 4, .g = 1, .d = 37 },
	{ .b = 1, .sq = 20, .sk = 150, .k = 1, .g = 3, .d = 12 },
	{ .b = 1, .sq = 65, .sk = 65, .k = 1, .g = 1, .d = 256 },
};

static void
every_mask(struct lt_attn p)
{
	int32_t doc[2 * 200];
	uint32_t i, n = p.sq;

	one(&p);
	p.causal = true;
	if (p.sk > p.sq) /* growing keys: the queries are the last rows */
		p.qpos = (struct lt_runs){ 1, { { p.sk - p.sq, p.sq } } };
	one(&p);
	p.window = 40;
	one(&p);
	if (p.sk != p.sq)
		return;
	for (i = 0; i < 2 * n; i++)
		doc[i % (2 * n)] = (int32_t)(i * i / (n * 9) - i / n * 3);
	p.qdoc = p.kdoc = doc;
	one(&p);
	p.window = 0;
	p.acc = true;
	one(&p);
}

START_TEST(against_double)
{
	size_t i;

	if (!lt_cpu_force(_i)) {
		printf("level %d: not on this CPU\n", _i);
		return;
	}
	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		struct lt_attn p = shapes[i];

		p.scale = 1 / sqrtf((float)p.d);
		p.type = LT_F32;
		every_mask(p);
		p.type = LT_BF16;
		every_mask(p);
	}
	lt_cpu_force(-1);
}
END_TEST

/* Shards of a causal sequence, as head-tail placement cuts it: rank c of n
 * owns chunks c and 2 n - 1 - c.  One rank's ring over all shards equals
 * attention to all keys; z and delta of all keys serve every step backward. */
enum { RANKS = 3, CHUNK = 45 };

static struct lt_runs
zigzag(int rank)
{
	return (struct lt_runs){ 2, {
		{ (uint64_t)rank * CHUNK, CHUNK },
		{ (2 * RANKS - 1 - (uint64_t)rank) * CHUNK, CHUNK } } };
}

/* Rows of the shard's positions out of a whole sequence, or back. */
static void
shard(const struct lt_runs *runs, size_t row, const char *from, char *to)
{
	uint32_t r;

	for (r = 0; r < runs->n; r++) {
		memcpy(to, from + runs->r[r].start * row,
		    runs->r[r].len * row);
		to += runs->r[r].len * row;
	}
}

START_TEST(ring_of_shards)
{
	struct lt_attn whole = { .b = 1, .sq = 2 * RANKS * CHUNK,
		.sk = 2 * RANKS * CHUNK, .k = 2, .g = 2, .d = 24,
		.scale = 0.25f, .causal = true, .type = LT_F32 };
	struct lt_attn part = whole;
	size_t kv = whole.k * whole.d * 4, row = kv * whole.g;
	size_t zrow = whole.k * whole.g * 4;
	struct tensors t;
	float *all[6], *o, *z, *delta, *dq, *q, *k, *v, *dout, *dk, *dv;
	float *sum_k, *want, *wanted_z;
	size_t bytes[6], i;
	double tol;
	void *ws;
	int rank, from;

	if (!lt_cpu_force(_i))
		return;
	setup(&t, &whole, 5);
	outputs(&t, (void **)all, bytes);
	run(pool, &t, (void **)all);
	part.sq = part.sk = 2 * CHUNK;
	part.acc = true;
	tol = 4 * score_error(&whole) + (whole.sk * 2 + 64) * U;
	o = must_alloc(2 * CHUNK * row);
	q = must_alloc(2 * CHUNK * row);
	dq = must_alloc(2 * CHUNK * row);
	dout = must_alloc(2 * CHUNK * row);
	want = must_alloc(2 * CHUNK * row);
	z = must_alloc(2 * CHUNK * zrow);
	wanted_z = must_alloc(2 * CHUNK * zrow);
	delta = must_alloc(2 * CHUNK * zrow);
	k = must_alloc(2 * CHUNK * kv);
	v = must_alloc(2 * CHUNK * kv);
	dk = must_alloc(2 * CHUNK * kv);
	dv = must_alloc(2 * CHUNK * kv);
	sum_k = calloc(RANKS * 2 * CHUNK, kv);
	i = lt_attn_bwd_workspace(&part, 3);
	ws = must_alloc(i > lt_attn_fwd_workspace(&part, 3) ? i :
	    lt_attn_fwd_workspace(&part, 3));
	for (rank = 0; rank < RANKS; rank++) {
		part.qpos = zigzag(rank);
		shard(&part.qpos, row, t.q, (char *)q);
		shard(&part.qpos, row, t.dout, (char *)dout);
		shard(&part.qpos, row, (char *)all[0], (char *)want);
		shard(&part.qpos, zrow, (char *)all[1], (char *)wanted_z);
		shard(&part.qpos, zrow, (char *)all[2], (char *)delta);
		memset(dq, 0, 2 * CHUNK * row);
		for (i = 0; i < 2 * CHUNK * zrow / 4; i++)
			z[i] = -INFINITY;
		for (from = 0; from < RANKS; from++) {
			part.kpos = zigzag(from);
			shard(&part.kpos, kv, t.k, (char *)k);
			shard(&part.kpos, kv, t.v, (char *)v);
			lt_attn_step(pool, &part, q, k, v, o, z, ws);
			memset(dk, 0, 2 * CHUNK * kv);
			memset(dv, 0, 2 * CHUNK * kv);
			lt_attn_bwd(pool, &part, dout, q, k, v, wanted_z,
			    delta, dq, dk, dv, ws);
			for (i = 0; i < 2 * CHUNK * kv / 4; i++)
				sum_k[from * 2 * CHUNK * kv / 4 + i] += dk[i];
		}
		for (i = 0; i < 2 * CHUNK * row / 4; i++)
			ck_assert(fabsf(o[i] - want[i]) <= tol);
		for (i = 0; i < 2 * CHUNK * zrow / 4; i++)
			ck_assert(fabsf(z[i] - wanted_z[i]) <= tol);
		shard(&part.qpos, row, (char *)all[3], (char *)want);
		for (i = 0; i < 2 * CHUNK * row / 4; i++)
			ck_assert(fabsf(dq[i] - want[i]) <= tol * whole.d);
	}
	for (from = 0; from < RANKS; from++) {
		part.kpos = zigzag(from);
		shard(&part.kpos, kv, (char *)all[4], (char *)k);
		for (i = 0; i < 2 * CHUNK * kv / 4; i++)
			ck_assert(fabsf(sum_k[from * 2 * CHUNK * kv / 4 + i] -
			    k[i]) <= tol * whole.d * whole.sq);
	}
	for (i = 0; i < 6; i++)
		free(all[i]);
	free(o);
	free(q);
	free(dq);
	free(dout);
	free(want);
	free(z);
	free(wanted_z);
	free(delta);
	free(k);
	free(v);
	free(dk);
	free(dv);
	free(sum_k);
	free(ws);
	teardown(&t);
	lt_cpu_force(-1);
}
END_TEST

/* Keys all in the future: nothing is seen, nothing flows. */
START_TEST(blind_rows)
{
	struct lt_attn p = { .b = 1, .sq = 5, .sk = 5, .k = 1, .g = 1, .d = 8,
		.scale = 1, .causal = true, .type = LT_F32,
		.kpos = { 1, { { 3, 5 } } } };
	size_t bytes[6], i;
	struct tensors t;
	float *out[6];

	if (!lt_cpu_force(_i))
		return;
	setup(&t, &p, 9);
	outputs(&t, (void **)out, bytes);
	run(pool, &t, (void **)out);
	for (i = 0; i < 3; i++)
		ck_assert(out[1][i] == -INFINITY);
	for (i = 0; i < 3 * 8; i++)
		ck_assert(out[0][i] == 0 && out[3][i] == 0);
	for (i = 2 * 8; i < 5 * 8; i++)
		ck_assert(out[4][i] == 0 && out[5][i] == 0);
	for (i = 0; i < 6; i++)
		free(out[i]);
	teardown(&t);
	lt_cpu_force(-1);
}
END_TEST

/* A NaN in q, k or v reaches o; a hidden one does not. */
START_TEST(nan_survives)
{
	struct lt_attn p = { .b = 1, .sq = 100, .sk = 100, .k = 1, .g = 1,
		.d = 16, .scale = 1, .causal = true, .type = LT_F32 };
	size_t bytes[6], i;
	struct tensors t;
	float *out[6];
	void *ws;

	if (!lt_cpu_force(_i))
		return;
	setup(&t, &p, 3);
	outputs(&t, (void **)out, bytes);
	ws = must_alloc(lt_attn_fwd_workspace(&p, 3));
	((float *)t.k)[50 * 16 + 3] = NAN;
	lt_attn_fwd(pool, &p, t.q, t.k, t.v, out[0], out[1], ws);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(isnan(out[0][i * 16]) != 0, i >= 50);
		ck_assert_int_eq(isnan(out[1][i]) != 0, i >= 50);
	}
	for (i = 0; i < 6; i++)
		free(out[i]);
	free(ws);
	teardown(&t);
	lt_cpu_force(-1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("attn");
	TCase *t = tcase_create("attn");
	SRunner *r = srunner_create(s);
	int failed;

	/* Threads do not survive a fork. */
	srunner_set_fork_status(r, CK_NOFORK);
	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, against_double, 0, LT_CPU_LEVELS);
	tcase_add_loop_test(t, ring_of_shards, 0, LT_CPU_LEVELS);
	tcase_add_loop_test(t, blind_rows, 0, LT_CPU_LEVELS);
	tcase_add_loop_test(t, nan_survives, 0, LT_CPU_LEVELS);
	suite_add_tcase(s, t);
	pool = lt_pool_new(3);
	srunner_run_all(r, CK_NORMAL);
	lt_pool_free(pool);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
