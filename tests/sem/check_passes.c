/*
 * Every pass keeps what values mean: before == after for every named value
 * that exists in both, on programs that use blocks in every way.
 *
 * Tolerance: simplify and losshead may change the order of sums and where
 * silu rounds, a few units of 2^-53 in each of under 1000 steps on values
 * below 100: 1e-12 absolute plus relative.  All other passes keep every bit.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/replay.h"
#include "passes/recompute.h"
#include "tests/sem/programs.h"
#include "tests/sem/trace.h"
#include "tests/sem/train.h"
#include "tests/suite.h"

static bool
exact(const char *pass)
{
	return strcmp(pass, "simplify") != 0 && strcmp(pass, "losshead") != 0;
}

/* One run of the program as it is after a pass. */
struct stage {
	struct train t;
	struct trace *trace;
	bool stepped; /* there was a step to run, else fn model ran */
};

static void
run_model(struct stage *s, int classes)
{
	struct func *f = module_func(s->t.m, "model");

	for (int i = 0; i < f->nparam; i++) {
		s->t.tokens = type_global_count(s->t.m, f->param[i]->type);
		s->t.arg[i] = NEW_N(&s->t.mem, double, s->t.tokens);
	}
	train_inputs(&s->t, classes);
	ck_assert(interp_run(s->t.in, "model", 0,
	    (const double *const *)s->t.arg, (double *[]){&s->t.loss}));
}

static void
run_stage(struct stage *s, const struct program *p, const char *settings,
    const char *stop)
{
	struct interp_options o = {.seed = 3, .step = 1, .training = true};
	char *text = program_text(&s->t.mem, p, settings);

	s->trace = trace_new(&s->t.mem);
	o.on_value = trace_value;
	o.arg = s->trace;
	ck_assert_msg(train_load_with(&s->t, p->name, text, stop, &o), "%s "
	    "after %s", p->name, stop);
	train_weights(&s->t);
	s->stepped = module_func(s->t.m, "step") != NULL;
	if (s->stepped) {
		train_inputs(&s->t, p->classes);
		ck_assert(train_step(&s->t));
	} else {
		run_model(s, p->classes);
	}
}

static void
same_gradients(struct stage *a, struct stage *b, const char *what)
{
	for (int i = 0; i < a->t.m->nbundle; i++) {
		const struct bundle *w = a->t.m->bundle[i];

		for (int f = 0; f < w->nfield && w->role != ROLE_PARAM; f++) {
			uint64_t n, k;
			double *x = train_field(&a->t, w, f, &n);
			double *y = train_field(&b->t, module_bundle(b->t.m,
			    w->name), f, &k);

			ck_assert_uint_eq(n, k);
			for (uint64_t j = 0; j < n; j++)
				ck_assert_msg(x[j] == y[j], "%s: %s.%s[%d] is "
				    "%.17g, not %.17g", what, w->name,
				    w->field[f].name, (int)j, y[j], x[j]);
		}
	}
}

static const char *const policies[] = {
	"", "set plan.recompute = full\n",
	"set plan.recompute = save(x, attention)\n",
	"set plan.recompute = best\nset plan.memory = 1\n",
};

/* All stages of one program under one recompute policy. */
START_TEST(before_is_after)
{
	const struct program *p = &programs[_i / (int)COUNT_OF(policies)];
	const char *set = policies[_i % (int)COUNT_OF(policies)];
	struct stage s[2] = {0};
	const char *last = "read";

	run_stage(&s[0], p, set, last);
	for (int i = 0; pipeline[i]; i++) {
		const char *name = pipeline[i]->name, *what;
		struct stage *a = &s[i % 2], *b = &s[(i + 1) % 2];
		bool born = !a->stepped;
		struct trace_result r;

		if (strcmp(name, "fit") == 0)
			break; /* 1 byte does not fit, which it says */
		run_stage(b, p, set, name);
		born = born && b->stepped;
		r = trace_compare(a->trace, b->trace, born ? "step" : NULL,
		    "model");
		what = arena_printf(&b->t.mem, "%s: %s after %s", p->name,
		    r.name, name);
		ck_assert_msg(r.shared > 0, "%s", what);
		ck_assert_msg(r.worst <= (exact(name) ? 0 : 1e-12),
		    "%s is off by %g", what, r.worst);
		if (a->stepped)
			same_gradients(a, b, what);
		train_free(&a->t);
		last = name;
	}
	train_free(&s[0].t);
	train_free(&s[1].t);
}
END_TEST

