/*
 * Front end and interpreter against PyTorch: the loss of every golden model.
 * The tolerance is derived in tests/golden/README.md.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "ir/interp/interp.h"
#include "tests/golden/golden.h"
#include "tests/lt/load.h"

static const char *const models[] = {
	"docs", "gpt2", "llama", "mistral", "mix", "qwen3",
};

static void
set_weights(const struct module *m, struct interp *in, struct arena *mem)
{
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield; j++) {
			const struct bundle *b = m->bundle[i];
			uint64_t n = interp_count(in, b, j);
			double *w = NEW_N(mem, double, n);
			const char *name = arena_printf(mem, "%s.%s", b->path,
			    b->field[j].name);

			for (uint64_t k = 0; k < n; k++)
				w[k] = golden_weight(name, k);
			interp_set(in, b, j, w);
		}
}

static double *
widen(struct arena *mem, const int32_t *x, size_t n)
{
	double *y = NEW_N(mem, double, n);

	for (size_t i = 0; i < n; i++)
		y[i] = x[i];
	return y;
}

START_TEST(loss)
{
	const char *dir = getenv("srcdir");
	char path[4096];
	struct golden *g;
	struct load l;
	struct module *m;
	struct interp *in;
	int32_t tok[128], lab[128], doc[128];
	double got = 0;
	size_t n;

	snprintf(path, sizeof path, "tests/golden/%s.lt", models[_i]);
	m = load_file(&l, path, NULL);
	ck_assert_ptr_nonnull(m);
	snprintf(path, sizeof path, "%s/tests/golden/%s.golden",
	    dir ? dir : ".", models[_i]);
	g = golden_read(path);
	ck_assert_ptr_nonnull(g);
	n = g->b * g->s;
	ck_assert_uint_eq(module_dim(m, "b")->size, g->b);
	ck_assert_uint_eq(module_dim(m, "s")->size, g->s);
	golden_inputs(g->b, g->s, g->v, tok, lab, doc);
	in = interp_new(m, &(struct interp_options){.step = 1});
	ck_assert_ptr_nonnull(in);
	set_weights(m, in, &l.mem);
	ck_assert(interp_run(in, "model", 0, (const double *[]){
	    widen(&l.mem, tok, n), widen(&l.mem, lab, n),
	    widen(&l.mem, doc, n)}, (double *[]){&got}));
	ck_assert_msg(fabs(got / (double)g->count - g->loss) < 1e-9,
	    "%s: loss %.15g, PyTorch has %.15g", models[_i],
	    got / (double)g->count, g->loss);
	interp_free(in);
	golden_free(g);
	load_free(&l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loss");
	TCase *t = tcase_create("loss");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, loss, 0, (int)COUNT_OF(models));
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
