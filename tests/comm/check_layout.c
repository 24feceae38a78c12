/* Layouts at run time hold what the compiler's types hold. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "runtime/loong_rt.h"

static struct arena mem;

static uint64_t
roll(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (*state >> 33) % n;
}

static struct module *
read_mesh(void)
{
	static const char text[] = "module m stage b\n"
	    "mesh dp=2 co=2 ci=3 hk=2 hr=4\ndim s=192\n"
	    "fn f(x : f32[s]) {\n}\n";
	static struct source src;
	static struct diag diag;

	src = (struct source){"m.lir", text, (uint32_t)strlen(text)};
	diag = (struct diag){.src = &src, .out = stderr};
	return module_read(&mem, &diag);
}

/* The same random shards, axes and skews in both forms.  Pieces need not be
 * equal for the comparison to hold, but types of programs have equal ones:
 * 192 is divided by twice any product of distinct axes. */
static void
choose(uint64_t *random, const struct module *m, struct dim *d,
    struct lt_layout *l, int64_t skew[])
{
	int left[5] = {0, 1, 2, 3, 4}, nleft = 5, at = 0;
	uint64_t size;

	d->n = l->n = (uint8_t)roll(random, MAX_SHARDS + 1);
	for (int i = 0; i < d->n; i++) {
		struct shard *s = &d->s[i];

		*s = (struct shard){.kind = i == 0 && roll(random, 2) ?
		    SHARD_ZIGZAG : SHARD_BLOCK};
		s->n = (uint8_t)(1 + roll(random, nleft > 3 ? 2 : 1));
		l->s[i].kind = s->kind == SHARD_ZIGZAG ? LT_ZIGZAG : LT_BLOCK;
		l->s[i].n = s->n;
		for (int j = 0; j < s->n; j++) {
			int k = (int)roll(random, (uint64_t)nleft);
			int by = (int)roll(random, 15) - 7;

			s->c[j] = (struct coord){.axis = (uint8_t)left[k],
			    .k = (int8_t)by};
			l->s[i].axis[j] = (uint8_t)left[k];
			skew[at++] = by;
			left[k] = left[--nleft];
		}
	}
	size = dim_local_size(m, d);
	if (d->n < MAX_SHARDS && roll(random, 2)) {
		struct shard *s = &d->s[d->n++];

		*s = (struct shard){.kind = SHARD_PART};
		s->from = (uint32_t)roll(random, size);
		s->to = s->from + 1 + (uint32_t)roll(random, size - s->from);
		l->s[l->n].kind = LT_PART;
		l->s[l->n].from = s->from;
		l->s[l->n++].to = s->to;
	}
}

static void
compare(const struct module *m, const struct type *t,
    const struct lt_layout *l, const struct lt *rt, const int64_t *skew)
{
	static const int64_t loop[MAX_LOOPS];
	struct run want[16];
	int n = type_runs(m, t, 0, rt->coord, loop, want, 16);
	struct lt_runs got = lt_runs(rt, l, skew);

	ck_assert_int_eq(n, (int)got.n);
	for (int i = 0; i < n; i++) {
		ck_assert_uint_eq(got.r[i].start, want[i].start);
		ck_assert_uint_eq(got.r[i].len, want[i].len);
	}
}

static void
on_all_ranks(const struct module *m, const struct type *t,
    const struct lt_layout *l, const struct lt_program *p,
    const int64_t *skew)
{
	struct lt rt = {.prog = p};

	for (int rank = 0; rank < 96; rank++) {
		for (int i = 4, x = rank; i >= 0; x /= p->axis_size[i], i--)
			rt.coord[i] = x % p->axis_size[i];
		compare(m, t, l, &rt, skew);
	}
}

START_TEST(runs_are_those_of_the_type)
{
	struct module *m = read_mesh();
	struct lt_program p = {.naxis = 5, .axis_size = {2, 2, 3, 2, 4}};
	uint64_t random = 11;

	ck_assert_ptr_nonnull(m);
	for (int k = 0; k < 300; k++) {
		struct type t = *m->func[0]->param[0]->type;
		struct lt_layout l = {.size = 192};
		int64_t skew[LT_SHARDS_MAX * LT_SHARD_AXES_MAX] = {0};

		choose(&random, m, &t.d[0], &l, skew);
		on_all_ranks(m, &t, &l, &p, skew);
		for (int i = 0; i < t.d[0].n; i++)
			for (int j = 0; j < t.d[0].s[i].n; j++)
				t.d[0].s[i].c[j].k = 0;
		on_all_ranks(m, &t, &l, &p, NULL);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("layout");
	TCase *t = tcase_create("layout");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, runs_are_those_of_the_type);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	arena_free(&mem);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