/* ------------------------------------------- one batch or several parts */

static const char *
with_dims(struct arena *mem, const char *text, const char *from,
    const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_msg(at != NULL, "no '%s' in the program", from);
	return arena_printf(mem, "%.*s%s%s", (int)(at - text), text, to,
	    at + strlen(from));
}

static void
load_split(struct train *t, const struct program *p, const char *dims)
{
	const char *text = program_text(&t->mem, p, "set recipe.clip = 1\n");

	ck_assert(train_load(t, p->name, with_dims(&t->mem, text, "b=2",
	    dims), NULL));
	train_weights(t);
	train_inputs(t, p->classes);
}

/* What each field of a role holds, up to the order of sums. */
static void
close_fields(struct train *a, struct train *b, enum bundle_role role)
{
	for (int i = 0; i < a->m->nbundle; i++) {
		const struct bundle *w = a->m->bundle[i];

		for (int f = 0; f < w->nfield && w->role == role; f++) {
			uint64_t n;
			double *x = train_field(a, w, f, &n);
			double *y = train_field(b, module_bundle(b->m,
			    w->name), f, &n);

			for (uint64_t j = 0; j < n; j++)
				ck_assert_msg(fabs(x[j] - y[j]) <= 1e-12 *
				    (1 + fabs(x[j])), "%s.%s[%d]: %.15g and "
				    "%.15g", w->name, w->field[f].name,
				    (int)j, x[j], y[j]);
		}
	}
}

/*
 * Two microbatches of one sequence are one of two.  Dropout is left out: its
 * mask is drawn by microbatch and place in it.  Tolerance: sums of at most 18
 * tokens in another order, as above; the update divides by sqrt(v) + 1e-8 of
 * nearly equal numbers, so only gradients and moments are compared.
 */
START_TEST(microbatches)
{
	const struct program *p = &programs[_i];
	struct train a = {0}, b = {0};

	if (!p->splits)
		return;
	load_split(&a, p, "b=2");
	load_split(&b, p, "b=1 mb=2");
	for (int part = 0; part < 3; part++) {
		/* all labels as they are, none in the second, none at all */
		for (uint64_t i = 0; i < a.tokens && part; i++)
			if (part == 2 || i >= a.tokens / 2)
				a.arg[1][i] = b.arg[1][i] = -100;
		train_weights(&a);
		train_weights(&b);
		ck_assert(train_step(&a) && train_step(&b));
		ck_assert_msg(fabs(a.loss - b.loss) <= 1e-12 &&
		    fabs(a.gnorm - b.gnorm) <= 1e-11, "%s: %.15g %.15g, %.15g "
		    "%.15g", p->name, a.loss, a.gnorm, b.loss, b.gnorm);
		close_fields(&a, &b, ROLE_GRAD);
		if (part < 2 && p->labels)
			ck_assert(a.gnorm > 1e-3);
	}
	if (p->labels)
		ck_assert(a.loss == 0 && a.gnorm == 0);
	train_free(&a);
	train_free(&b);
}
END_TEST

/* -------------------------------------------------------------- recompute */

static int
loads(const struct train *t, const char *twin)
{
	const struct op *load = twin_load(module_func(t->m, twin));

	return load ? load->nout : 0;
}

static bool
loads_value(const struct train *t, const char *twin, const char *name)
{
	const struct op *load = twin_load(module_func(t->m, twin));

	for (int i = 0; load && i < load->nout; i++)
		if (strcmp(load->out[i]->name, name) == 0)
			return true;
	return false;
}

static int
count_ops(const struct train *t, const char *func, enum opcode code)
{
	const struct func *f = module_func(t->m, func);
	int n = 0;

	for (int i = 0; i < f->body.n; i++)
		n += f->body.op[i]->code == code;
	return n;
}

