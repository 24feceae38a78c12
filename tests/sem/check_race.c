/*
 * Transfers in flight: what they read stays until they are awaited, by name, by
 * a later one of the lane, in the next trip of a loop; and no alarm is false.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/replay.h"

static struct arena mem;

#define SX "f32[s/(ci-1)]"

static const char head[] =
    "module t stage e\nmesh   co=2 ci=2\ndim    s=32 L=3\n"
    "bundle W { p[s] } : f32 flat/(co)\n"
    "bundle GW = grad W : f32 flat/(co) +(ci)\n"
    "arena  state 4096\narena  act 4096\narena  io 64\n"
    "slot   state W 0+128, GW\n"
    "slot   act x 0+64, y, z, r +256 x2\nslot   io io.tok 0+64\n\n"
    "fn step(tok : f32[s/ci] in io.tok) {\n"
    "  x = neg tok : f32[s/ci] in x\n";

static const struct {
	const char *what, *body;
	const char *says; /* or NULL: fine */
} cases[] = {
	{"awaited before its source is written",
	    "  ki | ~y = shift x by ci+1 : " SX " in y\n"
	    "  y1 = wait ~y in y\n"
	    "  z = neg tok : f32[s/ci] in x\n"
	    "  return z\n}\n", NULL},
	{"its source is written",
	    "  ki | ~y = shift x by ci+1 : " SX " in y\n"
	    "  z = neg tok : f32[s/ci] in x\n"
	    "  y1 = wait ~y in y\n"
	    "  return z\n}\n", "race: z is written while shift ~y"},
	{"its source is received into by another lane",
	    "  ki | ~y = shift x by ci+1 : " SX " in y\n"
	    "  ko | ~z = shift tok by ci+1 : " SX " in x\n"
	    "  z1 = wait ~z in x\n"
	    "  y1 = wait ~y in y\n"
	    "  return z1\n}\n", "race: z is written while shift ~y"},
	{"its source is received into by its own lane, later",
	    "  ki | ~y = shift x by ci+1 : " SX " in y\n"
	    "  ki | ~z = shift tok by ci+1 : " SX " in x\n"
	    "  z1 = wait ~z in x\n"
	    "  z2 = neg z1 : " SX " in z\n"
	    "  return z2\n}\n", NULL},
	{"a later one of the lane is awaited",
	    "  ki | ~y = shift x by ci+1 : " SX " in y\n"
	    "  ki | ~z = shift tok by ci+1 : " SX " in z\n"
	    "  z1 = wait ~z in z\n"
	    "  u = neg tok : f32[s/ci] in x\n"
	    "  return u\n}\n", NULL},
	{"a later one of another lane is awaited",
	    "  ki | ~y = shift x by ci+1 : " SX " in y\n"
	    "  ko | ~z = shift tok by ci+1 : " SX " in z\n"
	    "  z1 = wait ~z in z\n"
	    "  u = neg tok : f32[s/ci] in x\n"
	    "  return u\n}\n", "race: u is written while shift ~y"},
	{"the second array is awaited",
	    "  ki | ~y, ~z = shift x, tok by ci+1 : " SX ", " SX " in y, z\n"
	    "  z1 = wait ~z in z\n"
	    "  u = neg tok : f32[s/ci] in x\n"
	    "  return u\n}\n", NULL},
	{"parameters in flight are updated",
	    "  zg | ~w = gather @W on co : f32 in r[0]\n"
	    "  zero @W\n"
	    "  w1 = wait ~w in r[0]\n"
	    "  return x\n}\n", "race: W is written while gather ~w"},
	{"parameters that have arrived are updated",
	    "  zg | ~w = gather @W on co : f32 in r[0]\n"
	    "  w1 = wait ~w in r[0]\n"
	    "  zero @W\n"
	    "  return x\n}\n", NULL},
	{"two places in turn",
	    "  u = neg tok : f32[s/ci] in r[0]\n"
	    "  v = for l=0..L (a = u in r[l%2]) {\n"
	    "    ki | ~b = shift a by ci+1 : " SX " in y\n"
	    "    c = neg tok : f32[s/ci] in r[(l+1)%2]\n"
	    "    b1 = wait ~b in y\n"
	    "    yield c\n  } in r[1]\n"
	    "  return v\n}\n", NULL},
	{"one place for both",
	    "  u = neg tok : f32[s/ci] in r[0]\n"
	    "  v = for l=0..L (a = u in r[0]) {\n"
	    "    ki | ~b = shift a by ci+1 : " SX " in y\n"
	    "    c = neg tok : f32[s/ci] in r[0]\n"
	    "    b1 = wait ~b in y\n"
	    "    yield c\n  } in r[0]\n"
	    "  return v\n}\n", "race: c is written while shift ~b"},
};

START_TEST(one)
{
	char *text = arena_printf(&mem, "%s%s", head, cases[_i].body);
	struct source src = {"test", text, (uint32_t)strlen(text)};
	char *said = NULL;
	size_t len;
	struct diag d = {.src = &src, .out = open_memstream(&said, &len)};
	struct module *m = module_read(&mem, &d);
	bool ok = m && module_verify(m) == 0;

	fflush(d.out);
	ck_assert_msg(ok, "%s: %s", cases[_i].what, said);
	ok = replay_check(m) == 0;
	fclose(d.out);
	ck_assert_msg(ok == !cases[_i].says, "%s: %s", cases[_i].what, said);
	if (cases[_i].says)
		ck_assert_msg(strstr(said, cases[_i].says) != NULL, "%s: %s",
		    cases[_i].what, said);
	free(said);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("race");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, one, 0, (int)(sizeof cases / sizeof *cases));
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
