/*
 * What a program says of itself: FLOPs against formulas by hand, the identity
 * of its model, and C that is the same each time and compiles.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "frontend/frontend.h"
#include "ir/flops.h"
#include "ir/identity.h"
#include "passes/pass.h"
#include "support/buf.h"

static struct arena mem;

static const char *
read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf b = {0};
	const char *text;
	int c;

	ck_assert_msg(f != NULL, "cannot read %s", path);
	while ((c = getc(f)) != EOF)
		buf_putc(&b, (char)c);
	fclose(f);
	text = arena_strndup(&mem, buf_text(&b), b.len);
	buf_free(&b);
	return text;
}

static struct module *
compile_text(const char *name, const char *text, const char *const *set)
{
	struct source *src = NEW(&mem, struct source);
	struct diag *d = NEW(&mem, struct diag);
	struct frontend_options o = {.set = set};
	struct pipeline_options p = {.out = stderr};
	struct module *m;

	while (set && set[o.nset])
		o.nset++;
	*src = (struct source){name, text, (uint32_t)strlen(text)};
	*d = (struct diag){.src = src, .out = stderr};
	m = frontend_compile(&mem, d, &o);
	ck_assert_msg(m != NULL, "%s does not compile", name);
	ck_assert_int_eq(pipeline_run(pipeline, m, &p), PIPELINE_OK);
	return m;
}

static struct module *
compile(const char *file, const char *const *set)
{
	return compile_text(file, read_file(arena_printf(&mem, "%s/%s",
	    TOP_SRCDIR, file)), set);
}

/* ---- FLOPs ---- */

static double
size(const struct module *m, const char *dim)
{
	const struct dimdef *d = module_dim(m,
	    module_namez((struct module *)m, dim));

	return d ? (double)d->size : 1;
}

/*
 * A Llama, per token and layer: products of 2 FLOPs a weight; attention 2
 * products of 2 s d FLOPs a head, half of that under the causal mask.
 */
struct llama {
	double tokens, qkv, out, up, down, attn, head, L;
};

static struct llama
llama_of(const struct module *m)
{
	double e = size(m, "e"), f = size(m, "f"), d = size(m, "d");
	double k = size(m, "k"), g = size(m, "g");

	return (struct llama){
		.tokens = size(m, "mb") * size(m, "b") * size(m, "s"),
		.qkv = 2 * e * (k * g * d + 2 * k * d),
		.out = 2 * e * k * g * d,
		.up = 2 * 2 * e * f,
		.down = 2 * e * f,
		.attn = 4 * size(m, "s") * k * g * d / 2,
		.head = 2 * e * size(m, "v"),
		.L = size(m, "L"),
	};
}

struct policy {
	const char *set;
	bool forward, attention; /* what backward computes again */
};

static const struct policy policies[] = {
	{"plan.recompute=none", false, false},
	{"plan.recompute=save(x, attention)", true, false},
	{"plan.recompute=full", true, true},
};

/* Backward needs no result of the last product of a layer. */
START_TEST(flops_of_llama)
{
	const struct policy *p = &policies[_i];
	struct module *m = compile("tests/golden/llama.lt",
	    (const char *[]){p->set, "plan.micro=1", NULL});
	struct llama l = llama_of(m);
	double model, hardware, again, layer = l.qkv + l.out + l.up + l.down;

	flops_of_step(m, &model, &hardware);
	again = (p->forward ? l.qkv + l.out + l.up : 0) +
	    (p->attention ? l.attn : 0);
	ck_assert_double_eq_tol(model, 3 * l.tokens * (l.L * (layer + l.attn) +
	    l.head), model * 1e-12);
	ck_assert_double_eq_tol(hardware, l.tokens * (l.L * (3 * layer +
	    3.5 * l.attn + again) + 3 * l.head), hardware * 1e-12);
}
END_TEST

/* Position i sees min(i + 1, w) keys, without the half of the diagonal that
 * causal masks do not count either: w - w (w - 1) / 2s on average. */
START_TEST(flops_of_window)
{
	struct module *m = compile("tests/golden/mistral.lt", NULL);
	struct llama l = llama_of(m);
	double s = size(m, "s"), keys = 0, model, hardware;

	for (int i = 0; i < (int)s; i++)
		keys += fmin(i + 1, 3) / s;
	l.attn = 4 * keys * size(m, "k") * size(m, "g") * size(m, "d");
	flops_of_step(m, &model, &hardware);
	ck_assert_double_eq_tol(model, 3 * l.tokens * (l.L * (l.qkv + l.out +
	    l.up + l.down + l.attn) + l.head), model * 1e-12);
}
END_TEST

/* 6 N a token, N the weights of products: 6 x 7.504 G for Llama 3 8B, and
 * attention on top. */
START_TEST(flops_of_llama3)
{
	struct module *m = compile("examples/llama3-8b.lt", NULL);
	double n = 8030261248.0 - 128256.0 * 4096 - 4096 - 32 * 2 * 4096.0;
	double tokens = 4194304, attn = 32 * 4.0 * 8192 * 4096 / 2;
	double model, hardware;

	flops_of_step(m, &model, &hardware);
	ck_assert_uint_eq(codegen_parameters(m), UINT64_C(8030261248));
	ck_assert_double_eq_tol(model, tokens * (6 * n + 3 * attn),
	    model * 1e-12);
	ck_assert(hardware > model);
}
END_TEST