/* The first program is the small Llama. */
static void
load_policy(struct train *t, const char *set, const char *stop)
{
	ck_assert(train_load(t, "llama", program_text(&t->mem, &programs[0],
	    set), stop));
}

START_TEST(policies_keep_what_they_say)
{
	struct train t = {0};

	load_policy(&t, "", "recompute");
	ck_assert_int_eq(loads(&t, "layer.bwd"), 12);
	ck_assert_int_eq(count_ops(&t, "layer.bwd", OP_ATTN), 0);
	train_free(&t);
	load_policy(&t, "set plan.recompute = full\n", "recompute");
	ck_assert_int_eq(loads(&t, "layer.bwd"), 1);
	ck_assert_int_eq(count_ops(&t, "layer.bwd", OP_ATTN), 1);
	train_free(&t);
	load_policy(&t, "set plan.recompute = save(x, attention)\n",
	    "recompute");
	ck_assert_int_eq(loads(&t, "layer.bwd"), 3);
	ck_assert(loads_value(&t, "layer.bwd", "o") &&
	    loads_value(&t, "layer.bwd", "z"));
	ck_assert_int_eq(count_ops(&t, "layer.bwd", OP_ATTN), 0);
	train_free(&t);
	load_policy(&t, "set plan.recompute = save(x, n)\n", "recompute");
	ck_assert(loads_value(&t, "layer.bwd", "n"));
	ck_assert_int_eq(loads(&t, "layer.bwd"), 2);
	train_free(&t);
}
END_TEST

static const char *
complaint(const char *set)
{
	static char said[1024];
	struct train t = {0};
	char *text, *program = program_text(&t.mem, &programs[0], set);
	size_t len;

	t.src = (struct source){"p", program, (uint32_t)strlen(program)};
	t.diag = (struct diag){.src = &t.src,
	    .out = open_memstream(&text, &len)};
	t.m = module_read(&t.mem, &t.diag);
	ck_assert_ptr_nonnull(t.m);
	pipeline_run(pipeline, t.m, &(struct pipeline_options){0});
	fclose(t.diag.out);
	snprintf(said, sizeof said, "%s", text);
	free(text);
	arena_free(&t.mem);
	return said;
}

START_TEST(bad_policies)
{
	static const char *const bad[] = {"some", "save", "save()", "save(x",
	    "save(x,)", "save(x) y", "savex)"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char set[64];

		snprintf(set, sizeof set, "set plan.recompute = \"%s\"\n",
		    bad[i]);
		ck_assert_msg(strstr(complaint(set), "use none, full, best"),
		    "%s: %s", bad[i], complaint(set));
	}
	ck_assert_ptr_nonnull(strstr(
	    complaint("set plan.recompute = save(x, foo)\n"),
	    "no repeated block makes a value called 'foo'"));
	ck_assert_str_eq(complaint("set plan.recompute = save(x, n)\n"), "");
}
END_TEST

static uint64_t
needed(const char *set)
{
	struct train t = {0};
	uint64_t total;

	load_policy(&t, set, "memory");
	total = planned_need(t.m).total;
	train_free(&t);
	return total;
}

static char *
memory_text(struct arena *mem, const char *policy, uint64_t bytes)
{
	return arena_printf(mem, "set plan.recompute = %s\n"
	    "set plan.memory = %llu\n", policy, (unsigned long long)bytes);
}

/* `best` takes what it is given: never more, and everything if it can. */
START_TEST(best_fits)
{
	struct arena mem = {0};
	uint64_t none = needed("");
	uint64_t least = needed(memory_text(&mem, "best", 1));

	ck_assert_uint_lt(least, none);
	ck_assert_uint_eq(needed(memory_text(&mem, "best", none)), none);
	for (uint64_t m = least; m < none; m += (none - least) / 7 + 1) {
		uint64_t n = needed(memory_text(&mem, "best", m));

		ck_assert_msg(n <= m, "%llu bytes of %llu",
		    (unsigned long long)n, (unsigned long long)m);
	}
	arena_free(&mem);
}
END_TEST

