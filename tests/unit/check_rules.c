/*
 * Type rules, one row each: operands, the stated result, and what op_infer
 * finds or says.  The mesh is dp=2 hp=2; "b/dp s e +hp" is a type whose b is
 * cut by dp and whose sum over hp is still to come.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "support/buf.h"

struct row {
	enum opcode op;
	const char *in[7];  /* operands */
	const char *out[3]; /* stated result types */
	const char *want;   /* first result, or a part of the message */
	const char *over;   /* {over=...} */
	int mask;
	double rate;
};

#define X "f32 b s e"

static const struct row rows[] = {
/* dropout: what is kept is scaled by 1/(1-rate) */
{.op = OP_DROPOUT, {X}, {X}, "f32[b,s,e]", .rate = 0.5},
{.op = OP_DROPOUT, {X}, {X}, "from 0 to below 1", .rate = 1},
{.op = OP_DROPOUT, {X}, {X}, "from 0 to below 1", .rate = -0.5},
{.op = OP_DROPOUT_BWD, {X}, {X}, "from 0 to below 1", .rate = 2},

/* dot: contraction, batch dims, dtypes */
{.op = OP_DOT, {X, "f32 e f"}, {"f32 b s f"}, "f32[b,s,f]"},
{.op = OP_DOT, {"bf16 b s e", "bf16 e k d"}, {"bf16 b s k d"},
    "bf16[b,s,k,d]"},
{.op = OP_DOT, {"bf16 b s e", "bf16 b s f"}, {"f32 e f"}, "f32[e,f]"},
{.op = OP_DOT, {X, "f32 b s f"}, {"f32 b e f"}, "f32[b,e,f]"},
{.op = OP_DOT, {X, "bf16 e f"}, {"f32 b s f"}, "one dtype"},
{.op = OP_DOT, {"f32 b s e", "f32 e f"}, {"bf16 b s f"}, "f32 or what"},
{.op = OP_DOT, {X, "f32 e f"}, {"f32 b f"}, "dim s is in one operand only"},
{.op = OP_DOT, {X, "f32 e f"}, {"f32 b s v"}, "dim f is in one operand only"},
{.op = OP_DOT, {X, "f32 e f"}, {"f32 b s f v"},
    "dim v of the result is in no"},
{.op = OP_DOT, {X, "f32 e f"}, {NULL}, "needs its result type stated"},
{.op = OP_DOT, {X, "i32 e f"}, {"f32 b s f"}, "operand 2 must be f32 or bf16"},
{.op = OP_DOT, {X}, {"f32 b s e"}, "takes 2 operands, got 1"},
/* dot: shards */
{.op = OP_DOT, {"f32 b/dp s e", "f32 e f"}, {"f32 b/dp s f"}, "f32[b/dp,s,f]"},
{.op = OP_DOT, {"f32 b s e/hp", "f32 e/hp f"}, {"f32 b s f +hp"},
    "f32[b,s,f] +(hp)"},
{.op = OP_DOT, {"f32 b/dp s e", "f32 b/dp s f"}, {"f32 e f +dp"},
    "f32[e,f] +(dp)"},
{.op = OP_DOT, {"f32 b/dp s e", "f32 b/dp s f"}, {"f32 e f"},
    "result 1 is f32[e,f] +(dp), not the stated f32[e,f]"},
{.op = OP_DOT, {"f32 b s e/hp", "f32 e f"}, {"f32 b s f"},
    "dim e must have equal shards"},
{.op = OP_DOT, {"f32 b/dp s e", "f32 e f"}, {"f32 b s f"},
    "dim b has other shards in the result"},
{.op = OP_DOT, {"f32 b/dp s e", "f32 e f/dp"}, {"f32 b/dp s f/dp"},
    "mesh axis dp shards two dims"},
{.op = OP_DOT, {"f32 b s e +hp", "f32 e f"}, {"f32 b s f +hp"},
    "f32[b,s,f] +(hp)"},
{.op = OP_DOT, {"f32 b s e +hp", "f32 e f +hp"}, {"f32 b s f +hp"},
    "mesh axis hp is pending in one operand and used by the other"},
{.op = OP_DOT, {"f32 b s e +hp", "f32 e f/hp"}, {"f32 b s f/hp +hp"},
    "mesh axis hp is pending in one operand and used by the other"},
/* linear ops carry pend, others refuse it */
{.op = OP_ADD, {X, X}, {NULL}, "f32[b,s,e]"},
{.op = OP_ADD, {X, "f32 e"}, {NULL}, "f32[b,s,e]"},
{.op = OP_ADD, {"f32 s e", X}, {NULL}, "f32[b,s,e]"},
{.op = OP_ADD, {X, "f32 f"}, {NULL}, "dims of one operand"},
{.op = OP_ADD, {"f32 e s", X}, {NULL}, "dims of one operand"},
{.op = OP_ADD, {X, "bf16 b s e"}, {NULL}, "one dtype"},
{.op = OP_ADD, {"f32 b/dp s e", X}, {NULL}, "equal shards"},
{.op = OP_ADD, {"f32 e +dp", "f32 e +dp"}, {NULL}, "f32[e] +(dp)"},
{.op = OP_ADD, {"f32 e +dp", "f32 e"}, {NULL}, "same mesh axes"},
{.op = OP_NEG, {"f32 e +dp"}, {NULL}, "f32[e] +(dp)"},
{.op = OP_CAST, {"f32 e +dp"}, {"bf16 e +dp"}, "bf16[e] +(dp)"},
{.op = OP_MUL, {"f32 e +dp", "f32 e"}, {NULL}, "f32[e] +(dp)"},
{.op = OP_MUL, {"f32 e", "f32 e +dp"}, {NULL}, "f32[e] +(dp)"},
{.op = OP_MUL, {"f32 e +dp", "f32 e +dp"}, {NULL}, "at most one factor"},
{.op = OP_MUL, {"bf16 b s e", "f32"}, {NULL}, "bf16[b,s,e]"},
{.op = OP_DIV, {"f32 e", "f32 e +dp"}, {NULL}, "operand 2 is pending"},
{.op = OP_SILU, {"f32 e +dp"}, {NULL}, "operand 1 is pending"},
{.op = OP_SWIGLU, {"f32 e", "f32 e +dp"}, {NULL}, "operand 2 is pending"},
{.op = OP_SQRT, {"f32 +dp"}, {NULL}, "operand 1 is pending"},
{.op = OP_RECIP, {"f32 +dp"}, {NULL}, "operand 1 is pending"},
{.op = OP_RECIP, {"f32 e"}, {NULL}, "operand 1 must be f32[]"},
{.op = OP_CLIP, {"f32"}, {NULL}, "f32[]"},
/* reductions leave pending what they cross */
{.op = OP_SUM, {"f32 b/dp s e"}, {"f32 e +dp"}, "f32[e] +(dp)"},
{.op = OP_SUM, {"f32 b/dp s e"}, {"f32 b/dp e"}, "f32[b/dp,e]"},
{.op = OP_SUM, {"f32 b/dp s e"}, {"f32 e"}, "result 1 is f32[e] +(dp)"},
{.op = OP_SUM, {X}, {"f32 f"}, "dims of the result"},
{.op = OP_SPREAD, {"f32 b"}, {"f32 b s"}, "f32[b,s]"},
{.op = OP_SPREAD, {"f32 b"}, {"f32 s e"}, "dims of x must be among"},
{.op = OP_LABELS, {"i32 b/dp s/hp"}, {NULL}, "f32[] +all"},
{.op = OP_LABELS, {"f32 b s"}, {NULL}, "operand 1 must be i32"},
{.op = OP_AMAX, {"bf16 b/dp s/hp"}, {NULL}, "f32[] max(dp,hp)"},
{.op = OP_AMAX, {"bf16 e f"}, {NULL}, "f32[]"},
{.op = OP_AMAX, {"f32 e"}, {NULL}, "operand 1 must be bf16"},
{.op = OP_AMAX, {"bf16 e +dp"}, {NULL}, "operand 1 is pending"},
{.op = OP_E4M3_SCALE, {"f32"}, {NULL}, "f32[]"},
{.op = OP_E5M2_SCALE, {"f32 e"}, {NULL}, "operand 1 must be f32[]"},
{.op = OP_E4M3, {"bf16 b/dp s", "f32"}, {"f8e4m3 b/dp s"}, "f8e4m3[b/dp,s]"},
{.op = OP_E4M3, {"bf16 b/dp s e", "f32"}, {"f8e4m3 e b/dp s"},
    "f8e4m3[e,b/dp,s]"},
{.op = OP_E4M3, {"bf16 b s e", "f32"}, {"f8e4m3 s b e"}, "may have moved"},
{.op = OP_E4M3, {"bf16 b/dp s", "f32"}, {"f8e4m3 b s"}, "result 1 must be"},
{.op = OP_E4M3, {"bf16 b s", "f32"}, {"f8e5m2 b s"}, "must be f8e4m3"},
{.op = OP_E4M3, {"f32 b s", "f32"}, {"f8e4m3 b s"}, "operand 1 must be bf16"},
{.op = OP_E5M2, {"bf16 b s", "f32 +dp"}, {"f8e5m2 b s"},
    "operand 2 is pending"},
{.op = OP_E5M2, {"bf16 b s", "f32 b"}, {"f8e5m2 b s"},
    "operand 2 must be f32[]"},
{.op = OP_E5M2, {"bf16 b s", "f32"}, {NULL}, "needs its result type stated"},
/* numbers of fp8 are multiplied and nothing else */
{.op = OP_DOT, {"f8e4m3 b s e", "f8e5m2 f e", "f32", "f32"}, {"bf16 b s f"},
    "bf16[b,s,f]"},
{.op = OP_DOT, {"f8e4m3 e b/dp s", "f8e5m2 f b/dp s", "f32", "f32"},
    {"f32 e f +dp"}, "f32[e,f] +(dp)"},
{.op = OP_DOT, {"f8e4m3 b e", "f8e5m2 e f"}, {"bf16 b f"},
    "takes 4 operands, got 2"},
{.op = OP_DOT, {"f8e4m3 b e", "bf16 e f", "f32", "f32"}, {"bf16 b f"},
    "must both be fp8"},
{.op = OP_DOT, {"f8e4m3 b e", "f8e4m3 e f", "f32", "f32 e"}, {"bf16 b f"},
    "operand 4 must be f32[]"},
{.op = OP_DOT, {"f8e4m3 b e", "f8e4m3 e f", "f32", "f32"}, {"f8e4m3 b f"},
    "only e4m3 and e5m2 give fp8"},
{.op = OP_ADD, {"f8e4m3 b s", "f8e4m3 b s"}, {NULL}, "which only dot reads"},
{.op = OP_CAST, {"f8e4m3 b s"}, {"bf16 b s"}, "which only dot reads"},
{.op = OP_CAST, {"bf16 b s"}, {"f8e4m3 b s"}, "only e4m3 and e5m2 give fp8"},
{.op = OP_ZEROS, {NULL}, {"f8e5m2 b s"}, "only e4m3 and e5m2 give fp8"},
{.op = OP_GATHER, {"f8e4m3 b/dp s"}, {NULL}, "which only dot reads", .mask = 1},
/* rows are whole */
{.op = OP_RMSNORM, {X, "f32 e"}, {NULL}, "f32[b,s,e]"},
{.op = OP_RMSNORM, {"bf16 b s e", "f32 e"}, {NULL}, "bf16[b,s,e]"},
{.op = OP_RMSNORM, {"f32 b s k d", "f32 d"}, {NULL}, "f32[b,s,k,d]"},
{.op = OP_RMSNORM, {X, "bf16 e"}, {NULL}, "operand 2 must be f32 or what"},
{.op = OP_RMSNORM, {X, "f32 s"}, {NULL}, "last dims of operand 1"},
{.op = OP_RMSNORM, {"f32 b s e/hp", "f32 e/hp"}, {NULL}, "dim e of operand 1"},
{.op = OP_RMSNORM, {"f32 b s e +hp", "f32 e"}, {NULL}, "operand 1 is pending"},
{.op = OP_RMSNORM_BWD, {"f32 b/dp s e", "f32 b/dp s e", "f32 e"},
    {NULL, "f32 e +dp"}, "f32[b/dp,s,e]"},
{.op = OP_RMSNORM_BWD, {"f32 b/dp s e", "f32 b/dp s e", "f32 e"},
    {NULL, "f32 e"}, "result 2 is f32[e] +(dp)"},
{.op = OP_LAYERNORM, {X, "f32 e", "f32 e"}, {NULL}, "f32[b,s,e]"},
{.op = OP_LAYERNORM_BWD, {X, X, "f32 e"}, {NULL}, "f32[b,s,e]"},
{.op = OP_SOFTMAX, {X}, {NULL}, "f32[b,s,e]", "e"},
{.op = OP_SOFTMAX, {X}, {NULL}, "needs {over=...}", "f"},
{.op = OP_SOFTMAX, {"f32 b s e/hp"}, {NULL}, "dim e of operand 1 must not",
    "e"},
{.op = OP_SOFTMAX_BWD, {X, X}, {NULL}, "f32[b,s,e]", "e"},
{.op = OP_ROPE, {"f32 b s/hp k d"}, {NULL}, "f32[b,s/hp,k,d]", "d"},
{.op = OP_ROPE, {"f32 b s k o"}, {NULL}, "o must be even", "o"},
{.op = OP_ROPE, {"f32 b s k d/hp"}, {NULL}, "dim d of operand 1", "d"},
/* movement */
{.op = OP_EMBED, {"f32 v e", "i32 b/dp s"}, {NULL}, "f32[b/dp,s,e]"},
{.op = OP_EMBED, {"f32 v/hp e", "i32 b s"}, {NULL}, "dim v of operand 1"},
{.op = OP_EMBED, {"f32 v e", "f32 b s"}, {NULL}, "operand 2 must be i32"},
{.op = OP_EMBED_BWD, {"f32 b/dp s e", "i32 b/dp s"}, {"f32 v e +dp"},
    "f32[v,e] +(dp)"},
{.op = OP_EMBED_BWD, {"f32 b s e", "i32 s"}, {"f32 v e"}, "d must start with"},
{.op = OP_PICK, {X, "i32"}, {NULL}, "f32[b,e]", "s"},
{.op = OP_PICK, {"f32 b s/hp e", "i32"}, {NULL}, "f32[b,e] +(hp)", "s"},
{.op = OP_IOTA, {NULL}, {"f32 s"}, "gives i32 of one dim"},
/* attention */
{.op = OP_ATTN, {"f32 b s k g d", "f32 b s k d", "f32 b s k d"}, {NULL, NULL},
    "f32[b,s,k,g,d]"},
{.op = OP_ATTN, {"f32 b s k d", "f32 b s k d", "f32 b s k d"},
    {NULL, "f32 b s k"}, "f32[b,s,k,d]"},
{.op = OP_ATTN, {"f32 b s/hp k g d", "f32 b s k d", "f32 b s k d"}, {NULL,
    NULL},
    "f32[b,s/hp,k,g,d]"},
{.op = OP_ATTN, {"f32 b s k g d", "f32 b s/hp k d", "f32 b s/hp k d"},
    {NULL, NULL}, "cut along s over other mesh axes"},
{.op = OP_ATTN, {"f32 b s k/hp g d", "f32 b s k d", "f32 b s k d"}, {NULL,
    NULL},
    "equal shards: dim k"},
{.op = OP_ATTN, {"f32 b s k g d", "f32 b s k d", "f32 b s k f"}, {NULL, NULL},
    "operands 2 and 3 must have the same type"},
{.op = OP_ATTN, {"f32 b s k g d", "f32 b s k d", "f32 b s k d"}, {NULL, NULL},
    "mask=same needs document ids", NULL, 3},
{.op = OP_ATTN, {"f32 b s k g d", "f32 b s k d", "f32 b s k d", "i32 b s"},
    {NULL, NULL}, "f32[b,s,k,g,d]", NULL, 3},
{.op = OP_ATTN, {"f32 b s k g d", "f32 b s k d", "f32 b s k d", "i32 s b"},
    {NULL, NULL}, "document ids have the token dims", NULL, 3},
{.op = OP_ATTN_DELTA, {"f32 b s k g d", "f32 b s k g d"}, {"f32 b s k g"},
    "f32[b,s,k,g]"},
{.op = OP_ATTN_BWD, {"f32 b s k g/hp d", "f32 b s k g/hp d", "f32 b s k d",
    "f32 b s k d", "f32 b s k g/hp", "f32 b s k g/hp"},
    {NULL, "f32 b s k d +hp"}, "f32[b,s,k,g/hp,d]"},
{.op = OP_ATTN_BWD, {"f32 b s k g/hp d", "f32 b s k g/hp d", "f32 b s k d",
    "f32 b s k d", "f32 b s k g/hp", "f32 b s k g/hp"},
    {NULL, "f32 b s k d"}, "result 2 is f32[b,s,k,d] +(hp)"},
/* losses */
{.op = OP_XENT, {"f32 b/dp s v", "i32 b/dp s"}, {NULL}, "f32[] +(dp)"},
{.op = OP_XENT, {"f32 b s v/hp", "i32 b s"}, {NULL}, "dim v of operand 1"},
{.op = OP_XENT, {"f32 b s v", "i32 b"}, {NULL}, "one class dim"},
{.op = OP_XENT_BWD, {"f32 +dp", "f32 b s v", "i32 b s"}, {NULL},
    "operand 1 is pending"},
{.op = OP_XENT_DOT, {X, "f32 e v", "i32 b s"}, {NULL}, "f32[]"},
{.op = OP_XENT_DOT, {X, "f32 v e", "i32 b s"}, {NULL}, "f32[]"},
{.op = OP_XENT_DOT, {X, "f32 f v", "i32 b s"}, {NULL},
    "W must contract dim e"},
{.op = OP_XENT_DOT_BWD, {"f32", "f32 b/dp s e", "f32 e v", "i32 b/dp s"},
    {"f32 +dp", NULL, "f32 e v +dp"}, "f32[] +(dp)"},
};