/* ---- identity ---- */

/* What a recipe and a plan say is not the model. */
START_TEST(same_model)
{
	static const char *const sets[][3] = {
		{"recipe.precision=bf16", NULL}, {"recipe.lr=0.5", NULL},
		{"plan.recompute=full", NULL}, {"plan.micro=1", NULL},
		{"s=4", NULL}, {"recipe.seed=7", "plan.micro=1", NULL},
	};
	uint64_t want = identity_hash(compile("tests/golden/qwen3.lt",
	    NULL));

	for (size_t i = 0; i < COUNT_OF(sets); i++)
		ck_assert_msg(identity_hash(compile(
		    "tests/golden/qwen3.lt", sets[i])) == want,
		    "%s makes another model", sets[i][0]);
}
END_TEST

static const char *
replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_msg(at != NULL, "no %s", from);
	return arena_printf(&mem, "%.*s%s%s", (int)(at - text), text, to,
	    at + strlen(from));
}

/* What is kept survives a rewrite of fn eval. */
START_TEST(kept_model)
{
	struct module *m = compile("tests/golden/qwen3.lt", NULL);
	uint64_t want = identity_hash(m);
	double model[2], executed[2];
	struct func *eval = module_func(m, "eval");

	flops_of_step(m, &model[0], &executed[0]);
	identity_keep(m);
	flops_keep(m);
	eval->body.op[0] = eval->body.op[--eval->body.n];
	flops_of_step(m, &model[1], &executed[1]);
	ck_assert(identity_hash(m) == want);
	ck_assert(model[0] == model[1] && model[0] > 0);
}
END_TEST

START_TEST(other_model)
{
	static const char *const edits[][2] = {
		{"base = 1e6", "base = 1e5"}, {"eps = 1e-6", "eps = 1e-5"},
		{"repeat 2", "repeat 3"}, {"mask = causal", "mask = full"},
		{"silu(w1(x))", "gelu(w1(x))"}, {"d = 8", "d = 6"},
		{"x + attn", "attn"}, {"w1(x)) * w3(x)", "w3(x)) * w1(x)"},
	};
	const char *text = read_file(TOP_SRCDIR "/tests/golden/qwen3.lt");
	uint64_t hash[COUNT_OF(edits) + 1] = {identity_hash(
	    compile_text("qwen3.lt", text, NULL))};

	for (size_t i = 0; i < COUNT_OF(edits); i++) {
		const char *s = replaced(text, edits[i][0], edits[i][1]);

		if (i == 6) /* x is the sum's, so that it stays used */
			s = replaced(text, "x = x + attn", "x = attn");
		hash[i + 1] = identity_hash(compile_text("qwen3.lt", s,
		    NULL));
		for (size_t j = 0; j <= i; j++)
			ck_assert_msg(hash[j] != hash[i + 1],
			    "edits %d and %d are one model", (int)j,
			    (int)i + 1);
	}
}
END_TEST

/* ---- C ---- */

static const char *const examples[] = {
	"examples/quickstart.lt", "examples/gpt2.lt", "examples/llama2-7b.lt",
	"examples/llama3-8b.lt", "examples/llama3-70b.lt",
	"examples/mistral-7b.lt", "examples/qwen3-8b.lt",
};

static char *
emit(struct module *m)
{
	char *text = NULL, *kept;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(codegen_c(m, f), 0);
	fclose(f);
	kept = arena_printf(&mem, "%s", text);
	free(text);
	return kept;
}

START_TEST(examples_compile)
{
	const char *c = arena_printf(&mem, "plan-%d.tmp.c", _i);
	const char *cc = getenv("CC") ? getenv("CC") : "cc";
	char *text = emit(compile(examples[_i], NULL));
	FILE *f = fopen(c, "wb");

	ck_assert_str_eq(text, emit(compile(examples[_i], NULL)));
	ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
	ck_assert_int_eq(system(arena_printf(&mem, "%s %s -fsyntax-only -Wall "
	    "-Wextra -Werror -I%s %s", cc, codegen_cflags, TOP_SRCDIR, c)), 0);
	remove(c);
}
END_TEST

/* Settings of any text stay inside their literals. */
START_TEST(text_stays_text)
{
	static const char evil[] = "a\"; */\n#error ?\?/ \\";
	struct module *m = compile("tests/golden/llama.lt", NULL);
	const char *text;

	module_set_text(m, "recipe.train", evil, (struct span){0, 0});
	text = emit(m);
	ck_assert_ptr_nonnull(strstr(text, ".train = \"a\\042; */\\n\"\n"
	    "\t    \"#error \\077\\077/ \\134\""));
	ck_assert_ptr_nonnull(strstr(text, "train=a\\042; */\\077#error"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, flops_of_llama, 0, COUNT_OF(policies));
	tcase_add_test(t, flops_of_window);
	tcase_add_test(t, flops_of_llama3);
	tcase_add_test(t, same_model);
	tcase_add_test(t, kept_model);
	tcase_add_test(t, other_model);
	tcase_add_loop_test(t, examples_compile, 0, COUNT_OF(examples));
	tcase_add_test(t, text_stays_text);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
