/*
 * Moves between ranks that are threads, against moves made element by
 * element: random meshes, groups, shapes and orders of finishing.
 *
 * Compiled with ON_DEVICE, the arrays are on the emulator.
 */
#include "config.h"

#include <stdio.h>

#include "runtime/gpu/host.h"

#include "tests/comm/plain.h"
#include "tests/comm/ranks.h"

enum { BATCH = 4, PAIRS = 3 };

/* One move of a test, the same on all ranks. */
struct trial {
	struct lt_move move;
	int n;
	uint64_t count[PAIRS], salt;
	bool in_place, fractions;
};

struct plan {
	struct trial t[BATCH];
	int n, finish[BATCH]; /* order */
};

/* ---- inventing moves ---- */

static void
choose_hops(uint64_t *random, const struct lt_program *p, struct lt_move *m)
{
	int axis[LT_AXES_MAX], n = p->naxis;

	for (int i = 0; i < n; i++)
		axis[i] = i;
	m->n = (uint8_t)(1 + roll(random, (uint64_t)n));
	for (int h = 0; h < m->n; h++) {
		int k = h + (int)roll(random, (uint64_t)(n - h));
		int a = axis[k];

		axis[k] = axis[h];
		m->hop[h] = (struct lt_hop){(int8_t)a, -1, -1,
		    (int16_t)((int)roll(random, 9) - 4)};
		axis[h] = a;
	}
}

/* from and to as the kind has them; a second kind of hop now and then. */
static void
choose_ends(uint64_t *random, struct lt_move *m)
{
	for (int h = 0; h < m->n; h++) {
		struct lt_hop *x = &m->hop[h];
		bool mixed = roll(random, 8) == 0;

		if (m->kind == LT_GATHER || m->kind == LT_A2A || mixed)
			x->from = (int8_t)roll(random, m->rank);
		if (m->kind == LT_RSCATTER || m->kind == LT_A2A)
			x->to = (int8_t)roll(random, m->rank);
		if (m->type != LT_F32 && x->from < 0)
			x->from = 0;
	}
}

static uint64_t
choose_shape(uint64_t *random, const struct lt_program *p, struct lt_move *m)
{
	uint64_t count = 1;

	for (int i = 0; i < m->rank; i++) {
		m->src[i] = 1 + roll(random, 4);
		for (int h = 0; h < m->n; h++)
			if (m->hop[h].to == i)
				m->src[i] *= (uint64_t)
				    p->axis_size[m->hop[h].axis];
		count *= m->src[i];
	}
	return count;
}

static void
choose(uint64_t *random, const struct lt_program *p, struct trial *t)
{
	struct lt_move *m = &t->move;
	uint64_t count;

	*t = (struct trial){.n = 1 + (int)roll(random, PAIRS)};
	m->name = "trial";
	m->kind = (uint8_t)roll(random, LT_MOVE_KINDS);
	m->lane = (uint8_t)roll(random, 3);
	m->type = roll(random, 2) ? LT_F32 : roll(random, 2) ? LT_BF16 :
	    LT_I32;
	if (m->kind == LT_ALLREDUCE || m->kind == LT_RSCATTER)
		m->type = LT_F32;
	m->rank = (uint8_t)(1 + roll(random, 4));
	choose_hops(random, p, m);
	if (m->kind != LT_SHIFT && m->kind != LT_ALLREDUCE)
		choose_ends(random, m);
	count = choose_shape(random, p, m);
	for (int i = 0; i < t->n; i++)
		t->count[i] = m->kind == LT_SHIFT || m->kind == LT_ALLREDUCE ?
		    roll(random, 4) ? roll(random, 3000) : roll(random, 20) :
		    count;
	t->in_place = m->kind == LT_ALLREDUCE && roll(random, 2);
	t->fractions = m->type == LT_F32 && roll(random, 2);
	t->salt = roll(random, 1000);
}

/* ---- values ---- */