static struct module *
new_module(struct arena *mem, struct diag *d)
{
	static const char *const name[] = {"b", "s", "e", "f", "k", "g", "d",
	    "v", "o", NULL};
	static const uint64_t size[] = {2, 8, 12, 20, 2, 4, 6, 18, 3};
	struct module *m = module_new(mem, d);

	m->stage = 'b';
	m->axis[0] = (struct axisdef){"dp", 2};
	m->axis[1] = (struct axisdef){"hp", 2};
	m->naxis = 2;
	for (int i = 0; name[i]; i++)
		module_add_dim(m, name[i], size[i], (struct span){0});
	return m;
}

static uint8_t
axis_of(const char *s)
{
	return strcmp(s, "hp") == 0;
}

static const struct type *
type_of(struct module *m, const char *text)
{
	struct type t = {0};
	char copy[64], *save = NULL, *shard;

	strcpy(copy, text);
	for (char *w = strtok_r(copy, " ", &save); w;
	    w = strtok_r(NULL, " ", &save)) {
		if (!t.dtype) {
			for (int i = 0; i < DT_COUNT; i++)
				if (strcmp(w, dtype_name[i]) == 0)
					t.dtype = (uint8_t)i;
			continue;
		}
		if (*w == '+') {
			t.pend |= (axis_set)(1u << axis_of(w + 1));
			continue;
		}
		if ((shard = strchr(w, '/'))) {
			*shard++ = '\0';
			t.d[t.rank].n = 1;
			t.d[t.rank].s[0].n = 1;
			t.d[t.rank].s[0].c[0].axis = axis_of(shard);
		}
		t.d[t.rank++].name = module_namez(m, w);
	}
	return type_intern(m, &t);
}

