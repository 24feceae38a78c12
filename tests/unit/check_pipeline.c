/* The pipeline's promises, on passes made for the purpose. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

static const char text[] = "module m stage a\ndim a=4\n"
			   "fn model(x : f32[a]) {\n"
			   "  y = neg x : f32[a]\n"
			   "  n = sum y : f32[]\n"
			   "  return n\n}\n";

static struct arena mem;
static struct source src;
static struct diag diag;
static char *said;
static size_t said_len;

static int
double_neg(struct module *m)
{
	struct op *neg = m->func[0]->body.op[0];

	neg->code = OP_RELU;
	return 0;
}

static int
break_type(struct module *m)
{
	struct value *y = m->func[0]->body.op[0]->out[0];

	y->type = type_scalar(m, DT_BF16);
	return 0;
}

static int
refuse(struct module *m)
{
	diag_error(m->diag, m->func[0]->at, "refused");
	return 1;
}

static const struct pass one = {"one", "relu for neg", 'b', double_neg};
static const struct pass two = {"two", "the same again", 0, double_neg};
static const struct pass bad = {"bad", "breaks a type", 0, break_type};
static const struct pass no = {"no", "refuses", 0, refuse};
static const struct pass *const good_list[] = {&one, &two, NULL};
static const struct pass *const bad_list[] = {&one, &bad, &two, NULL};
static const struct pass *const no_list[] = {&no, &two, NULL};

static struct module *
start(const char *program)
{
	struct module *m;

	if (diag.out) { /* of the program before */
		fclose(diag.out);
		free(said);
	}
	src = (struct source){"t.lir", program, (uint32_t)strlen(program)};
	diag = (struct diag){.src = &src};
	diag.out = open_memstream(&said, &said_len);
	m = module_read(&mem, &diag);
	ck_assert_ptr_nonnull(m);
	return m;
}

static void
count(struct module *m, const char *after, void *arg)
{
	(void)m;
	strcat(arg, after);
	strcat(arg, " ");
}

START_TEST(all_passes_run_in_order)
{
	char seen[64] = "";
	struct pipeline_options o = {.watch = count, .arg = seen};
	struct module *m = start(text);

	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_OK);
	ck_assert_str_eq(seen, "read one two ");
	ck_assert_str_eq(m->after, "two");
	ck_assert_int_eq(m->stage, 'b');
}
END_TEST

START_TEST(stops_and_goes_on)
{
	char seen[64] = "";
	struct pipeline_options o = {.stop = "one"};
	struct pipeline_options rest = {.watch = count, .arg = seen};
	char *dump;
	size_t len;
	FILE *out;
	struct module *m = start(text);

	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_OK);
	ck_assert_str_eq(m->after, "one");
	out = open_memstream(&dump, &len);
	module_print(m, NULL, out);
	fclose(out);
	m = start(dump);
	ck_assert_int_eq(pipeline_run(good_list, m, &rest), PIPELINE_OK);
	ck_assert_str_eq(seen, "read two ");
	o.stop = "one";
	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_ERRORS);
	free(dump);
}
END_TEST

START_TEST(read_runs_nothing)
{
	struct pipeline_options o = {.stop = "read"};
	struct module *m = start(text);

	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_OK);
	ck_assert_ptr_null(m->after);
}
END_TEST

START_TEST(unknown_pass_is_an_error)
{
	struct pipeline_options o = {.stop = "three"};
	struct module *m = start(text);

	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_ERRORS);
	fflush(diag.out);
	ck_assert_ptr_nonnull(strstr(said, "no pass is called 'three'"));
	m = start("module m stage a\nafter three\n");
	o.stop = NULL;
	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_ERRORS);
	m = start(text);
	o.print = "four";
	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_ERRORS);
	fflush(diag.out);
	ck_assert_ptr_nonnull(strstr(said, "no pass is called 'four'"));
	ck_assert_ptr_null(m->after);
}
END_TEST

START_TEST(broken_module_stops_and_names_the_pass)
{
	struct pipeline_options o = {.stop = NULL};
	struct module *m = start(text);

	ck_assert_int_eq(pipeline_run(bad_list, m, &o), PIPELINE_BROKEN);
	fflush(diag.out);
	ck_assert_ptr_nonnull(strstr(said, "internal: pass 'bad' left"));
	ck_assert_str_eq(m->after, "bad");
}
END_TEST

START_TEST(refusing_pass_stops)
{
	char seen[64] = "";
	struct pipeline_options o = {.watch = count, .arg = seen};
	struct module *m = start(text);

	ck_assert_int_eq(pipeline_run(no_list, m, &o), PIPELINE_ERRORS);
	ck_assert_str_eq(seen, "read ");
	ck_assert_int_eq(diag.errors, 1);
}
END_TEST

START_TEST(prints_after_each)
{
	char *dump;
	size_t len;
	struct pipeline_options o = {.print = "all"};
	struct module *m = start(text);

	o.out = open_memstream(&dump, &len);
	ck_assert_int_eq(pipeline_run(good_list, m, &o), PIPELINE_OK);
	fclose(o.out);
	ck_assert_ptr_nonnull(strstr(dump, "// after read\nmodule m stage a\n"));
	ck_assert_ptr_nonnull(strstr(dump, "y = relu x"));
	ck_assert_ptr_nonnull(strstr(dump, "// after two\nmodule m stage b\n"));
	free(dump);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pipeline");
	TCase *c = tcase_create("pipeline");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, all_passes_run_in_order);
	tcase_add_test(c, stops_and_goes_on);
	tcase_add_test(c, read_runs_nothing);
	tcase_add_test(c, unknown_pass_is_an_error);
	tcase_add_test(c, broken_module_stops_and_names_the_pass);
	tcase_add_test(c, refusing_pass_stops);
	tcase_add_test(c, prints_after_each);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
