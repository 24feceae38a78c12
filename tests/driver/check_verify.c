/*
 * --verify finds what is broken on purpose, and says where.
 *
 * Each case puts a pass that damages a verified program behind one of the
 * pipeline's, or into it.  What comes out still verifies: only values tell.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "driver/input.h"
#include "driver/load.h"
#include "driver/verify.h"
#include "tests/suite.h"

static struct op *
def(struct module *m, const char *func, const char *value)
{
	struct func *f = module_func(m, func);
	struct value *v = f ? func_find(f, module_namez(m, value)) : NULL;

	ck_assert_msg(v && v->def, "no %s in fn %s", value, func);
	return v->def;
}

static struct op *
find(struct module *m, const char *func, enum opcode code)
{
	struct func *f = module_func(m, func);

	for (int i = 0; i < f->body.n; i++)
		if (f->body.op[i]->code == code)
			return f->body.op[i];
	ck_abort_msg("no %s in fn %s", op_info[code].name, func);
}

/* ---- damage ---- */

static int
forward_value(struct module *m)
{
	op_set_real(m, def(m, "layer", "x1"), ATTR_EPS, 0.5);
	return 0;
}

static int
sign_in_backward(struct module *m)
{
	def(m, "layer.bwd", "dx")->code = OP_SUB;
	return 0;
}

/* The gradient of one microbatch instead of the sum of all. */
static int
lost_accumulation(struct module *m)
{
	struct func *f = module_func(m, "layer.bwd");

	for (int i = 0; i < f->body.n; i++)
		if (f->body.op[i]->has_target)
			f->body.op[i]->target_add = false;
	return 0;
}

static int
recomputed_otherwise(struct module *m)
{
	op_set_real(m, def(m, "layer.bwd", "x1"), ATTR_EPS, 0.5);
	return 0;
}

static int
no_decay(struct module *m)
{
	struct bundle *w = module_bundle(m, "W");

	w->field[bundle_field(w, "up")].decay = false;
	return 0;
}

static int
wrong_layer(struct module *m)
{
	find(m, "layer.bwd", OP_PARAMS)->in[0].index = affine_const(0);
	return 0;
}

static int
last_microbatch_left_out(struct module *m)
{
	struct op *loop = def(m, "step", "nlls");

	loop->hi.k--;
	return 0;
}

static int
layers_backwards(struct module *m)
{
	find(m, "model", OP_FOR)->rev = true;
	return 0;
}

static int
another_slope(struct module *m)
{
	def(m, "layer.bwd", "dup")->code = OP_SILU_BWD;
	return 0;
}

static int
two_values_in_one_place(struct module *m)
{
	struct value *a = def(m, "layer.bwd", "da")->out[0];
	struct value *b = def(m, "layer.bwd", "up")->out[0];
	struct slot *from = module_slot(m, a->slot);
	struct slot *to = module_slot(m, b->slot);

	ck_assert(from && to && from != to);
	to->offset = from->offset;
	return 0;
}

/* Done twice, it is undone. */
static int
sign_in_forward(struct module *m)
{
	struct op *op = def(m, "layer", "x2");

	op->code = op->code == OP_ADD ? OP_SUB : OP_ADD;
	return 0;
}

struct damage {
	int (*run)(struct module *m);
	const char *pass; /* behind this one */
	bool inside;	  /* as a part of it */
	bool c;		  /* in the emitted C alone */
	const char *says;
};

static const struct damage damages[] = {
    {forward_value, "simplify", false, false,
	"after pass 'broken', fn layer computes another x1 at l=0"},
    {layers_backwards, "simplify", false, false,
	"after pass 'broken', fn model computes another x"},
    {another_slope, "autodiff", true, false, "the gradient of W.n is wrong"},
    {sign_in_backward, "autodiff", false, false,
	"after pass 'broken', fn layer.bwd computes another dx at l=1"},
    {recomputed_otherwise, "recompute", false, false,
	"after pass 'broken', fn layer.bwd computes another x1 at l=1"},
    {lost_accumulation, "recompute", false, false,
	"after pass 'broken', fn step computes another ss"},
    {no_decay, "firstwrite", false, false,
	"after pass 'broken', layer.up differs after a step"},
    {wrong_layer, "fuse", false, false,
	"after pass 'broken', fn layer.bwd computes another x1 at l=1"},
    {last_microbatch_left_out, "fuse", false, false,
	"after pass 'broken', fn step computes another nlls"},
    {two_values_in_one_place, "memory", false, false,
	"memory plan: fn layer.bwd"},
    {sign_in_forward, "memory", false, true,
	"the emitted C gives another loss"},
};

/* ---- the pipeline with damage ---- */

static const struct damage *now;

static int
run_inside(struct module *m)
{
	int errors = pass_find(pipeline, now->pass)->run(m);

	return errors ? errors : now->run(m);
}

static void
make_list(const struct pass **list, struct pass *broken)
{
	int n = 0;

	for (int i = 0; pipeline[i]; i++) {
		bool here =
		    now && !now->c && strcmp(pipeline[i]->name, now->pass) == 0;

		*broken = here ? *pipeline[i] : *broken;
		if (!here || !now->inside)
			list[n++] = pipeline[i];
		if (!here)
			continue;
		broken->run = now->inside ? run_inside : now->run;
		if (!now->inside) {
			broken->name = "broken";
			broken->leaves = 0;
		}
		list[n++] = broken;
	}
	list[n] = NULL;
}

static void
around_c(struct module *m)
{
	now->run(m);
}

/* Verifies tiny.lt with two microbatches; what was said in *said. */
static bool
verify(char **said, bool c)
{
	static const char *set[] = {"plan.micro=2", "plan.recompute=full"};
	const struct pass *list[64];
	struct pass broken = {0};
	struct arena mem = {0};
	struct options o = {.set = {set, 2}};
	struct input in;
	struct diag d = {0};
	size_t len;
	FILE *out = tmpfile();
	struct verify_options vo = {.out = out,
	    .tokens = 7,
	    .stages = true,
	    .c = c,
	    .around_c = now && now->c ? around_c : NULL};
	struct module *m;
	bool ok;

	ck_assert(out);
	d.out = open_memstream(said, &len);
	o.file = arena_printf(&mem, "%s/tests/driver/tiny.lt",
	    getenv("srcdir") ? getenv("srcdir") : ".");
	ck_assert(input_read(&in, &mem, o.file));
	d.src = &in.src;
	m = load_module(&mem, &d, &o);
	ck_assert(m);
	make_list(list, &broken);
	ok = verify_module(m, list, &vo) == PIPELINE_OK;
	fclose(d.out);
	fclose(out);
	arena_free(&mem);
	return ok;
}

START_TEST(finds_damage)
{
	char *said;
	bool ok;

	now = &damages[_i];
	ok = verify(&said, now->c);
	ck_assert_msg(!ok, "case %d: nothing found", _i);
	ck_assert_msg(strstr(said, now->says),
	    "case %d does not say '%s' "
	    "but: %s",
	    _i, now->says, said);
	free(said);
}
END_TEST

START_TEST(finds_nothing_in_the_pipeline)
{
	char *said;
	bool ok;

	now = NULL;
	ok = verify(&said, true);
	ck_assert_msg(ok, "%s", said);
	free(said);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("verify");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, finds_damage, 0, COUNT_OF(damages));
	tcase_add_test(t, finds_nothing_in_the_pipeline);
	return suite_run("verify", t);
}
