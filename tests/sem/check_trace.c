/*
 * Traces of communication: what all ranks post alike fits, on every mesh, and
 * whatever one rank posts otherwise is found and named.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/trace.h"
#include "tests/sem/ringtext.h"

static struct arena mem;
static struct source src;
static struct diag diag;
static char *said;
static size_t said_len;

/* One shift of two arrays, one sum, one gather; shifts on a lane. */
static const char small[] = "module t stage c\n%s\ndim b=4 s=24 L=3\n"
    "fn step(x : f32[b,s/co/ci], n : f32[] +(co)) {\n"
    "  y = for l=0..L (a = x) {\n"
    "    ki | b1, b2 = shift a, a by ci+1 : f32[b,s/co/(ci-1)] x2\n"
    "    ko | c1 = shift a by co+1 when l+1<L : f32[b,s/(co-1)/ci]\n"
    "    yield a\n  }\n"
    "  sc | m = allreduce n on co : f32[]\n"
    "  g = gather x on co,ci : f32[b,s]\n"
    "  return m\n}\n";

static struct module *
load(const char *text, const char *mesh)
{
	struct module *m;
	char *t = arena_printf(&mem, text, mesh, "", "full", "", "full");

	src = (struct source){"test", t, (uint32_t)strlen(t)};
	if (diag.out)
		fclose(diag.out);
	free(said);
	diag = (struct diag){.src = &src,
	    .out = open_memstream(&said, &said_len)};
	m = module_read(&mem, &diag);
	if (!m || module_verify(m) != 0) {
		fflush(diag.out);
		ck_abort_msg("%s", said);
	}
	return m;
}

/* A trace of its own for every rank. */
static struct trace **
copies(struct module *m, const char *entry)
{
	const struct trace *t = trace_make(m, module_func(m, entry));
	struct trace **rank = NEW_N(&mem, struct trace *, mesh_ranks(m));

	for (uint32_t i = 0; i < mesh_ranks(m); i++)
		rank[i] = trace_copy(m, t);
	return rank;
}

static bool
fits(struct module *m, struct trace **rank)
{
	struct trace_sum sum;
	bool ok = trace_check(m, (const struct trace *const *)rank, &sum);

	fflush(diag.out);
	return ok;
}

static void
swap(struct trace *t, int i, int j)
{
	struct trace_op x = t->op[i];

	t->op[i] = t->op[j];
	t->op[j] = x;
}

static void
drop(struct trace *t, int i)
{
	memmove(&t->op[i], &t->op[i + 1],
	    (size_t)(t->n - i - 1) * sizeof *t->op);
	t->n--;
}

/* What one rank posts: two arrays and, but for the last trip, one; sums. */
START_TEST(rolled_out)
{
	struct module *m = load(small, "mesh co=2 ci=3");
	struct trace *t = trace_make(m, module_func(m, "step"));

	ck_assert_int_eq(t->n, 3 * 2 + 2 + 2);
	ck_assert_int_eq(t->op[0].kind, OP_SHIFT);
	ck_assert_int_eq(t->op[0].lane, LANE_KI);
	ck_assert_int_eq(t->op[0].part, 0);
	ck_assert_int_eq(t->op[1].part, 1);
	ck_assert_uint_eq(t->op[0].count, 4 * 24 / 6);
	ck_assert_int_eq(t->op[2].lane, LANE_KO);
	ck_assert_int_eq(t->op[2].group, 1);
	ck_assert_int_eq(t->op[3].iter[0], 1);
	ck_assert_int_eq(t->op[7].lane, LANE_KI);
	ck_assert_int_eq(t->op[8].kind, OP_ALLREDUCE);
	ck_assert_uint_eq(t->op[8].count, 1);
	ck_assert_uint_eq(t->op[9].count, 4 * 24 / 6);
	ck_assert_int_eq(t->op[9].group, 3);
}
END_TEST

/* One trace for all or one each: the same verdict, the same count. */
START_TEST(alike)
{
	static const char *const mesh[] = {"mesh co=2 ci=3", "mesh co=3 ci=2",
	    "mesh co=4 ci=3"};
	struct trace_sum one, many;

	for (int i = 0; i < 3; i++) {
		struct module *m = load(small, mesh[i]);
		struct trace **rank = copies(m, "step");

		ck_assert(trace_check_module(m, &one));
		ck_assert(trace_check(m, (const struct trace *const *)rank,
		    &many));
		ck_assert_uint_eq(one.transfers, many.transfers);
		ck_assert_int_eq(one.communicators, 4);
		ck_assert_int_eq(many.communicators, 4);
		ck_assert_int_eq(one.traces, 1);
		ck_assert_uint_eq((unsigned)many.traces, mesh_ranks(m));
	}
}
END_TEST

START_TEST(double_ring)
{
	struct module *m = load(attn_ring, "mesh dp=2 co=3 ci=3 hk=2 hr=1");
	struct trace **rank = copies(m, "f");

	ck_assert(fits(m, rank));
}
END_TEST

START_TEST(many_ranks)
{
	struct module *m = load(small, "mesh dp=16 hp=16 co=2 ci=2");
	struct trace_sum sum;

	ck_assert(trace_check_module(m, &sum));
	ck_assert(fits(m, copies(m, "step")));
}
END_TEST

/* Every transfer of one rank left out: somebody waits for it. */
START_TEST(one_less)
{
	struct module *m = load(small, "mesh co=2 ci=3");
	int n = copies(m, "step")[0]->n;

	for (int i = 0; i < n; i++) {
		struct trace **rank = copies(m, "step");

		drop(rank[4], i);
		ck_assert(!fits(m, rank));
	}
	ck_assert_ptr_nonnull(strstr(said, "rank 4 (co=1 ci=1)"));
	ck_assert_ptr_nonnull(strstr(said, "never joined by"));
}
END_TEST

