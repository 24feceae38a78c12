/*
 * The golden files and the formula they rest on: constants that README.md
 * states, every file readable, and a comparison that sees a swapped axis.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/golden/golden.h"
#include "tests/suite.h"

static const char *const models[] = {
	"gpt2", "llama", "qwen3", "mistral", "docs", "mix",
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

static struct golden *
open_model(const char *name)
{
	const char *dir = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/golden/%s.golden",
	    dir ? dir : ".", name);
	return golden_read(path);
}

/* README.md prints these; == is meant, the formula is exact. */
START_TEST(formula)
{
	ck_assert(golden_weight("layer.attn.wq", 0) == -0.051189064979553223);
	ck_assert(golden_weight("layer.attn.wq", 2) == 0.066002583503723136);
	ck_assert(golden_weight("layer.n1", 0) == 1.1910280227661132);
	ck_assert(golden_weight("layer.n1", 2) == 0.91071972846984861);
	ck_assert(golden_weight("model.emb", 2) == 0.267030394077301);
}
END_TEST

START_TEST(inputs)
{
	static const int32_t t[] = { 10, 2, 12, 8, 0, 6, 2, 6, 9, 16 };
	static const int32_t l[] = { 1, 16, 0, 3, -100, 5, 10, -100, 12, 11 };
	static const int32_t d[] = { 0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6 };
	int32_t tok[65], lab[65], doc[65];

	golden_inputs(5, 13, 17, tok, lab, doc);
	for (int i = 0; i < 10; i++)
		ck_assert(tok[i] == t[i] && lab[i] == l[i]);
	for (int i = 0; i < 13; i++)
		ck_assert_int_eq(doc[i], d[i]);
	ck_assert_int_eq(doc[13], 0);
}
END_TEST

/* The stored count of labels is the formula's: both sides see one batch. */
START_TEST(files)
{
	struct golden *g = open_model(models[_i]);
	int32_t tok[128], lab[128], doc[128];
	long count = 0;

	ck_assert_ptr_nonnull(g);
	ck_assert_uint_le(g->b * g->s, 128);
	golden_inputs(g->b, g->s, g->v, tok, lab, doc);
	for (size_t i = 0; i < g->b * g->s; i++)
		count += lab[i] != GOLDEN_IGNORE;
	ck_assert_int_eq(count, g->count);
	ck_assert(g->loss > 2 && g->loss < 4);
	ck_assert_ptr_nonnull(golden_find(g, "model.emb"));
	ck_assert_ptr_null(golden_find(g, "emb"));
	golden_free(g);
}
END_TEST

START_TEST(distance)
{
	struct golden_grad want = {
		.name = "w", .rank = 2, .shape = { 2, 2 }, .size = 4,
		.count = 1, .index = (size_t[]){ 0 }, .value = (double[]){ 1 },
		.sum = 10, .sumsq = 30,
	};
	double got[] = { 1, 2, 3, 4 }, swapped[] = { 1, 3, 2, 4 };

	want.probe = 0; /* golden_distance tells what it should be, up to sign */
	want.probe = 4 * golden_distance(&want, got, 4);
	if (golden_distance(&want, got, 4) > 1e-15)
		want.probe = -want.probe;
	ck_assert(golden_distance(&want, got, 4) < 1e-15);
	ck_assert(golden_distance(&want, swapped, 4) > 1e-3);
	ck_assert(isinf(golden_distance(&want, got, 3)));
	got[0] = NAN;
	ck_assert(isnan(golden_distance(&want, got, 4)));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("golden");

	tcase_add_test(t, formula);
	tcase_add_test(t, inputs);
	tcase_add_loop_test(t, files, 0, MODELS);
	tcase_add_test(t, distance);
	return suite_run("golden", t);
}