/* Which rank, pair and element: small integers, exact in bf16 as well, or
 * fractions whose sums depend on the order. */
static float
value(const struct trial *t, int pair, int rank, uint64_t i)
{
	uint64_t state = t->salt + (uint64_t)rank * 1000003 +
	    (uint64_t)pair * 7919 + i * 104729;
	uint64_t x = roll(&state, 200);

	x = roll(&state, 200);
	return t->fractions ? (float)(x + 1) / 7.0f *
	    (roll(&state, 2) ? 1e4f : 1.0f) : (float)x;
}

struct wanted {
	const struct trial *t;
	int pair;
};

static float
source(void *arg, int rank, uint64_t i)
{
	const struct wanted *w = arg;

	return value(w->t, w->pair, rank, i);
}

static void
put(uint8_t type, void *to, uint64_t i, float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	if (type == LT_F32)
		((float *)to)[i] = x;
	else if (type == LT_I32)
		((int32_t *)to)[i] = (int32_t)x;
	else
		((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
}

static float
fetch(uint8_t type, const void *from, uint64_t i)
{
	uint32_t bits;
	float x;

	if (type == LT_F32)
		return ((const float *)from)[i];
	if (type == LT_I32)
		return (float)((const int32_t *)from)[i];
	bits = (uint32_t)((const uint16_t *)from)[i] << 16;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* ---- running ---- */

struct running {
	struct lt_pair pair[PAIRS];
	lt_token token;
};

static void
begin(struct rank *r, const struct trial *t, struct running *x)
{
	for (int k = 0; k < t->n; k++) {
		uint64_t in = t->count[k], out = plain_count(&r->all->prog,
		    &t->move, in);
		char *src = malloc(4 * in + 1);

		for (uint64_t i = 0; i < in; i++)
			put(t->move.type, src, i, value(t, k, r->rt.rank, i));
		src = rank_send(r, src, 4 * in);
		x->pair[k] = (struct lt_pair){t->in_place ? src :
		    rank_send(r, memset(malloc(4 * out + 1), 0xff, 4 * out),
		    4 * out), src, in};
	}
	x->token = lt_start(&r->rt, &t->move, t->n, x->pair);
}

static void
compare(struct rank *r, const struct trial *t, int pair, const void *dst)
{
	const struct lt_program *p = &r->all->prog;
	uint64_t n = plain_count(p, &t->move, t->count[pair]);
	struct wanted w = {t, pair};
	float *want = calloc(n + 1, sizeof *want);

	plain_move(p, &t->move, r->rt.rank, t->count[pair], source, &w, want);
	for (uint64_t i = 0; i < n; i++)
		if (fetch(t->move.type, dst, i) != want[i]) {
			fprintf(stderr, "rank %d, kind %d, hops %d, pair %d, "
			    "element %lu of %lu: %g, not %g\n", r->rt.rank,
			    t->move.kind, t->move.n, pair, (unsigned long)i,
			    (unsigned long)n,
			    (double)fetch(t->move.type, dst, i),
			    (double)want[i]);
			lt_comm_fail(r->rt.comm, 99, "wrong");
		}
	free(want);
}

static void
scribble(struct rank *r, void *x, size_t n)
{
	if (r->room)
		lt_clear(&r->rt, x, n);
	else
		memset(x, 0x7f, n);
}

/* After finish the source is ours again: scribble on it. */
static void
conclude(struct rank *r, const struct trial *t, struct running *x)
{
	lt_finish(&r->rt, x->token);
	for (int k = 0; k < t->n; k++) {
		void *src = (void *)(uintptr_t)x->pair[k].src, *dst;

		if (!t->in_place)
			scribble(r, src, 4 * t->count[k]);
		dst = rank_fetch(r, x->pair[k].dst, 4 *
		    plain_count(&r->all->prog, &t->move, t->count[k]));
		compare(r, t, k, dst);
		free(dst);
		if (!t->in_place && !r->room)
			free(src);
	}
}

static void
run_plan(struct rank *r, void *arg)
{
	const struct plan *p = arg;
	struct running x[BATCH];

	r->used = 0;
	for (int i = 0; i < p->n; i++)
		begin(r, &p->t[i], &x[i]);
	for (int i = 0; i < p->n; i++)
		conclude(r, &p->t[p->finish[i]], &x[p->finish[i]]);
}

static void
choose_plan(uint64_t *random, const struct lt_program *prog, struct plan *p)
{
	p->n = 1 + (int)roll(random, BATCH);
	for (int i = 0; i < p->n; i++) {
		int k = (int)roll(random, (uint64_t)i + 1);

		choose(random, prog, &p->t[i]);
		p->finish[i] = p->finish[k];
		p->finish[k] = i;
	}
}

static const int meshes[][3] = {{2, 0, 0}, {3, 0, 0}, {2, 2, 0}, {4, 2, 0},
    {2, 4, 0}, {3, 2, 0}, {2, 2, 2}, {2, 3, 2}, {4, 2, 2}, {1, 5, 0}};
#ifdef ON_DEVICE
enum { ROUNDS = 12 };
#else
enum { ROUNDS = 60 };
#endif
enum { MESHES = sizeof meshes / sizeof *meshes };

START_TEST(moves_mean_what_they_say)
{
	struct ranks *w = malloc(sizeof *w);
	struct plan p;
	uint64_t random = (uint64_t)_i * 977 + 5;

	for (int k = 0; k < ROUNDS; k++) {
		ranks_mesh(w, meshes[_i][2] ? 3 : meshes[_i][1] ? 2 : 1,
		    meshes[_i]);
		w->serial = k % 5 == 0;
		choose_plan(&random, &w->prog, &p);
		ranks_run(w, run_plan, &p);
		ranks_ended(w);
	}
	free(w);
}
END_TEST

#ifdef ON_DEVICE
/* ---- steps that take long, and ranks that do not come ---- */

enum { SUMS = 6 };

/* Sums that take 150 ms each; `arg`: and one to which the last rank does not
 * come. */
static void
sum_slowly(struct rank *r, void *arg)
{
	static const struct lt_move m = {.name = "slow", .kind = LT_ALLREDUCE,
	    .type = LT_F32, .n = 1, .lane = 1, .hop = {{0, -1, -1, 0}}};
	int n = SUMS + (arg && r->rt.rank < r->rt.ranks - 1);
	float *x = calloc(64, sizeof *x), *got;
	struct lt_pair p = {.count = 64};
	float wanted = 1;

	for (int i = 0; i < 64; i++)
		x[i] = 1;
	p.dst = rank_send(r, x, 64 * sizeof *x);
	p.src = p.dst;
	for (int i = 0; i < n; i++, wanted *= (float)r->rt.ranks)
		lt_finish(&r->rt, lt_start(&r->rt, &m, 1, &p));
	got = rank_fetch(r, p.dst, 64 * sizeof *x);
	if (*got != wanted)
		lt_comm_fail(r->rt.comm, 99, "wrong sum");
	free(got);
}

/* Two processes, each of which sees one GPU: the same (0), or one of its own. */
START_TEST(a_gpu_for_every_process)
{
	static const int mesh[] = {2};
	struct ranks *w = malloc(sizeof *w);

	setenv("FAKE_CUDA_COUNT", "1", 1);
	if (_i)
		setenv("FAKE_CUDA_PRIVATE", "1", 1);
	ranks_mesh(w, 1, mesh);
	w->processes = true;
	ranks_run(w, sum_slowly, NULL);
	ck_assert_int_eq(w->rank[0].escaped, _i ? 0 : LT_EXIT_CONFIG);
	ck_assert_int_eq(w->rank[1].escaped, _i ? 0 : LT_EXIT_CONFIG);
	free(w);
}
END_TEST

/* On NCCL alone. */
START_TEST(only_standing_still_is_a_hang)
{
	static const int mesh[] = {2};
	struct ranks *w = malloc(sizeof *w);

	setenv("FAKE_CUDA_SLOW", "nest_sum_16:150", 1);
	ranks_mesh(w, 1, mesh);
	w->timeout = 0.5;
	ranks_run(w, sum_slowly, _i ? w : NULL);
	ck_assert_int_eq(w->rank[0].escaped, _i ? LT_EXIT_COMM : 0);
	ck_assert_int_eq(w->rank[1].escaped, 0);
	free(w);
}
END_TEST
#endif

#ifndef ON_DEVICE
/* ---- many small steps in a row, and slots used again and again ---- */

static void
add_up(struct rank *r, void *arg)
{
	static const struct lt_move sum = {.name = "sum", .kind = LT_ALLREDUCE,
	    .type = LT_F32, .n = 1, .hop = {{0, -1, -1, 0}}};
	static const struct lt_move turn = {.name = "turn", .kind = LT_SHIFT,
	    .type = LT_F32, .n = 1, .hop = {{0, -1, -1, 1}}};
	float big[200], back[200];

	(void)arg;
	for (int i = 0; i < 500; i++) {
		float x = (float)(r->rt.rank + i), y;
		struct lt_pair pair = {&y, &x, 1}, large = {back, big, 200};
		int n = r->rt.ranks;

		lt_finish(&r->rt, lt_start(&r->rt, &sum, 1, &pair));
		if (y != (float)(n * i + n * (n - 1) / 2))
			lt_comm_fail(r->rt.comm, 99, "wrong sum");
		for (int k = 0; k < 200; k++)
			big[k] = x;
		lt_finish(&r->rt, lt_start(&r->rt, &turn, 1, &large));
		if (back[199] != (float)((r->rt.rank + n - 1) % n + i))
			lt_comm_fail(r->rt.comm, 99, "wrong turn");
	}
}

START_TEST(steps_follow_each_other)
{
	static const int mesh[] = {5};
	struct ranks *w = malloc(sizeof *w);

	ranks_mesh(w, 1, mesh);
	ranks_run(w, add_up, NULL);
	ranks_ended(w);
	free(w);
}
END_TEST

/* Odd ranks start the lanes the other way round. */
static void
cross(struct rank *r, void *arg)
{
	static const struct lt_move m[2] = {
	    {.name = "one", .kind = LT_SHIFT, .lane = 1, .type = LT_F32,
		.n = 1, .hop = {{0, -1, -1, 1}}},
	    {.name = "two", .kind = LT_SHIFT, .lane = 2, .type = LT_F32,
		.n = 1, .hop = {{0, -1, -1, 1}}}};
	int odd = r->rt.rank % 2, n = r->rt.ranks;
	float in[2][100], out[2][100];
	lt_token t[2];

	(void)arg;
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 2; k++) {
			int lane = k ^ odd;
			struct lt_pair p = {out[lane], in[lane], 100};

			in[lane][99] = (float)(10 * r->rt.rank + lane);
			t[lane] = lt_start(&r->rt, &m[lane], 1, &p);
		}
		for (int k = 0; k < 2; k++) {
			lt_finish(&r->rt, t[k]);
			if (out[k][99] != (float)(10 *
			    ((r->rt.rank + n - 1) % n) + k))
				lt_comm_fail(r->rt.comm, 99, "wrong lane");
		}
	}
}

START_TEST(lanes_do_not_wait_for_each_other)
{
	static const int mesh[] = {4};
	struct ranks *w = malloc(sizeof *w);

	ranks_mesh(w, 1, mesh);
	ranks_run(w, cross, NULL);
	ranks_ended(w);
	free(w);
}
END_TEST

/* One group, its members numbered now this way and now that. */
static void
renumber(struct rank *r, void *arg)
{
	static const struct lt_move m[2] = {
	    {.name = "ab", .kind = LT_GATHER, .type = LT_F32, .rank = 1,
		.n = 2, .hop = {{0, 0, -1, 0}, {1, 0, -1, 0}}},
	    {.name = "ba", .kind = LT_GATHER, .type = LT_F32, .rank = 1,
		.n = 2, .hop = {{1, 0, -1, 0}, {0, 0, -1, 0}}}};
	float x = (float)r->rt.rank, all[6];
	struct lt_pair pair = {all, &x, 1};

	(void)arg;
	for (int i = 0; i < 300; i++) {
		int k = i % 3 == 0;

		lt_finish(&r->rt, lt_start(&r->rt, &m[k], 1, &pair));
		for (int j = 0; j < 6; j++)
			if (all[j] != (float)(k ? j % 2 * 3 + j / 2 : j))
				lt_comm_fail(r->rt.comm, 99, "wrong member");
	}
}

START_TEST(orders_of_axes_share_a_channel)
{
	static const int mesh[] = {2, 3};
	struct ranks *w = malloc(sizeof *w);

	ranks_mesh(w, 2, mesh);
	ranks_run(w, renumber, NULL);
	ranks_ended(w);
	free(w);
}
END_TEST

/* ---- counting ---- */

/* 48 bf16 over 4: three of four parts leave.  100 f32 over 8: all ranks
 * together send 2 * 7 * 100 elements. */
START_TEST(bytes_are_those_of_the_formulas)
{
	static const int mesh[] = {2, 4};
	struct ranks *w = malloc(sizeof *w);
	uint64_t all = 0;

	ranks_mesh(w, 2, mesh);
	w->local = lt_local_new(&w->prog);
	for (int i = 0; i < w->n; i++) {
		struct lt_comm *c = lt_local_open(w->local, i);
		struct lt_move sum = {.kind = LT_ALLREDUCE, .type = LT_F32,
		    .n = 2, .hop = {{0, -1, -1, 0}, {1, -1, -1, 0}}};
		struct lt_move a2a = {.kind = LT_A2A, .type = LT_BF16, .n = 1,
		    .hop = {{1, 0, 1, 0}}, .rank = 2, .src = {6, 8}};
		struct lt_pair p = {NULL, NULL, 48}, q = {NULL, NULL, 100};
		struct lt_group g = lt_group_of(&w->prog, c->coord, &a2a);
		struct lt_op op;

		c->count.on = true;
		lt_op_set(&op, &a2a, &g, LT_PHASE_MOVE, 1, &p);
		lt_count_add(&c->count, &op);
		lt_count_add(&c->count, &op);
		ck_assert_uint_eq(c->count.row[0].calls, 2);
		ck_assert_uint_eq(c->count.row[0].bytes, 2 * 48 * 2 * 3 / 4);
		g = lt_group_of(&w->prog, c->coord, &sum);
		lt_op_set(&op, &sum, &g, LT_PHASE_WHOLE, 1, &q);
		lt_count_add(&c->count, &op);
		ck_assert_int_eq(c->count.n, 2);
		all += c->count.row[1].bytes;
		lt_comm_close(c);
	}
	lt_local_free(w->local);
	ck_assert_uint_eq(all, 2 * 7 * 100 * 4);
	free(w);
}
END_TEST

#endif

int
main(void)
{
	Suite *s = suite_create("move");
	TCase *t = tcase_create("local");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, moves_mean_what_they_say, 0, MESHES);
#ifdef ON_DEVICE
	if (getenv("FAKE_CUDA_COUNT")) {
		tcase_add_loop_test(t, only_standing_still_is_a_hang, 0, 2);
		tcase_add_loop_test(t, a_gpu_for_every_process, 0, 2);
	}
#else
	tcase_add_test(t, steps_follow_each_other);
	tcase_add_test(t, lanes_do_not_wait_for_each_other);
	tcase_add_test(t, orders_of_axes_share_a_channel);
	tcase_add_test(t, bytes_are_those_of_the_formulas);
#endif
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