/* A policy in words: what t keeps, and one value more. */
static char *
one_more(struct arena *mem, const struct train *t, const char *more)
{
	const struct op *load = twin_load(module_func(t->m, "layer.bwd"));
	char *s = arena_printf(mem, "set plan.recompute = save(x, %s", more);

	for (int i = 0; load && i < load->nout; i++)
		s = arena_printf(mem, "%s, %s", s, load->out[i]->name);
	return arena_printf(mem, "%s)\n", s);
}

/* What `best` drops does not fit: no single value could be kept besides. */
START_TEST(best_is_full)
{
	struct arena mem = {0};
	uint64_t none = needed("");
	uint64_t least = needed(memory_text(&mem, "best", 1));
	struct train all = {0};
	const struct op *load;

	load_policy(&all, "", "recompute");
	load = twin_load(module_func(all.m, "layer.bwd"));
	for (uint64_t m = least; m < none; m += (none - least) / 17 + 1) {
		struct train t = {0};

		load_policy(&t, memory_text(&mem, "best", m), "recompute");
		for (int i = 0; i < load->nout; i++) {
			const char *name = load->out[i]->name;

			if (loads_value(&t, "layer.bwd", name))
				continue;
			ck_assert_msg(needed(one_more(&mem, &t, name)) > m,
			    "%s fits into %llu bytes too", name,
			    (unsigned long long)m);
		}
		train_free(&t);
	}
	train_free(&all);
	arena_free(&mem);
}
END_TEST

static uint64_t
stage_bytes(const struct program *p, const char *set)
{
	struct train t = {0};
	uint64_t total;

	ck_assert(train_load(&t, p->name, program_text(&t.mem, p, set),
	    "memory"));
	total = planned_need(t.m).total;
	train_free(&t);
	return total;
}

/* Whatever is dropped to fit, gradients keep every bit. */
START_TEST(any_budget)
{
	const struct program *p = &programs[_i];
	struct arena mem = {0};
	uint64_t none = stage_bytes(p, "");
	uint64_t least = stage_bytes(p, memory_text(&mem, "best", 1));
	struct stage a = {0};

	run_stage(&a, p, "", "memory");
	for (uint64_t m = least; m < none; m += (none - least) / 9 + 1) {
		char *set = memory_text(&mem, "best", m);
		struct stage b = {0};

		run_stage(&b, p, set, "memory");
		same_gradients(&a, &b, set);
		ck_assert(a.t.loss == b.t.loss);
		train_free(&b.t);
	}
	train_free(&a.t);
	arena_free(&mem);
}
END_TEST

START_TEST(too_much_is_an_error)
{
	struct arena mem = {0};
	uint64_t none = needed("");
	uint64_t some = needed("set plan.recompute = save(x, attention)\n");
	uint64_t io_state = needed(memory_text(&mem, "best", 1)) / 2;

	ck_assert_str_eq(complaint(memory_text(&mem, "none", none)), "");
	ck_assert_ptr_nonnull(strstr(complaint(memory_text(&mem, "none",
	    none - 1)), "fits with recompute = save(x, attention)"));
	ck_assert_ptr_nonnull(strstr(complaint(memory_text(&mem, "none",
	    some - 1)), "the plan needs"));
	ck_assert_ptr_nonnull(strstr(complaint(memory_text(&mem, "best",
	    io_state)), "no recompute policy and no smaller microbatch"));
	ck_assert_ptr_nonnull(strstr(complaint(memory_text(&mem, "full",
	    needed("set plan.recompute = full\n") - 1)),
	    "fits with "));
	arena_free(&mem);
}
END_TEST

/* ------------------------------------------------------------- firstwrite */

/* No field of the small Llama is cleared; all of them if there are parts. */
START_TEST(nothing_to_clear)
{
	struct train t = {0};

	load_policy(&t, "", "firstwrite");
	ck_assert_int_eq(count_ops(&t, "step", OP_ZERO), 0);
	train_free(&t);
	ck_assert(train_load(&t, "llama", with_dims(&t.mem,
	    program_text(&t.mem, &programs[0], ""), "b=2", "b=1 mb=2"),
	    "firstwrite"));
	ck_assert_int_eq(count_ops(&t, "step", OP_ZERO), 1);
	train_free(&t);
}
END_TEST

