/*
 * Passes take time in proportion to the model, counted in basic blocks that
 * run and not in seconds: the passes below are compiled once more, with a
 * call of the counter in each (steps.c).  All layers are unrolled, so that
 * ops, values and bundles are as many as layers.
 */
#include "config.h"

#include <check.h>
#include <string.h>

#include "driver/load.h"
#include "ir/printer.h"
#include "passes/pass.h"
#include "support/buf.h"
#include "tests/linear/steps.h"
#include "tests/suite.h"

enum { FEW = 20, TIMES = 4 };

static const char *const passes[] = {"simplify", "zero", "schedule"};

struct count {
	uint64_t before;
	uint64_t of[sizeof passes / sizeof passes[0]]; /* steps, by pass */
	uint64_t print;
};

static const char head[] =
    "dim b, s;\n"
    "model m(tok[b s], lab[b s]) {\n"
    "  dim e = 64, f = 128, k = 4, g = 1, d = 16, v = 256;\n"
    "  block layer(x[b s e]) {\n"
    "    param n1 : e ~ ones();\n"
    "    param wq : e -> k g d, wk : e -> k d, wv : e -> k d, wo : k g d -> e,\n"
    "          w1 : e -> f, w3 : e -> f, w2 : f -> e ~ normal(0.02);\n"
    "    n = rmsnorm(x, n1);\n"
    "    x = x + wo(attention(wq(n), wk(n), wv(n), mask = causal));\n"
    "    return x + w2(silu(w1(x)) * w3(x));\n"
    "  }\n"
    "  param emb : v -> e, head : e -> v ~ normal(0.02);\n"
    "  x = emb[tok];\n";
static const char tail[] =
    "  return xent(head(x), lab, ignore = -100);\n"
    "}\n"
    "recipe r {\n"
    "  s = 64; batch = 256;\n"
    "  data { train = tokens(\"t.bin\"); val = tokens(\"v.bin\"); }\n"
    "  optimizer = adamw(lr = 1e-3, beta1 = 0.9, beta2 = 0.95, wd = 0.1);\n"
    "  clip = 1.0; seed = 1;\n"
    "  precision { compute = bf16; master = f32; reduce = f32; }\n"
    "}\n"
    "plan p {\n"
    "  nodes = 1; gpus = 4; micro = 1; recompute = none;\n"
    "  mesh { hp = 2; cp = 2; }\n"
    "  zero { shard = over(cp, hp); stage = 3; }\n"
    "}\n"
    "plan alone { nodes = 1; gpus = 1; micro = 1; recompute = none; }\n";

/* Verifying between passes counts for none. */
static void
on_pass(struct module *m, const char *after, void *arg)
{
	struct count *c = arg;
	uint64_t now = steps();

	(void)m;
	for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++)
		if (strcmp(after, passes[i]) == 0)
			c->of[i] = now - c->before;
	c->before = steps();
}

static void
count(int layers, const char *plan, struct count *c)
{
	struct arena mem = {0};
	struct buf text = {0}, dump = {0};
	struct source src = {.name = "unrolled.lt"};
	struct diag d = {.src = &src, .out = stderr};
	struct options o = {.file = "unrolled.lt", .plan = plan};
	struct pipeline_options po = {.watch = on_pass, .arg = c};
	struct module *m;

	buf_puts(&text, head);
	for (int i = 0; i < layers; i++)
		buf_puts(&text, "  x = layer(x);\n");
	buf_puts(&text, tail);
	src.text = buf_text(&text);
	src.len = (uint32_t)text.len;
	m = load_module(&mem, &d, &o);
	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(pipeline_run(pipeline, m, &po), PIPELINE_OK);
	c->before = steps();
	print_memory(&dump, m);
	c->print = steps() - c->before;
	buf_free(&dump);
	buf_free(&text);
	arena_free(&mem);
}

/* n log n at most: a fourth more than in proportion. */
START_TEST(in_proportion)
{
	struct count few = {0}, many = {0};

	count(FEW, "p", &few);
	count(FEW * TIMES, "p", &many);
	ck_assert_uint_gt(few.of[_i], 0);
	ck_assert_msg(4 * many.of[_i] <= 5 * TIMES * few.of[_i],
	    "%s takes %llu steps for %d layers, %llu for %d", passes[_i],
	    (unsigned long long)few.of[_i], FEW,
	    (unsigned long long)many.of[_i], FEW * TIMES);
}
END_TEST

/* Where slots are is a table above the functions of a dump: the fields of
 * a large bundle are one entry of it, or one each. */
START_TEST(printed_in_proportion)
{
	struct count few = {0}, many = {0};

	count(FEW, "alone", &few);
	count(FEW * TIMES, "alone", &many);
	ck_assert_uint_gt(few.print, 0);
	ck_assert_msg(4 * many.print <= 5 * TIMES * few.print,
	    "printing takes %llu steps for %d layers, %llu for %d",
	    (unsigned long long)few.print, FEW,
	    (unsigned long long)many.print, FEW * TIMES);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("linear");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, in_proportion, 0,
	    (int)(sizeof passes / sizeof passes[0]));
	tcase_add_test(t, printed_in_proportion);
	return suite_run("linear", t);
}