/* Two transfers of one communicator in the other order, sizes equal or not. */
START_TEST(same_lane_swapped)
{
	struct module *m = load(small, "mesh co=2 ci=3");
	struct trace **rank = copies(m, "step");
	int made = 0;

	for (int i = 0; i < rank[0]->n; i++)
		for (int j = i + 1; j < rank[0]->n; j++)
			if (rank[0]->op[i].lane == rank[0]->op[j].lane &&
			    rank[0]->op[i].group == rank[0]->op[j].group) {
				struct trace **r = copies(m, "step");

				swap(r[3], i, j);
				ck_assert(!fits(m, r));
				made++;
			}
	ck_assert_int_eq(made, 15 + 1);
}
END_TEST

/*
 * Two neighbours of different communicators in the other order on rank 0: a
 * deadlock if and only if the two groups of rank 0 have another rank in
 * common, which then waits in the first for rank 0, and rank 0 in the second
 * for it.  On this mesh groups over co and over ci meet in rank 0 alone; but
 * the others of its groups meet elsewhere, and go on: harmless.
 */
START_TEST(lanes_swapped)
{
	struct module *m = load(small, "mesh co=2 ci=3");
	struct trace **rank = copies(m, "step");
	int n = rank[0]->n;

	swap(rank[0], n - 2, n - 1); /* sum over co, gather over both */
	ck_assert(!fits(m, rank));
	ck_assert_ptr_nonnull(strstr(said, "deadlock"));
	ck_assert_ptr_nonnull(strstr(said, "rank 0 (co=0 ci=0) in gather of 16 "
	    "f32 (fn step) on lane c over co,ci waits for rank 3"));
	ck_assert_ptr_nonnull(strstr(said, "rank 3 (co=1 ci=0) in allreduce of "
	    "1 f32 (fn step) on lane sc over co waits for rank 0"));
	rank = copies(m, "step");
	swap(rank[0], 1, 2); /* shift along ci, shift along co */
	ck_assert(fits(m, rank));
}
END_TEST

/* A cycle of four ranks, each in another's way. */
START_TEST(cycle)
{
	struct module *m = load(small, "mesh co=2 ci=2");
	struct trace_op a = {.kind = OP_ALLREDUCE, .group = 1, .count = 1,
	    .dtype = DT_F32};
	struct trace_op b = a;
	struct trace **rank = NEW_N(&mem, struct trace *, 4);

	b.group = 2;
	for (int i = 0; i < 4; i++) {
		rank[i] = NEW(&mem, struct trace);
		rank[i]->n = 2;
		rank[i]->op = NEW_N(&mem, struct trace_op, 2);
		rank[i]->op[0] = i == 0 || i == 3 ? a : b;
		rank[i]->op[1] = i == 0 || i == 3 ? b : a;
	}
	ck_assert(!fits(m, rank));
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(strstr(said,
		    arena_printf(&mem, "rank %d (", i)));
}
END_TEST

struct wrong {
	const char *what;
	void (*make)(struct trace_op *t);
};

static void
wrong_count(struct trace_op *t)
{
	t->count++;
}

static void
wrong_dtype(struct trace_op *t)
{
	t->dtype = DT_BF16;
}

static void
wrong_kind(struct trace_op *t)
{
	t->kind = OP_A2A;
}

static void
wrong_lane(struct trace_op *t)
{
	t->lane = LANE_DO;
}

static void
wrong_group(struct trace_op *t)
{
	t->group ^= 3;
}

static void
wrong_trip(struct trace_op *t)
{
	t->iter[0]++;
}

static void
wrong_way(struct trace_op *t)
{
	t->by[1] = (int8_t)-t->by[1];
}

static const struct wrong wrongs[] = {{"count", wrong_count},
    {"dtype", wrong_dtype}, {"kind", wrong_kind}, {"lane", wrong_lane},
    {"group", wrong_group}, {"trip", wrong_trip}, {"way", wrong_way}};

/* One transfer of one rank is another, on each rank in turn. */
START_TEST(one_wrong)
{
	struct module *m = load(small, "mesh co=2 ci=3");

	for (uint32_t r = 0; r < 6; r++) {
		struct trace **rank = copies(m, "step");

		wrongs[_i].make(&rank[r]->op[3]);
		ck_assert_msg(!fits(m, rank), "%s on rank %u",
		    wrongs[_i].what, r);
	}
}
END_TEST

/* In a ring of two both neighbours are one rank: either way is right. */
START_TEST(ring_of_two)
{
	struct module *m = load(small, "mesh co=2 ci=2");
	struct trace **rank = copies(m, "step");

	wrong_way(&rank[1]->op[3]);
	ck_assert(fits(m, rank));
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("trace");
	TCase *t = tcase_create("all");

	tcase_add_test(t, rolled_out);
	tcase_add_test(t, alike);
	tcase_add_test(t, double_ring);
	tcase_add_test(t, many_ranks);
	tcase_add_test(t, one_less);
	tcase_add_test(t, same_lane_swapped);
	tcase_add_test(t, lanes_swapped);
	tcase_add_test(t, cycle);
	tcase_add_loop_test(t, one_wrong, 0,
	    (int)(sizeof wrongs / sizeof *wrongs));
	tcase_add_test(t, ring_of_two);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	if (diag.out)
		fclose(diag.out);
	free(said);
	arena_free(&mem);
	return failed != 0;
}
