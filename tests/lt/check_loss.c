/*
 * Front end and interpreter against PyTorch: the loss of every golden model.
 * The tolerance is derived in tests/golden/README.md.
 */
#include "config.h"

#include <math.h>

#include "tests/lt/example.h"
#include "tests/suite.h"

START_TEST(loss)
{
	const char *name = example_name[_i];
	struct example x;
	struct interp *in;
	double got = 0;

	example_open(&x, name, NULL);
	ck_assert_uint_eq(module_dim(x.m, "b")->size, x.g->b);
	ck_assert_uint_eq(module_dim(x.m, "s")->size, x.g->s);
	in = interp_new(x.m, &(struct interp_options){.step = 1});
	ck_assert_ptr_nonnull(in);
	example_weights(x.m, in, &x.l.mem);
	ck_assert(interp_run(in, "model", 0, x.arg, (double *[]){&got}));
	ck_assert_msg(fabs(got / (double)x.g->count - x.g->loss) < 1e-9,
	    "%s: loss %.15g, PyTorch has %.15g", name,
	    got / (double)x.g->count, x.g->loss);
	interp_free(in);
	example_close(&x);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("loss");

	tcase_add_loop_test(t, loss, 0, EXAMPLES);
	return suite_run("loss", t);
}
