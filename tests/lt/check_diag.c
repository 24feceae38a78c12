/* What support/diag promises: limits, repeats, clipping, colour, nearest. */
#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "support/diag.h"
#include "tests/suite.h"

static char *said;
static size_t said_len;
static struct source src;
static struct diag d;

static void
begin(const char *text)
{
	src = (struct source){"t.lt", text, (uint32_t)strlen(text)};
	d = (struct diag){.src = &src,
	    .out = open_memstream(&said, &said_len)};
	ck_assert_ptr_nonnull(d.out);
}

static void
expect(const char *want)
{
	fclose(d.out);
	ck_assert_str_eq(said, want);
	free(said);
}

START_TEST(parts)
{
	struct report r;

	begin("one\n\ttwo three\n");
	report_open(&r, &d, DIAG_UNKNOWN_NAME, (struct span){9, 14},
	    "unknown name '%s'", "three");
	report_label(&r, (struct span){0, 3}, "not this");
	report_note(&r, "there is %d", 1);
	report_help(&r, "write two");
	report_close(&r);
	expect("t.lt:2:6: error[E0201]: unknown name 'three'\n"
	    "\t\ttwo three\n\t\t    ^~~~~\n"
	    "t.lt:1:1: note: not this\n\tone\n\t^~~\n"
	    "\tnote: there is 1\n\thelp: write two\n");
	ck_assert_int_eq(d.errors, 1);
}
END_TEST

START_TEST(without_place)
{
	begin("x");
	diag_error(&d, (struct span){0}, "nothing there");
	diag_report(&d, DIAG_UNUSED_BLOCK, (struct span){0, 1}, "idle");
	expect("t.lt: error: nothing there\n"
	    "t.lt:1:1: warning[E0205]: idle\n\tx\n\t^\n");
	ck_assert_int_eq(d.errors, 1);
	ck_assert_int_eq(d.warnings, 1);
}
END_TEST

START_TEST(repeats_and_limit)
{
	begin("abcdef");
	d.limit = 2;
	diag_error(&d, (struct span){0, 1}, "a");
	diag_error(&d, (struct span){0, 1}, "a");
	diag_error(&d, (struct span){1, 2}, "a");
	diag_error(&d, (struct span){2, 3}, "c");
	diag_error(&d, (struct span){3, 4}, "d");
	expect("t.lt:1:1: error: a\n\tabcdef\n\t^\n"
	    "t.lt:1:2: error: a\n\tabcdef\n\t ^\n"
	    "too many errors, the rest is not shown\n");
	ck_assert_int_eq(d.errors, 4); /* the repeat does not count */
}
END_TEST

/* A line of 1000 characters of two bytes: 160 bytes of it, whole ones. */
START_TEST(clipped)
{
	char text[2001], *line, *caret;

	for (int i = 0; i < 2000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[2000] = '\0';
	begin(text);
	diag_error(&d, (struct span){1000, 1002}, "e");
	fclose(d.out);
	line = strchr(said, '\n') + 1;
	caret = strchr(line, '\n') + 1;
	ck_assert_int_eq(caret - line, 1 + 160 + 1);
	ck_assert_int_eq(strncmp(line, "\t\xc3\xa9", 3), 0);
	ck_assert_str_eq(caret, "\t                                        "
	    "^\n");
	free(said);
}
END_TEST

START_TEST(hidden_characters)
{
	begin("a\x1b[31m\xc2\x9b\xe2\x80\xae" "b");
	diag_error(&d, (struct span){0, 1}, "e");
	expect("t.lt:1:1: error: e\n\ta?[31m??b\n\t^\n");
}
END_TEST

START_TEST(color)
{
	begin("x");
	d.color = true;
	diag_error(&d, (struct span){0, 1}, "e");
	expect("t.lt:1:1: \033[1;31merror:\033[0m e\n"
	    "\tx\n\t\033[1;31m^\033[0m\n");
	begin("x");
	ck_assert(!diag_want_color(tmpfile())); /* no terminal */
	expect("");
}
END_TEST

START_TEST(json)
{
	begin("a\"b");
	d.json = true;
	diag_error(&d, (struct span){1, 2}, "\"\\\n\x01\xff\xc3\xa9");
	expect("{\"severity\":\"error\",\"message\":"
	    "\"\\\"\\\\\\u000a\\u0001\\ufffd\xc3\xa9\",\"file\":\"t.lt\","
	    "\"line\":1,\"column\":2,\"end_line\":1,\"end_column\":3,"
	    "\"offset\":1,\"length\":1,\"children\":[]}\n");
}
END_TEST

struct near {
	const char *name, *want;
};

static const struct near near[] = {
	{"rmsnrom", "rmsnorm"},  {"RMSNorm", "rmsnorm"}, {"silo", "silu"},
	{"attentoin", "attention"}, {"softmacks", "softmax"}, {"x", NULL},
	{"foo", NULL},           {"", NULL},             {"silu", "silu"},
	{"a_very_long_name_that_is_not_in_the_list_at_all", NULL},
};

START_TEST(nearest)
{
	static const char *const list[] = {"attention", "rmsnorm", "silu",
	    "softmax", "x1", NULL};
	const char *got = diag_nearest(near[_i].name, list);

	if (near[_i].want)
		ck_assert_str_eq(got ? got : "nothing", near[_i].want);
	else
		ck_assert_ptr_null(got);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("diag");

	tcase_add_test(t, parts);
	tcase_add_test(t, without_place);
	tcase_add_test(t, repeats_and_limit);
	tcase_add_test(t, clipped);
	tcase_add_test(t, hidden_characters);
	tcase_add_test(t, color);
	tcase_add_test(t, json);
	tcase_add_loop_test(t, nearest, 0, (int)COUNT_OF(near));
	return suite_run("diag", t);
}