static struct op *
op_of(struct module *m, const struct row *r)
{
	struct func *f = module_add_func(m, "f", (struct span){0});
	int nin = 0, nout = op_info[r->op].nout;
	struct op *op;

	if (nout == VARIADIC) /* one */
		nout = 1;
	while (nin < 7 && r->in[nin])
		nin++;
	op = op_new(m, r->op, nin, nout, (struct span){0});
	for (int i = 0; i < nin; i++)
		op->in[i] = arg_value(func_value(m, f,
		    (char[]){(char)('p' + i), '\0'}, type_of(m, r->in[i]),
		    op->at));
	for (int i = 0; i < nout; i++)
		op->out[i] = func_value(m, f, (char[]){(char)('A' + i), '\0'},
		    r->out[i] ? type_of(m, r->out[i]) : NULL, op->at);
	if (r->over)
		op_set_dim(m, op, ATTR_OVER, module_namez(m, r->over));
	if (r->mask)
		op_set_int(m, op, ATTR_MASK, r->mask);
	if (r->rate)
		op_set_real(m, op, ATTR_RATE, r->rate);
	return op;
}

START_TEST(rule)
{
	const struct row *r = &rows[_i];
	struct source src = {"rules", "", 0};
	struct arena mem = {0};
	struct buf text = {0};
	char *said = NULL;
	size_t len;
	struct diag d = {.src = &src, .out = open_memstream(&said, &len)};
	struct module *m = new_module(&mem, &d);
	struct op *op = op_of(m, r);

	if (op_infer(m, op))
		type_print(m, op->out[0]->type, &text);
	fclose(d.out);
	if (d.errors)
		ck_assert_msg(strstr(said, r->want) &&
		    strstr(said, op_info[r->op].name),
		    "wanted \"%s\", got %s", r->want, said);
	else
		ck_assert_str_eq(buf_text(&text), r->want);
	buf_free(&text);
	free(said);
	arena_free(&mem);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rules");
	TCase *t = tcase_create("rows");
	SRunner *run;
	int failed;

	tcase_add_loop_test(t, rule, 0, (int)COUNT_OF(rows));
	suite_add_tcase(s, t);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
