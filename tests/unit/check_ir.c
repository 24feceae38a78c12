/* The text of the IR: round trips, clones, mistakes, and which indices a rank
 * holds. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "support/buf.h"

static struct arena mem;
static struct source src;
static struct diag diag;
static char *said; /* the diagnostics of the last read */
static size_t said_len;

static struct module *
read_text(const char *name, const char *text, size_t len)
{
	struct module *m;

	free(said);
	src = (struct source){name, text, (uint32_t)len};
	diag = (struct diag){.src = &src};
	diag.out = open_memstream(&said, &said_len);
	m = module_read(&mem, &diag);
	fclose(diag.out);
	diag.out = stderr;
	return m;
}

static char *
print_text(const struct module *m)
{
	char *text, *copy;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	module_print(m, NULL, out);
	fclose(out);
	copy = arena_strndup(&mem, text, len);
	free(text);
	return copy;
}

/* A file of tests/ir, of exactly its own size: overruns show in ASan. */
static char *
load(const char *name, size_t *len)
{
	const char *dir = getenv("srcdir");
	char *path = arena_printf(&mem, "%s/tests/ir/%s", dir ? dir : ".",
	    name);
	FILE *in = fopen(path, "rb");
	char *text;

	ck_assert_msg(in != NULL, "cannot open %s", path);
	fseek(in, 0, SEEK_END);
	*len = (size_t)ftell(in);
	rewind(in);
	text = malloc(*len);
	ck_assert_uint_eq(fread(text, 1, *len, in), *len);
	fclose(in);
	return text;
}

static const char *const files[] = {"tiny-forward.lir", "stage-e.lir"};

/* LOONGC_BLESS=1: the file becomes what is printed of it. */
static void
bless(const char *name, const char *text)
{
	const char *dir = getenv("srcdir");
	FILE *out;

	if (!getenv("LOONGC_BLESS"))
		return;
	out = fopen(arena_printf(&mem, "%s/tests/ir/%s", dir ? dir : ".",
	    name), "w");
	ck_assert(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

START_TEST(round_trip)
{
	size_t len;
	char *text = load(files[_i], &len);
	struct module *m = read_text(files[_i], text, len);

	ck_assert_msg(m != NULL, "%s", said);
	bless(files[_i], print_text(m));
	ck_assert_str_eq(print_text(m), arena_strndup(&mem, text, len));
	free(text);
}
END_TEST

START_TEST(clone_prints_the_same)
{
	size_t len;
	char *text = load(files[_i], &len);
	struct module *m = read_text(files[_i], text, len);
	char *before = print_text(m);

	module_compact(m);
	ck_assert_str_eq(print_text(module_clone(&mem, m)), before);
	free(text);
}
END_TEST

/* With places behind them, statements keep their lines. */
START_TEST(places_keep_lines)
{
	static const char name[] = "tiny-forward.lir";
	size_t len, n;
	char *text = load(name, &len), *out;
	struct module *m = read_text(name, text, len);
	FILE *f = open_memstream(&out, &n);

	module_print(m, &(struct print_options){.locations = true}, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(out, "(x2 = x) {  // tiny-forward.lir:33\n"
	    "    r = call layer(l, x2)  // tiny-forward.lir:"));
	free(out);
	free(text);
}
END_TEST

/* A reader that stops at the first mistake reports exactly one, or none. */
static void
survives(const char *name, const char *text, size_t len)
{
	struct module *m = read_text(name, text, len);

	ck_assert_int_eq(diag.errors, m == NULL);
}

START_TEST(every_prefix_is_survived)
{
	size_t len;
	char *text = load(files[_i], &len);

	for (size_t n = 0; n < len; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, text, n);
		survives(files[_i], cut, n);
		free(cut);
		arena_free(&mem);
	}
	free(text);
}
END_TEST

START_TEST(every_changed_byte_is_survived)
{
	static const char other[] = "(){}[]=,.@!~#:x0-\n \"";
	size_t len;
	char *text = load(files[_i], &len);

	for (size_t n = 0; n < len; n++) {
		char was = text[n];

		text[n] = other[n * 7 % (sizeof other)];
		survives(files[_i], text, len);
		text[n] = was;
		arena_free(&mem);
	}
	free(text);
}
END_TEST

#define HEAD "module m stage a\ndim a=4 b=2 L=3\nbundle W[L] { w[a] } : f32\n"

static const struct mistake {
	const char *text, *want;
} mistakes[] = {
    {"", "the file has no module"},
    {"dim a=4\n", "the first line is: module NAME stage a"},
    {"module m stage q\n", "a stage is a letter from a to e"},
    {HEAD "dim a=4\n", "dimension 'a' twice"},
    {HEAD "dim c=0\n", "the number is not in 1..1099511627776"},
    {HEAD "dim c=99999999999999999999999\n", "the number is not in"},
    {HEAD "set x = \"abc\n", "expected '\"'"},
    {HEAD "bundle W { w[a] } : f32\n", "bundle 'W' twice"},
    {HEAD "bundle V { w[q] } : f32\n", "no dimension is called 'q'"},
    {HEAD "init W ones q\n", "no field is called 'q'"},
    {HEAD "fn f(x : f32[a]) {\n  y = silly x : f32[a]\n}\n",
	"no op is called 'silly'"},
    {HEAD "fn f(x : f32[a]) {\n  y = add x : f32[a]\n}\n",
	"'add' has 2 operands, not 1"},
    {HEAD "fn f(x : f32[a]) {\n  y = neg z : f32[a]\n}\n",
	"no value is called 'z'"},
    {HEAD "fn f(x : f32[a]) {\n  x = neg x : f32[a]\n}\n",
	"'x' is defined twice"},
    {HEAD "fn f(x : f32[a]) {\n  y = neg x : f32[a] z\n}\n",
	"expected the end of the line"},
    {HEAD "fn f(x : f32[a]) {\n  y = neg x : f64[a]\n}\n",
	"'f64' is not a dtype: f32, bf16, i32, f8e4m3 or f8e5m2"},
    {HEAD "fn f(x : f32[a/dp]) {\n}\n", "no mesh axis is called 'dp'"},
    {HEAD "fn f(x : f32[a]) {\n  y = call g(x)\n}\n",
	"no function is called 'g'"},
    {HEAD "fn f(x : f32[a]) {\n  y = call f(x)\n  return y\n}\n",
	"function 'f' needs itself"},
    {HEAD "fn f(l:L) {\n  w = params @W[l] : f32\n  y = neg w.v : f32[a]\n}\n",
	"'W' has no field 'v'"},
    {HEAD "fn f(x : f32[a]) {\n  y = neg x {foo=1} : f32[a]\n}\n",
	"no attribute is called 'foo'"},
    {HEAD "fn f(x : f32[a]) {\n", "function 'f' is not closed"},
    {HEAD "lay A = A\n", "no dimension is called 'A'"},
    {HEAD "set x = 1; x = 2\n", "setting 'x' twice"},
    {HEAD "dim c=1; d=2\n", "a line starts with"},
    {HEAD "fn f() { y = neg x; }\n", "no value is called 'x'"},
};

START_TEST(mistake_is_named)
{
	const struct mistake *t = &mistakes[_i];

	ck_assert_ptr_null(read_text("t.lir", t->text, strlen(t->text)));
	ck_assert_msg(strstr(said, t->want) != NULL, "said: %s", said);
	ck_assert_int_eq(diag.errors, 1);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	struct buf b = {0};

	buf_puts(&b, HEAD "fn f(x : f32[a]) {\n");
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "for i%d=0..L () {\n", i);
	for (int i = 0; i <= 10000; i++)
		buf_puts(&b, "}\n");
	ck_assert_ptr_null(read_text("deep.lir", b.text, b.len));
	ck_assert_ptr_nonnull(strstr(said, "nested more than 256 deep"));
	buf_free(&b);
}
END_TEST

