/* What all ranks do together, and what happens when one does not. */
#include "config.h"

#include <stdio.h>
#include <time.h>

#include "tests/comm/ranks.h"

static const int eight[] = {2, 4};

static void
must(struct rank *r, bool ok, const char *what)
{
	if (!ok)
		lt_comm_fail(r->rt.comm, 99, "%s", what);
}

/* Different on every rank and at every place. */
static void
fill(unsigned char *x, int rank, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (unsigned char)(i * 7 + (size_t)rank * 31 + i / 251);
}

static bool
holds(const unsigned char *x, int rank, size_t n)
{
	unsigned char want[3000];

	fill(want, rank, n);
	return memcmp(x, want, n) == 0;
}

static void
together(struct rank *r, void *arg)
{
	static const size_t sizes[] = {0, 1, 3, 4, 5, 64, 256, 257, 1023, 3000};
	unsigned char mine[3000], got[3000], all[8 * 3000];
	struct lt *rt = &r->rt;

	(void)arg;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		size_t n = sizes[k];
		int from = (int)k % rt->ranks, to = (int)(k * 3) % rt->ranks;

		fill(mine, rt->rank, n);
		memset(got, 0xee, sizeof got);
		lt_world_copy(rt, from, to, mine, got, n);
		must(r, rt->rank != to || from == to || holds(got, from, n),
		    "copy");
		memcpy(got, mine, n);
		lt_world_broadcast(rt, got, n);
		must(r, holds(got, 0, n), "broadcast");
		lt_world_gather(rt, mine, n, rt->rank ? NULL : all);
		for (int i = 0; rt->rank == 0 && i < rt->ranks; i++)
			must(r, holds(all + (size_t)i * n, i, n), "gather");
		must(r, lt_world_agree(rt, rt->rank == (int)k ? 100 + (int)k :
		    -rt->rank) == (k < 8 ? 100 + (int64_t)k : 0), "agree");
	}
}

START_TEST(bytes_travel)
{
	struct ranks *w = malloc(sizeof *w);

	ranks_mesh(w, 2, eight);
	ranks_run(w, together, NULL);
	ranks_ended(w);
	free(w);
}
END_TEST

/* Nobody leaves the barrier before all have come. */
static _Atomic int came;

static void
meet(struct rank *r, void *arg)
{
	struct timespec t = {0, 1000000 * (long)(r->rt.rank % 3)};

	(void)arg;
	for (int i = 1; i <= 20; i++) {
		nanosleep(&t, NULL);
		came++;
		lt_world_barrier(&r->rt);
		must(r, came >= i * r->rt.ranks, "barrier");
	}
}

START_TEST(barrier_waits_for_all)
{
	struct ranks *w = malloc(sizeof *w);

	came = 0;
	ranks_mesh(w, 2, eight);
	ranks_run(w, meet, NULL);
	ranks_ended(w);
	free(w);
}
END_TEST

/* ---- failing ---- */

static char said[8192];

static void
listen(void)
{
	ck_assert_ptr_nonnull(freopen("check_world.err", "w", stderr));
}

static void
heard(const char *text)
{
	FILE *f = fopen("check_world.err", "r");
	size_t n = f ? fread(said, 1, sizeof said - 1, f) : 0;

	said[n] = '\0';
	if (f)
		fclose(f);
	remove("check_world.err");
	ck_assert_msg(strstr(said, text) != NULL, "\"%s\" lacks \"%s\"", said,
	    text);
	ck_assert_msg(strchr(said, '\n') == said + strlen(said) - 1,
	    "one message, not \"%s\"", said);
}

static const struct lt_move weights = {.name = "layer.wq",
    .kind = LT_GATHER, .type = LT_F32, .n = 1, .hop = {{1, 0, -1, 0}},
    .rank = 1};

/* Ranks 5 and 6 stay away from the gather of their row. */
static void
stay_away(struct rank *r, void *arg)
{
	float in[200] = {0}, out[800];
	struct lt_pair pair = {out, in, 200};

	(void)arg;
	if (r->rt.rank == 5 || r->rt.rank == 6)
		return;
	lt_finish(&r->rt, lt_start(&r->rt, &weights, 1, &pair));
	lt_world_barrier(&r->rt);
}

START_TEST(missing_ranks_are_named)
{
	struct ranks *w = malloc(sizeof *w);
	int ended = 0;

	listen();
	ranks_mesh(w, 2, eight);
	w->timeout = 2;
	ranks_run(w, stay_away, NULL);
	for (int i = 0; i < w->n; i++)
		if (w->rank[i].escaped == 0)
			ended++;
		else
			ck_assert_int_eq(w->rank[i].escaped, LT_EXIT_COMM);
	ck_assert_int_eq(ended, 2);
	heard("for 2 s, and ranks 5, 6 wait for nobody; ");
	ck_assert(strstr(said, "layer.wq on co: nothing came from ranks 5, 6 "
	    "for") || strstr(said, "agreement on dp,co: nothing came from "
	    "ranks 4, 5, 6, 7 for"));
	free(w);
}
END_TEST

static void
fail_alone(struct rank *r, void *arg)
{
	(void)arg;
	if (r->rt.rank == 3)
		lt_comm_fail(r->rt.comm, LT_EXIT_DATA, "bad token");
	for (;;)
		lt_world_barrier(&r->rt);
}

START_TEST(a_failure_stops_everybody)
{
	struct ranks *w = malloc(sizeof *w);

	listen();
	ranks_mesh(w, 2, eight);
	ranks_run(w, fail_alone, NULL);
	for (int i = 0; i < w->n; i++)
		ck_assert_int_eq(w->rank[i].escaped, LT_EXIT_DATA);
	heard("error: rank 3: bad token\n");
	free(w);
}
END_TEST

static void
disagree(struct rank *r, void *arg)
{
	struct lt_move other = weights;
	float in[200] = {0}, out[800];
	struct lt_pair pair = {out, in, 200};

	(void)arg;
	other.name = "layer.wk";
	lt_finish(&r->rt, lt_start(&r->rt, r->rt.rank == 2 ? &other :
	    &weights, 1, &pair));
	lt_world_barrier(&r->rt);
}

START_TEST(ranks_at_different_places_are_noticed)
{
	struct ranks *w = malloc(sizeof *w);

	listen();
	ranks_mesh(w, 2, eight);
	ranks_run(w, disagree, NULL);
	for (int i = 0; i < w->n; i++)
		ck_assert_int_eq(w->rank[i].escaped, LT_EXIT_INTERNAL);
	heard("where rank");
	ck_assert(strstr(said, "layer.wq") && strstr(said, "layer.wk"));
	free(w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("world");
	TCase *t = tcase_create("local");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, bytes_travel);
	tcase_add_test(t, barrier_waits_for_all);
	tcase_add_test(t, missing_ranks_are_named);
	tcase_add_test(t, a_failure_stops_everybody);
	tcase_add_test(t, ranks_at_different_places_are_noticed);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
