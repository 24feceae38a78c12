/* The reader of safetensors headers: what is refused and why, what is not. */
#define _GNU_SOURCE
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/state/safetensors.h"
#include "tests/suite.h"

struct header {
	const char *json;
	uint64_t data;    /* bytes after the header */
	const char *says; /* NULL: accepted */
};

#define F32(shape, from, to) "{\"dtype\":\"F32\",\"shape\":" shape \
    ",\"data_offsets\":[" from "," to "]}"

static const struct header headers[] = {
	{"{}", 0, NULL},
	{"{}      ", 0, NULL},
	{"{\"a\":" F32("[2,3]", "0", "24") "}", 24, NULL},
	{"{\"a\":" F32("[]", "0", "4") "}", 4, NULL},
	{"{\"a\":" F32("[0,7]", "0", "0") "}", 0, NULL},
	{"{\"z\":" F32("[1]", "4", "8") ",\"a\":" F32("[1]", "0", "4") "}", 8,
	 NULL},
	{"{\"e\":" F32("[0]", "4", "4") ",\"a\":" F32("[1]", "0", "4") "}", 4,
	 NULL},
	{"{\"__metadata__\":{\"format\":\"pt\"},\"a\":" F32("[1]", "0", "4")
	 "}", 4, NULL},
	{"{\"\\u00e9\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],"
	 "\"data_offsets\":[0,3]}}", 3, NULL},
	{"", 0, "does not start with {"},
	{" {}", 0, "does not start with {"},
	{"[]", 0, "does not start with {"},
	{"{", 0, "header"},
	{"{}x", 0, "end of file expected"},
	{"{\"a\":1}", 0, "not exactly"},
	{"{\"\xff\":1}", 0, "unable to decode"},
	{"{\"a\":" F32("[1]", "0", "4") ",\"a\":" F32("[1]", "0", "4") "}", 4,
	 "duplicate"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "not exactly"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],"
	 "\"x\":0}}", 4, "not exactly"},
	{"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
	 "unknown dtype"},
	{"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
	 "unknown dtype"},
	{"{\"a\":" F32("[-1]", "0", "4") "}", 4, "impossible shape"},
	{"{\"a\":" F32("[1.0]", "0", "4") "}", 4, "impossible shape"},
	{"{\"a\":" F32("1", "0", "4") "}", 4, "impossible shape"},
	{"{\"a\":" F32("[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4,
	 "impossible shape"},
	{"{\"a\":" F32("[1099511627777]", "0", "4") "}", 4,
	 "impossible shape"},
	{"{\"a\":" F32("[4294967296,4294967296]", "0", "0") "}", 0,
	 "impossible shape"},
	{"{\"a\":" F32("[1073741824,1073741824,16]", "0", "0") "}", 0,
	 "impossible shape"},
	{"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1,
	 "impossible shape"},
	{"{\"a\":" F32("[1]", "4", "0") "}", 4, "impossible data_offsets"},
	{"{\"a\":" F32("[1]", "-4", "0") "}", 4, "impossible data_offsets"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4]}}", 4,
	 "impossible data_offsets"},
	{"{\"a\":" F32("[2]", "0", "4") "}", 4, "disagree"},
	{"{\"a\":" F32("[1]", "0", "18446744073709551620") "}", 4, "too big"},
	{"{\"a\":" F32("[1]", "0", "4") ",\"b\":" F32("[1]", "0", "4") "}", 4,
	 "overlaps"},
	{"{\"a\":" F32("[1]", "0", "4") ",\"b\":" F32("[1]", "8", "12") "}",
	 12, "hole"},
	{"{\"a\":" F32("[1]", "4", "8") "}", 8, "hole"},
	{"{\"a\":" F32("[1]", "0", "4") "}", 5, "do not end where"},
	{"{\"a\":" F32("[1]", "0", "4") "}", 3, "do not end where"},
	{"{}", 1, "do not end where"},
	{"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
	{"{\"__metadata__\":[]}", 0, "__metadata__"},
	{"{\"a\":[[[[[[[[[[]]]]]]]]]]}", 0, "too deep"},
};