static const char meshed[] =
    "module m stage b\n"
    "mesh dp=2 co=2 ci=2 hp=2\n"
    "dim b=4 s=64 k=2 d=3\n"
    "lay T = b/dp, s/zz(co,ci)/hp // tokens\n"
    "lay A(x=co,y=ci) = b/dp, s/zz(x,y)\n"
    "type KV(x=co,y=ci) = bf16[A(x,y),k/hp,d]\n"
    "fn f(x : f32[T], y : KV) {\n"
    "  qq = for j=0..co (q = y : KV(co-j,ci)) {\n"
    "    r = neg q : KV(co-j,ci-3)\n"
    "    yield r\n"
    "  }\n"
    "  u, v = attn y, y, y : KV x2\n"
    "  return u\n"
    "}\n";

START_TEST(aliases_expand)
{
	static const char want[] =
	    "\nfn f(x : f32[b/dp,s/zz(co,ci)/hp], "
	    "y : bf16[b/dp,s/zz(co,ci),k/hp,d]) {\n"
	    "  qq = for j=0..co (q = y : bf16[b/dp,s/zz(co-j,ci),k/hp,d]) {\n"
	    "    r = neg q : bf16[b/dp,s/zz(co-j,ci-1),k/hp,d]\n";
	struct module *m = read_text("m.lir", meshed, strlen(meshed));

	ck_assert_msg(m != NULL, "%s", said);
	ck_assert_msg(strstr(print_text(m), want) != NULL, "%s",
	    print_text(m));
}
END_TEST

