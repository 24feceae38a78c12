/*
 * The models of the tree compile to verified modules in stage a, and have as
 * many parameters as the public ones they describe.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "tests/lt/load.h"

struct model {
	const char *path;
	uint64_t parameters; /* 0: nobody has counted */
};

/* Published counts; the headers of the files add them up. */
static const struct model models[] = {
	{"examples/quickstart.lt", 1722048},
	{"examples/gpt2.lt", 124439808},
	{"examples/llama2-7b.lt", 6738415616},
	{"examples/llama3-70b.lt", 70553706496},
	{"examples/llama3-8b.lt", 8030261248},
	{"examples/mistral-7b.lt", 7241732096},
	{"examples/qwen3-8b.lt", 8190735360},
	{"bench/models/gpt2_b1_t1024.lt", 124439808},
	{"bench/models/gpt2_b4_t64.lt", 124439808},
	{"bench/models/llama_t4096.lt", 56369664},
	{"bench/models/llama_t512.lt", 56369664},
	{"tests/golden/docs.lt", 0},
	{"tests/golden/gpt2.lt", 0},
	{"tests/golden/llama.lt", 0},
	{"tests/golden/mistral.lt", 0},
	{"tests/golden/mix.lt", 0},
	{"tests/golden/qwen3.lt", 0},
};

static uint64_t
count_parameters(const struct module *m)
{
	uint64_t n = 0;

	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];
		uint64_t layers = b->stack ? module_dim(m, b->stack)->size : 1;

		for (int j = 0; j < b->nfield; j++)
			n += type_global_count(m, b->field[j].type) * layers;
	}
	return n;
}

START_TEST(compiles)
{
	const struct model *x = &models[_i];
	struct load l;
	struct module *m = load_file(&l, x->path, NULL);

	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(module_verify(m), 0);
	ck_assert_int_eq(m->stage, 'a');
	ck_assert_ptr_null(m->after);
	ck_assert_ptr_nonnull(module_func(m, "model"));
	if (x->parameters)
		ck_assert_uint_eq(count_parameters(m), x->parameters);
	load_free(&l);
}
END_TEST

/* What is printed reads back, and prints the same. */
START_TEST(round_trip)
{
	struct load l, again;
	struct module *m = load_file(&l, models[_i].path, NULL), *back;
	char *text = module_string(m), *twice;
	struct source src = {"dump", text, (uint32_t)strlen(text)};

	again.mem = (struct arena){0};
	again.d = (struct diag){.src = &src, .out = stderr};
	back = module_read(&again.mem, &again.d);
	ck_assert_ptr_nonnull(back);
	ck_assert_int_eq(module_verify(back), 0);
	twice = module_string(back);
	ck_assert_str_eq(text, twice);
	free(text);
	free(twice);
	arena_free(&again.mem);
	load_free(&l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("models");
	TCase *t = tcase_create("models");
	SRunner *r = srunner_create(s);
	int n = (int)COUNT_OF(models), failed;

	tcase_add_loop_test(t, compiles, 0, n);
	tcase_add_loop_test(t, round_trip, 0, n);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