START_TEST(header)
{
	const struct header *h = &headers[_i];
	size_t n = strlen(h->json);
	char *exact = malloc(n ? n : 1); /* no byte more, for the sanitizer */
	struct lt_error e = {.text = ""};
	struct lt_st st;
	bool ok;

	memcpy(exact, h->json, n);
	ok = lt_st_parse(exact, n, h->data, &st, &e);
	ck_assert_msg(ok == (h->says == NULL), "%s: %s", h->json, e.text);
	if (h->says)
		ck_assert_msg(strstr(e.text, h->says) != NULL,
		    "%s: \"%s\" lacks \"%s\"", h->json, e.text, h->says);
	lt_st_free(&st);
	free(exact);
}
END_TEST

START_TEST(length_of_header)
{
	struct lt_error e;
	uint64_t n;

	ck_assert(lt_st_length((const unsigned char *)"\2\0\0\0\0\0\0", 10, &n,
	    &e) && n == 2);
	ck_assert(!lt_st_length((const unsigned char *)"\3\0\0\0\0\0\0", 10,
	    &n, &e));
	ck_assert(!lt_st_length((const unsigned char *)"\0\0\0\0\0\0\0", 7, &n,
	    &e));
	ck_assert(!lt_st_length((const unsigned char *)
	    "\xff\xff\xff\xff\xff\xff\xff\xff", UINT64_MAX, &n, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "25 MB"));
}
END_TEST

/* 25 MB of "0,": refused before they become half a gigabyte of values. */
START_TEST(amplification)
{
	size_t n = LT_ST_HEADER_MAX;
	char *json = malloc(n);
	struct lt_error e;
	struct lt_st st;

	for (size_t i = 0; i < n; i++)
		json[i] = i % 2 ? ',' : '0';
	memcpy(json, "{\"a\":[", 6);
	ck_assert(!lt_st_parse(json, n, 0, &st, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "too many values"));
	free(json);
}
END_TEST

/* Written, read: the same; the data starts at a multiple of 64. */
START_TEST(round_trip)
{
	static const uint64_t shape[8] = {3, 1, 2, 1, 1, 1, 1, 1};
	struct lt_st_item item[2] = {{"b.\"q\"", 8, shape, 24},
	    {"a", 0, shape, 4}};
	struct lt_error e;
	struct lt_st st;
	size_t length;
	uint64_t n;
	char *head = lt_st_header(item, 2, &length);

	ck_assert_ptr_nonnull(head);
	ck_assert_uint_eq(length % 64, 0);
	ck_assert(lt_st_length((unsigned char *)head, length + 28, &n, &e));
	ck_assert_uint_eq(8 + n, length);
	ck_assert_msg(lt_st_parse(head + 8, n, 28, &st, &e), "%s", e.text);
	ck_assert_uint_eq(st.data, length);
	ck_assert_uint_eq(st.ntensor, 2);
	ck_assert_str_eq(st.tensor[0].name, "b.\"q\"");
	ck_assert_int_eq(st.tensor[0].rank, 8);
	ck_assert(memcmp(st.tensor[0].shape, shape, sizeof shape) == 0);
	ck_assert_ptr_eq(lt_st_find(&st, "a"), &st.tensor[1]);
	ck_assert_uint_eq(st.tensor[1].begin, 24);
	ck_assert_ptr_null(lt_st_find(&st, "c"));
	lt_st_free(&st);
	free(head);
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("safetensors");

	tcase_add_loop_test(c, header, 0,
	    (int)(sizeof headers / sizeof headers[0]));
	tcase_add_test(c, length_of_header);
	tcase_add_test(c, amplification);
	tcase_add_test(c, round_trip);
	return suite_run("safetensors", c);
}