START_TEST(skews_are_equal_modulo_the_axis)
{
	struct module *m;
	static const char text[] = "module m stage b\nmesh co=4\ndim s=64\n"
				   "fn f(x : f32[s/(co+1)], y : f32[s/(co-3)], "
				   "z : f32[s/(co+2)]) {\n}\n";

	m = read_text("m.lir", text, strlen(text));
	ck_assert_msg(m != NULL, "%s", said);
	ck_assert_ptr_eq(m->func[0]->param[0]->type,
	    m->func[0]->param[1]->type);
	ck_assert_ptr_ne(m->func[0]->param[0]->type,
	    m->func[0]->param[2]->type);
}
END_TEST

/*
 * s = 64 over zz(co,ci) is 8 pieces of 8, rank (co,ci) = (0,1) holds pieces 1
 * and 6, that is 8..16 and 48..56; hp=0 has the first half of the pair.  One
 * step back on ci it is what (0,0) holds: pieces 0 and 7.
 */
START_TEST(runs_of_a_zigzag)
{
	static const char text[] =
	    "module m stage b\nmesh co=2 ci=2 hp=2\ndim s=64\n"
	    "fn f(x : f32[s/zz(co,ci)], y : f32[s/zz(co,ci)/hp], "
	    "z : f32[s/zz(co,ci-1)], w : f32[s/hp/zz(co,ci)]) {\n}\n";
	static const struct run want[4][2] = {{{8, 8}, {48, 8}}, {{8, 8}},
	    {{0, 8}, {56, 8}}, {{4, 4}, {24, 4}}};
	static const int coord[MAX_AXES] = {0, 1, 0};
	static const int64_t loop[MAX_LOOPS];
	struct module *m = read_text("m.lir", text, strlen(text));

	ck_assert_msg(m != NULL, "%s", said);
	for (int i = 0; i < 4; i++) {
		struct run run[16];
		int n = type_runs(m, m->func[0]->param[i]->type, 0, coord,
		    loop, run, 16);

		ck_assert_int_eq(n, i == 1 ? 1 : 2);
		for (int j = 0; j < n; j++) {
			ck_assert_uint_eq(run[j].start, want[i][j].start);
			ck_assert_uint_eq(run[j].len, want[i][j].len);
		}
	}
}
END_TEST

START_TEST(fresh_names_differ_before_their_ops_exist)
{
	struct module *m = read_text("m.lir", HEAD "fn f(x : f32[a]) {\n}\n",
	    strlen(HEAD "fn f(x : f32[a]) {\n}\n"));
	struct func *f = m->func[0];
	const struct type *t = f->param[0]->type;
	struct span at = {0, 0};

	func_value(m, f, func_fresh(m, f, "d"), t, at);
	ck_assert_str_eq(func_fresh(m, f, "d"), "d1");
	ck_assert_str_eq(func_fresh(m, f, "x"), "x1");
	module_compact(m);
	ck_assert_int_eq(f->nvalue, 1);
	ck_assert_str_eq(func_fresh(m, f, "d"), "d");
}
END_TEST

START_TEST(settings_and_sizes)
{
	static const char text[] =
	    "module m stage a\ndim a=6 b=1099511627776\n"
	    "set r.x = -1.5e-3\nset r.w = bf16\nset r.c = cosine(to=0.1)\n"
	    "fn f(x : bf16[a], y : f32[b,b]) {\n}\n";
	struct module *m = read_text("m.lir", text, strlen(text));

	ck_assert_msg(m != NULL, "%s", said);
	ck_assert_double_eq(module_number(m, "r.x", 0), -1.5e-3);
	ck_assert_double_eq(module_number(m, "r.y", 7), 7);
	ck_assert_str_eq(module_text(m, "r.c", ""), "cosine(to=0.1)");
	ck_assert_uint_eq(type_local_bytes(m, m->func[0]->param[0]->type), 12);
	/* Saturates instead of wrapping; the verifier refuses it. */
	ck_assert_uint_eq(type_global_count(m, m->func[0]->param[1]->type),
	    UINT64_MAX);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ir");
	TCase *c = tcase_create("text");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(c, 120);
	tcase_add_test(c, places_keep_lines);
	tcase_add_loop_test(c, round_trip, 0, (int)COUNT_OF(files));
	tcase_add_loop_test(c, clone_prints_the_same, 0,
	    (int)COUNT_OF(files));
	tcase_add_loop_test(c, every_prefix_is_survived, 0,
	    (int)COUNT_OF(files));
	tcase_add_loop_test(c, every_changed_byte_is_survived, 0,
	    (int)COUNT_OF(files));
	tcase_add_loop_test(c, mistake_is_named, 0, (int)COUNT_OF(mistakes));
	tcase_add_test(c, deep_nesting_is_refused);
	tcase_add_test(c, aliases_expand);
	tcase_add_test(c, skews_are_equal_modulo_the_axis);
	tcase_add_test(c, runs_of_a_zigzag);
	tcase_add_test(c, fresh_names_differ_before_their_ops_exist);
	tcase_add_test(c, settings_and_sizes);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	arena_free(&mem);
	return failed != 0;
}
