/* A checkpoint of another model, recipe, seed or data, or with a forged
 * manifest, is refused with what differs. */
#define _GNU_SOURCE
#include "config.h"

#include "tests/state/fixture.h"

#include "runtime/state/hash.h"
#include "tests/suite.h"

static struct tiny t;

static void
setup(void)
{
	tiny_setup(&t);
}

static void
teardown(void)
{
	tiny_teardown(&t);
}

static void
other_shape(void)
{
	t.tensor[0].shape[1] = 2;
	t.tensor[0].shape[2] = 3;
}

static void
other_rank(void)
{
	t.tensor[0].rank = 2;
	t.tensor[0].shape[1] = 6;
}

static void
other_name(void)
{
	t.tensor[1].name = "c";
}

static void
one_less(void)
{
	t.prog.ntensor = 1;
}

static void
other_hash(void)
{
	t.prog.hash = 0xabd;
}

static void
other_lr(void)
{
	t.prog.recipe.lr = 2.5e-4;
}

static void
other_schedule(void)
{
	t.prog.recipe.schedule = LT_WSD;
}

static void
other_precision(void)
{
	t.prog.recipe_text = "no.precision=1\nprecision=bf16\nclip=1\n";
}

static void
other_batch(void)
{
	t.prog.micro = 2;
}

static void
other_seed(void)
{
	t.id.seed = 8;
}

static void
other_data(void)
{
	t.id.data = "13 tokens, hash 6";
	t.id.data_path = "new";
}

static const struct {
	void (*change)(void);
	const char *says;
} others[] = {
	{other_shape, "step-000005: model: tensor layer.a is [2, 2, 3] here "
	    "and [2, 3, 2] in the checkpoint"},
	{other_rank, "tensor layer.a is [2, 6] here and [2, 3, 2]"},
	{other_name, "model: the checkpoint lacks tensor c [5]"},
	{other_name, "model: the checkpoint has tensor b [5], which"},
	{one_less, "model: the checkpoint has tensor moment1.b [5], which"},
	{other_hash, "model: tiny has the same tensors but computes"},
	{other_lr, "recipe: lr is 0.00025 here and 0.0003 in the checkpoint"},
	{other_schedule, "recipe: schedule is wsd here and cosine in the"},
	{other_precision, "recipe: precision is bf16 here and f32 in the"},
	{other_batch, "recipe: batch is 4 here and 2 in the checkpoint"},
	{other_seed, "seed: 8 here and 7 in the checkpoint"},
	{other_data, "data: 13 tokens, hash 6 (new) here and 12 tokens, "
	    "hash 5 (some/path) in the checkpoint"},
};

START_TEST(of_something_else)
{
	ck_assert(tiny_save(&t, 4, 0));
	ck_assert(tiny_save(&t, 5, 0));
	others[_i].change();
	tiny_refuses(&t, LT_RESUME_NEWEST, others[_i].says);
	ck_assert_int_eq(t.error.code, LT_EXIT_DATA);
	/* nothing is wrong with the files: nothing is set aside */
	tiny_refuses(&t, LT_RESUME_VALID, others[_i].says);
	ck_assert(tiny_exists(&t, "step-000005") && !tiny_exists(&t, "step-000005.bad"));
}
END_TEST

/* Sampling asks for the model alone; steps may be raised. */
START_TEST(what_may_differ)
{
	struct lt_point at;

	ck_assert(tiny_save(&t, 5, 0));
	t.prog.recipe.steps = 200;
	t.prog.recipe.log_every = 9;
	tiny_expect(&t, LT_RESUME_NEWEST, 5);
	ck_assert_ptr_nonnull(strstr(t.error.text,
	    "steps is 200 here and 100 in the checkpoint"));
	other_seed();
	other_data();
	other_lr();
	ck_assert_int_eq(lt_restore(&t.rt, t.out, NULL, LT_RESUME_NEWEST, &at,
	    &t.error), LT_RESTORE_OK);
	ck_assert(tiny_holds(&t, 5));
}
END_TEST

/* The manifest with one text replaced, and a hash that agrees. */
static void
reseal(int64_t step, const char *from, const char *to)
{
	size_t n;
	char *old = tiny_load(&t, step, "manifest.json", &n), *at = strstr(old, from);
	char *new = malloc(n + 100);
	int k;

	ck_assert_ptr_nonnull(at);
	k = sprintf(new, "%.*s%s%s", (int)(at - old), old, to,
	    at + strlen(from));
	at = strstr(new, ",\n  \"xxh3_128\": \"");
	ck_assert_ptr_nonnull(at);
	memcpy(at + strlen(",\n  \"xxh3_128\": \""),
	    lt_hash(new, (size_t)(at - new)).hex, 32);
	tiny_store(&t, step, "manifest.json", new, (size_t)k);
	free(old);
	free(new);
}

static const struct {
	const char *from, *to, *says;
} forged[] = {
	{"\"version\": 1", "\"version\": 2",
	 "version 2; this trainer reads version 1"},
	{"loong checkpoint", "other checkpoint", "not a loong checkpoint"},
	{"\"step\": 5", "\"step\": -5", "a number that is none"},
	{"\"step\": 5", "\"step\": 5, \"step\": 5", "duplicate"},
	{"\"step\": 5", "\"step\": 5.0", "integer"},
	{"\"step\": 5", "\"step\": 9223372036854775808", "too big"},
	{"\"step\": 5", "\"stop\": 5", "step"},
	{"\"step\": 5", "\"x\": [[[[[[[[[0]]]]]]]]], \"step\": 5",
	 "nested too deep"},
	{"\"name\": \"model.safetensors\"", "\"name\": \"../x.safetensors\"",
	 "not the files of a checkpoint"},
	{"\"file\": \"model.safetensors\"", "\"file\": \"/etc/passwd\"",
	 "a tensor that is none"},
	{"0x0000000000000007", "0x7", "a number that is none"},
	{"\"name\": \"b\"", "\"name\": \"c\"", "tensor"},
};

START_TEST(forged_manifest)
{
	ck_assert(tiny_save(&t, 5, 0));
	reseal(5, forged[_i].from, forged[_i].to);
	tiny_refuses(&t, LT_RESUME_NEWEST, forged[_i].says);
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("other");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, of_something_else, 0,
	    (int)(sizeof others / sizeof others[0]));
	tcase_add_test(c, what_may_differ);
	tcase_add_loop_test(c, forged_manifest, 0,
	    (int)(sizeof forged / sizeof forged[0]));
	return suite_run("other", c);
}
