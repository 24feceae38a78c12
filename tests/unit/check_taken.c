/* Which bytes are taken when: against a plain search, and how long it takes. */
#include "config.h"

#include <check.h>

#include "passes/taken.h"
#include "tests/suite.h"

enum { MANY = 400 };

struct box {
	int from, to;
	uint64_t lo, hi;
};

/* As taken.h says it: past whatever is in the way, until nothing is. */
static uint64_t
lowest(const struct box *box, int n, const struct box *x, uint64_t need)
{
	uint64_t at = 0;

	for (int i = 0; i < n; i++)
		if (box[i].from <= x->to && x->from <= box[i].to &&
		    at < box[i].hi && box[i].lo < at + need) {
			at = box[i].hi;
			i = -1;
		}
	return at;
}

static int
below(uint64_t *state, int n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (int)((*state >> 33) % (uint64_t)n);
}

/* Short and long times, sizes of a few kinds, some at once and some stacked. */
START_TEST(as_a_plain_search)
{
	struct arena mem = {0};
	struct box box[MANY];
	uint64_t state = (uint64_t)_i;
	int ticks = 1 + below(&state, 100);
	struct taken *t = taken_new(&mem, ticks);

	for (int i = 0; i < MANY; i++) {
		struct box *x = &box[i];
		uint64_t need = 64 * (uint64_t)(1 + below(&state, 5));

		x->from = below(&state, ticks);
		x->to = x->from + below(&state, ticks - x->from);
		x->lo = lowest(box, i, x, need);
		x->hi = x->lo + need;
		ck_assert_uint_eq(taken_lowest(t, x->from, x->to, need),
		    x->lo);
		taken_add(t, x->from, x->to, x->lo, x->hi);
	}
	arena_free(&mem);
}
END_TEST

/* n layers, each saving a value for backward, as unrolled layers do. */
static uint64_t
steps_of(int n)
{
	struct arena mem = {0};
	struct taken *t = taken_new(&mem, 2 * n);
	uint64_t steps;

	for (int i = 0; i < n; i++) {
		uint64_t at = taken_lowest(t, i, 2 * n - 1 - i, 64);

		ck_assert_uint_eq(at, 64 * (uint64_t)i);
		taken_add(t, i, 2 * n - 1 - i, at, at + 64);
	}
	steps = taken_steps(t);
	arena_free(&mem);
	return steps;
}

/* Four times as many take eight times as long at most: n log n. */
START_TEST(no_square)
{
	ck_assert_uint_le(steps_of(8192), 8 * steps_of(2048));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("taken");

	tcase_add_loop_test(t, as_a_plain_search, 0, 50);
	tcase_add_test(t, no_square);
	return suite_run("taken", t);
}