/* ----------------------------------------------------------------- update */

static bool
by_layer(const struct program *p, struct train *t)
{
	const char *set = "set plan.update = layer\n";

	if (strstr(program_text(&t->mem, p, ""), "mb="))
		return false;
	return train_load(t, p->name, program_text(&t->mem, p, set), NULL);
}

/*
 * Three steps: the same parameters and moments to the last bit.  The norm is
 * a sum of squares in another order: below 1e4 summands, 2^-53 each.
 */
START_TEST(layers_alone)
{
	struct train a = {0}, b = {0};
	const struct program *p = &programs[0];

	ck_assert(by_layer(p, &b));
	ck_assert(train_load(&a, p->name, program_text(&a.mem, p, ""), NULL));
	train_weights(&a);
	train_weights(&b);
	train_inputs(&a, p->classes);
	train_inputs(&b, p->classes);
	for (int i = 0; i < 3; i++) {
		ck_assert(train_step(&a) && train_step(&b));
		ck_assert(a.loss == b.loss);
		ck_assert_msg(fabs(a.gnorm - b.gnorm) <= 1e-12 * a.gnorm,
		    "norm %.17g, not %.17g", b.gnorm, a.gnorm);
	}
	for (int i = 0; i < a.m->nbundle; i++) {
		const struct bundle *w = a.m->bundle[i];

		for (int f = 0; f < w->nfield; f++) {
			uint64_t n;
			double *x = train_field(&a, w, f, &n);
			double *y = train_field(&b, module_bundle(b.m,
			    w->name), f, &n);

			ck_assert_mem_eq(x, y, n * sizeof *x);
		}
	}
	train_free(&a);
	train_free(&b);
}
END_TEST

/* Its gradients have the place of one layer, and of no layer once the loop
 * reads them all. */
START_TEST(one_place_for_layers)
{
	struct train t = {0};
	const struct slot *s;
	const struct bundle *g = NULL;

	ck_assert(by_layer(&programs[0], &t));
	for (int i = 0; i < t.m->nbundle; i++)
		if (t.m->bundle[i]->role == ROLE_GRAD && t.m->bundle[i]->stack)
			g = t.m->bundle[i];
	ck_assert_ptr_nonnull(g);
	ck_assert_uint_gt(module_dim(t.m, g->stack)->size, 1);
	for (int f = 0; f < g->nfield; f++) {
		s = bundle_slot(t.m, g, f, "");
		ck_assert_uint_eq(s->count, 1);
	}
	train_free(&t);
}
END_TEST

/* The replay sees a layer read whose place another one has. */
START_TEST(other_layer_is_seen)
{
	struct train t = {0};
	struct func *step;
	char *text = NULL;
	size_t size;

	ck_assert(by_layer(&programs[0], &t));
	ck_assert_int_eq(replay_check(t.m), 0);
	step = module_func(t.m, "step");
	for (int i = 0; i < step->body.n; i++)
		for (int j = 0; j < step->body.op[i]->body.n; j++) {
			struct op *op = step->body.op[i]->body.op[j];

			if (op->code == OP_SUMSQ)
				op->in[0].index = affine_const(0);
		}
	t.m->diag->out = open_memstream(&text, &size);
	ck_assert_int_ne(replay_check(t.m), 0);
	fclose(t.m->diag->out);
	ck_assert_ptr_nonnull(strstr(text, "in whose place is layer"));
	free(text);
	train_free(&t);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("passes");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, before_is_after, 0,
	    nprogram * (int)COUNT_OF(policies));
	tcase_add_loop_test(t, microbatches, 0, nprogram);
	tcase_add_test(t, policies_keep_what_they_say);
	tcase_add_test(t, bad_policies);
	tcase_add_test(t, best_fits);
	tcase_add_test(t, best_is_full);
	tcase_add_loop_test(t, any_budget, 0, nprogram);
	tcase_add_test(t, too_much_is_an_error);
	tcase_add_test(t, nothing_to_clear);
	tcase_add_test(t, layers_alone);
	tcase_add_test(t, one_place_for_layers);
	tcase_add_test(t, other_layer_is_seen);
	return suite_run("passes", t);
}
