/*
 * Autodiff against central differences: gradients of `step` for models made of
 * one op each, of blocks and loops, and of a whole small Llama.
 *
 * A model is the body of fn model; its parameters are the fields of @E and
 * @W[L], all of which are differentiated.  For every element p of each
 *
 *	@G.p  ~  (loss(p + h) - loss(p - h)) / 2h        loss = nll / count
 *
 * Tolerance: as in check_fd.c the difference is off by h^2/6 |f'''| +
 * u |f| / h; with h = 1e-5, |f| < 40 and |f'''| < 500 (three layers of
 * attention and products with weights below 1/2) that is below 1e-7; compared
 * to 2e-7, absolute plus relative.  A dropped term or a wrong sign is off by
 * 1e-3 and more.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sem/train.h"
#include "tests/suite.h"

#define H   1e-5
#define TOL 2e-7

#define X   "f32[b,s,e]"
#define Q   "f32[b,s,k,g,d]"
#define KV  "f32[b,s,k,d]"

struct model {
	const char *name;
	const char *blocks; /* functions in front, or "" */
	const char *body;   /* makes r : X unless it returns itself */
};

/* x, q, c, v: values; E1.*: fields */
static const char header[] =
    "module t stage a\n"
    "dim b=2 s=3 e=4 k=2 g=2 d=2 f=3 v=5 p=4 e2=3 e3=3 p3=3 L=3\n"
    "bundle E model { x[b,s,e] y[b,s,e] w[e] z[e] q[b,s,k,g,d] c[b,s,k,d] "
    "u[b,s,k,d] emb[v,e] head[e,v] we[e,e2] pos[p,e] } : f32\n"
    "bundle W[L] layer { w[e] up[e,f] down[f,e] emb2[v,e] } : f32\n\n";

#define MAP(op) {#op, "", "r = " #op " x : " X "\n"}
#define ATTN(name, doc, mask)                                                  \
	{name, "", "o, z = attn q, c, u" doc mask " : " Q ", f32[b,s,k,g]\n"   \
	    "o1 = mul o, E1.q : " Q "\n"                                       \
	    "t = sum o1 : f32[]\nr = mul x, t : " X "\n"}

#define LAYER                                                                  \
	"fn layer(l:L, x : " X ") {\n"                                         \
	"w = params @W[l] : f32\nh = rmsnorm x, w.w : " X "\n"                 \
	"u = dot h, w.up : f32[b,s,f]\na = gelu u : f32[b,s,f]\n"              \
	"m = dot a, w.down : " X "\nr = add x, m : " X "\nreturn r\n}\n\n"

static const struct model models[] = {
	MAP(silu),
	MAP(gelu),
	MAP(gelu_tanh),
	MAP(relu),
	MAP(tanh),
	MAP(sigmoid),
	MAP(exp),
	MAP(neg),
	{"log", "", "t = exp x : " X "\nc2 = const {value=2} : f32[]\n"
	    "t1 = add t, c2 : " X "\nr = log t1 : " X "\n"},
	{"sqrt", "", "t = exp x : " X "\nr = sqrt t : " X "\n"},
	{"recip", "", "t = sum x : f32[]\nt1 = exp t : f32[]\n"
	    "t2 = recip t1 : f32[]\nr = mul x, t2 : " X "\n"},
	{"add", "", "r = add x, E1.y : " X "\n"},
	{"add broadcast", "", "r = add x, E1.w : " X "\n"},
	{"add broadcast first", "", "r = add E1.w, x : " X "\n"},
	{"sub", "", "r = sub x, E1.y : " X "\n"},
	{"sub broadcast", "", "r = sub E1.w, x : " X "\n"},
	{"mul", "", "r = mul x, E1.y : " X "\n"},
	{"mul of itself", "", "r = mul x, x : " X "\n"},
	{"mul broadcast", "", "t = neg E1.w : f32[e]\nr = mul x, t : " X "\n"},
	{"mul by a scalar", "", "t = sum x : f32[]\nr = mul t, x : " X "\n"},
	{"div", "", "t = exp x : " X "\nr = div E1.y, t : " X "\n"},
	{"div broadcast", "", "t = exp E1.w : f32[e]\nr = div x, t : " X "\n"},
	{"div of a small one", "", "t = exp x : " X "\n"
	    "r = div E1.w, t : " X "\n"},
	{"cast", "", "t = cast x : " X "\nr = mul t, t : " X "\n"},
	{"swiglu", "", "r = swiglu x, E1.y : " X "\n"},
	{"swiglu of values", "", "y = neg E1.y : " X "\n"
	    "r = swiglu x, y : " X "\n"},
	{"silu and mul", "", "y = silu x : " X "\nr = mul y, E1.y : " X "\n"},
	{"dropout", "", "r = dropout x {rate=0.3, key=5} : " X "\n"},
	{"rope", "", "t = rope q {base=100, over=d} : " Q "\n"
	    "t1 = mul t, E1.q : " Q "\nt2 = sum t1 : f32[]\n"
	    "r = mul x, t2 : " X "\n"},
	{"rope interleaved", "",
	    "t = rope c {base=100, style=interleaved, over=d} : " KV "\n"
	    "t1 = mul t, E1.u : " KV "\nt2 = sum t1 : f32[]\n"
	    "r = mul x, t2 : " X "\n"},
	{"rmsnorm", "", "r = rmsnorm x, E1.w {eps=0.01} : " X "\n"},
	{"rmsnorm by a value", "", "w = exp E1.w : f32[e]\n"
	    "r = rmsnorm x, w : " X "\n"},
	{"layernorm", "", "r = layernorm x, E1.w, E1.z {eps=0.01} : " X "\n"},
	{"softmax", "", "r = softmax x {over=s} : " X "\n"},
	{"sum and spread", "", "t = sum x : f32[b,e]\n"
	    "t1 = mul t, t : f32[b,e]\nr = spread t1 : " X "\n"},
	{"rename", "", "t = rename x : f32[b,p3,e]\n"
	    "r1 = mul t, t : f32[b,p3,e]\nr = rename r1 : " X "\n"},
	{"rename of a parameter", "", "t = rename E1.we : f32[e,e3]\n"
	    "r1 = dot x, t : f32[b,s,e3]\nr2 = mul r1, r1 : f32[b,s,e3]\n"
	    "loss = sum r2 : f32[]\nreturn loss\n"},
	{"dot", "", "r = dot x, E1.we : f32[b,s,e2]\n"
	    "t = mul r, r : f32[b,s,e2]\nloss = sum t : f32[]\nreturn loss\n"},
	{"dot of values", "", "t = neg E1.we : f32[e,e2]\n"
	    "r = dot t, x : f32[b,s,e2]\n"
	    "t1 = mul r, r : f32[b,s,e2]\nloss = sum t1 : f32[]\n"
	    "return loss\n"},
	{"dot of the same", "", "r = dot x, x : f32[b]\n"
	    "t = mul r, r : f32[b]\nloss = sum t : f32[]\nreturn loss\n"},
	{"dot with shared dims", "", "t = dot x, E1.y : f32[b,s]\n"
	    "r = mul x, t : " X "\n"},
	{"dot into", "", "t = neg E1.y : " X "\nt2 = dot E1.we, E1.we : "
	    "f32[e]\nt1 = dot x, t2 : f32[b,s]\n"
	    "t3 = dot x, E1.y into !t1 : f32[b,s]\nr = mul t, t3 : " X "\n"},
	{"embed", "", "r = embed E1.emb, tok : " X "\n"},
	{"embed of a value", "", "t = exp E1.emb : f32[v,e]\n"
	    "r = embed t, tok : " X "\n"},
	{"positions", "", "i = iota : i32[s]\n"
	    "t = embed E1.pos, i : f32[s,e]\nr = add x, t : " X "\n"},
	ATTN("attn", "", ""),
	ATTN("attn full", "", " {mask=full, scale=0.7}"),
	ATTN("attn window", "", " {mask=window, window=2}"),
	ATTN("attn documents", ", doc", " {mask=same}"),
	{"xent", "", "lg = dot x, E1.head : f32[b,s,v]\n"
	    "t = mul lg, lg : f32[b,s,v]\nn = xent t, lab : f32[]\n"
	    "return n\n"},
	{"xent read twice", "", "lg = dot x, E1.head : f32[b,s,v]\n"
	    "n = xent lg, lab : f32[]\nt = sum lg : f32[]\n"
	    "n1 = add n, t : f32[]\nreturn n1\n"},
	{"xent.dot", "", "lg = dot x, E1.head : f32[b,s,v]\n"
	    "n = xent lg, lab : f32[]\nreturn n\n"},
	{"xent.dot of a value", "", "t = exp E1.head : f32[e,v]\n"
	    "lg = dot x, t : f32[b,s,v]\nn = xent lg, lab : f32[]\n"
	    "return n\n"},
	{"xent.dot and more", "", "lg = dot x, E1.head : f32[b,s,v]\n"
	    "n = xent lg, lab : f32[]\nt = sum x : f32[]\n"
	    "c2 = const {value=0.5} : f32[]\nt1 = mul t, c2 : f32[]\n"
	    "n1 = add n, t1 : f32[]\nreturn n1\n"},
	{"xent.dot squared", "", "lg = dot x, E1.head : f32[b,s,v]\n"
	    "n = xent lg, lab : f32[]\nn1 = mul n, n : f32[]\nreturn n1\n"},
	{"two heads", "", "lg = dot x, E1.head : f32[b,s,v]\n"
	    "n = xent lg, lab : f32[]\nlg1 = dot E1.emb, x : f32[b,s,v]\n"
	    "n2 = xent lg1, tok : f32[]\nn1 = add n, n2 : f32[]\n"
	    "return n1\n"},
	{"tied", "", "h = embed E1.emb, tok : " X "\nh1 = silu h : " X "\n"
	    "lg = dot h1, E1.emb : f32[b,s,v]\nn = xent lg, lab : f32[]\n"
	    "return n\n"},
	{"unused", "", "t = exp x : " X "\nt1 = silu t : " X "\n"
	    "r = mul x, E1.w : " X "\n"},
	{"many readers", "", "a = silu x : " X "\na1 = mul a, x : " X "\n"
	    "a2 = add a1, a : " X "\na3 = sub a2, x : " X "\n"
	    "a4 = mul a3, a1 : " X "\nr = add a4, a : " X "\n"},
	{"shared cotangent", "", "y = neg E1.y : " X "\n"
	    "t = dot x, E1.we : f32[b,s,e2]\nt1 = dot t, E1.we : " X "\n"
	    "r1 = add x, y : " X "\nr = add r1, t1 : " X "\n"},
	{"layers", LAYER,
	    "r = for l=0..L (h = x) {\nr1 = call layer(l, h)\nyield r1\n}\n"},
	{"layers twice", LAYER,
	    "h2 = for l=0..L (h = x) {\nr1 = call layer(l, h)\nyield r1\n}\n"
	    "r = for l=0..L rev (h3 = h2) {\nr2 = call layer(l, h3)\n"
	    "yield r2\n}\n"},
	{"two calls in a loop", LAYER,
	    "r = for l=0..L (h = x) {\nr1 = call layer(l, h)\n"
	    "r2 = call layer(l, r1)\nyield r2\n}\n"},
	{"a call outside of loops", LAYER, "r = call layer(1, x)\n"},
	{"layers of a constant", LAYER, "c2 = const {value=0.7} : f32[]\n"
	    "x2 = spread c2 : " X "\nx3 = mul x2, x2 : " X "\n"
	    "r1 = for l=0..L (h = x3) {\nr2 = call layer(l, h)\nyield r2\n}\n"
	    "r3 = call layer(0, x2)\nr = add r1, r3 : " X "\n"},
	{"a loop in a block", "fn layer(l:L, x : " X ") {\n"
	    "w = params @W[l] : f32\nc = const {value=0.7} : f32[]\n"
	    "x1 = mul x, c : " X "\nx2 = rmsnorm x1, w.w : " X "\n"
	    "x3 = for i=0..L (h = x2) {\nh1 = mul h, c : " X "\n"
	    "h2 = add h1, x1 : " X "\nyield h2\n}\n"
	    "r = mul x3, x1 : " X "\nreturn r\n}\n\n",
	    "r = for l=0..L (h = x) {\nr1 = call layer(l, h)\nyield r1\n}\n"},
	{"carries that wait for each other", "",
	    "c2 = const {value=0.3} : f32[]\nx2 = sum x : f32[]\n"
	    "p1, q1, r1 = for l=0..L (p2 = c2; q2 = c2; r2 = c2) {\n"
	    "p3 = mul p2, c2 : f32[]\np4 = add p3, q2 : f32[]\n"
	    "q3 = add q2, r2 : f32[]\nr3 = add r2, x2 : f32[]\n"
	    "yield p4, q3, r3\n}\nr = mul x, p1 : " X "\n"},
	{"captured", "fn layer(l:L, x : " X ", y : " X ", t : i32[b,s]) {\n"
	    "w = params @W[l] : f32\nh = mul x, y : " X "\n"
	    "h1 = mul h, w.w : " X "\nh2 = embed w.emb2, t : " X "\n"
	    "r = add h1, h2 : " X "\nreturn r\n}\n\n",
	    "y = silu x : " X "\n"
	    "r1 = for l=0..L (h = x) {\nr2 = call layer(l, h, y, tok)\n"
	    "yield r2\n}\nr = mul r1, y : " X "\n"},
	{"two carries", "fn layer(l:L, x : " X ", y : " X ") {\n"
	    "w = params @W[l] : f32\nh = mul x, y : " X "\n"
	    "h1 = mul h, w.w : " X "\nh2 = sum h1 : f32[]\n"
	    "return y, h1, h2\n}\n\n",
	    "t = silu x : " X "\nc2 = const {value=0} : f32[]\n"
	    "r, r3, a = for l=0..L (h = x; t1 = t; a1 = c2) {\n"
	    "r1, r2, u2 = call layer(l, h, t1)\na2 = add a1, u2 : f32[]\n"
	    "yield r1, r2, a2\n}\n"
	    "n = sum r : f32[]\nn1 = mul n, a : f32[]\nreturn n1\n"},
	{"a carry nobody reads", "fn layer(l:L, x : " X ", y : " X ") {\n"
	    "w = params @W[l] : f32\nh = mul x, w.w : " X "\n"
	    "h1 = mul h, y : " X "\nreturn h, h1\n}\n\n",
	    "t = silu x : " X "\n"
	    "r, r3 = for l=0..L (h = x; t1 = t) {\n"
	    "r1, r2 = call layer(l, h, t1)\nyield r1, r2\n}\n"},
	{"a loop without blocks", "",
	    "r = for l=0..L (h = x) {\nh1 = add h, E1.w : " X "\n"
	    "h2 = rope q {over=d} : " Q "\nh3 = sum h2 : f32[b,s]\n"
	    "h4 = spread h3 : " X "\nh5 = add h1, h4 : " X "\n"
	    "c2 = const {value=0.3} : f32[]\nh6 = mul h5, c2 : " X "\n"
	    "yield h6\n}\n"},
};

static const char *
text_of(struct arena *mem, const struct model *m)
{
	const char *ret = strstr(m->body, "return") ? "" :
	    "r0 = mul r, E1.x : " X "\nloss = sum r0 : f32[]\nreturn loss\n";

	return arena_printf(mem, "%s%sfn model(tok : i32[b,s], "
	    "lab : i32[b,s], doc : i32[b,s]) {\nE1 = params @E : f32\n"
	    "x = neg E1.x : " X "\nq = neg E1.q : " Q "\nc = neg E1.c : " KV
	    "\nu = silu E1.u : " KV "\n%s%s}\n", header, m->blocks, m->body,
	    ret);
}

static double
mean_loss(struct train *t)
{
	double nll, count;

	ck_assert(train_eval(t, &nll, &count));
	return nll / count;
}

/* The loss as a function of element j of a field. */
static double
loss_at(struct train *t, const struct bundle *b, int f, double *x, uint64_t j,
    double to)
{
	double was = x[j], loss;

	x[j] = to;
	interp_set(t->in, b, f, x);
	loss = mean_loss(t);
	x[j] = was;
	interp_set(t->in, b, f, x);
	return loss;
}

static void
compare_field(struct train *t, const char *name, const struct bundle *b, int f,
    double *grad, uint64_t every)
{
	uint64_t n;
	double *x = train_field(t, b, f, &n);

	for (uint64_t j = 0; j < n; j += every) {
		double want = (loss_at(t, b, f, x, j, x[j] + H) -
		    loss_at(t, b, f, x, j, x[j] - H)) / (2 * H);

		ck_assert_msg(fabs(grad[j] - want) <= TOL * (1 + fabs(want)),
		    "%s: gradient of %s.%s[%d] is %.12g, differences say "
		    "%.12g", name, b->name, b->field[f].name, (int)j, grad[j],
		    want);
	}
}

/* All gradients of t against differences; every: of so many elements, one. */
static void
compare(struct train *t, const char *name, uint64_t every)
{
	for (int i = 0; i < t->m->nbundle; i++) {
		const struct bundle *b = t->m->bundle[i];

		for (int f = 0; f < b->nfield && b->role == ROLE_PARAM; f++) {
			uint64_t n;
			double *grad = train_grad(t, b, f, &n);

			train_weights(t);
			compare_field(t, name, b, f, grad, every);
		}
	}
}

/* After all passes: fused, placed and written as a trainer runs them. */
START_TEST(one_op)
{
	const struct model *m = &models[_i];
	struct train t = {0};

	ck_assert_msg(train_load(&t, m->name, text_of(&t.mem, m), NULL),
	    "%s", text_of(&t.mem, m));
	train_inputs(&t, 4);
	for (int i = 0; i < 2; i++) { /* the second must not see the first */
		train_weights(&t);
		ck_assert_msg(train_step(&t), "%s", m->name);
	}
	compare(&t, m->name, 1);
	train_weights(&t);
	ck_assert_msg(fabs(mean_loss(&t) - t.loss) <= 1e-12 * (1 +
	    fabs(t.loss)), "%s: eval and step give different losses", m->name);
	train_free(&t);
}
END_TEST

/* What only a loop knows is not kept: the message names the value. */
START_TEST(refused)
{
	static const struct model m = {"refused", "",
	    "r = for l=0..L (h = x) {\nh1 = silu h : " X "\nyield h1\n}\n"};
	struct train t = {0};
	struct diag d;
	char *said;
	size_t len;
	const char *text = text_of(&t.mem, &m);

	t.src = (struct source){"refused", text, (uint32_t)strlen(text)};
	d = (struct diag){.src = &t.src, .out = open_memstream(&said, &len)};
	t.m = module_read(&t.mem, &d);
	ck_assert_ptr_nonnull(t.m);
	ck_assert_int_eq(pipeline_run(pipeline, t.m,
	    &(struct pipeline_options){.stop = "autodiff"}), PIPELINE_ERRORS);
	fclose(d.out);
	ck_assert_msg(strstr(said, "the derivative needs h, which is made "
	    "inside a loop") != NULL, "%s", said);
	free(said);
	arena_free(&t.mem);
}
END_TEST

/* -------------------------------------------------- every row of the table */

static void
see_code(struct op *op, void *arg)
{
	((bool *)arg)[op->code] = true;
}

/* Ops whose row passes a cotangent on: each must occur in a model above. */
START_TEST(every_row_is_met)
{
	static const enum opcode linear[] = {OP_EMBED, OP_ADD, OP_SUB, OP_MUL,
	    OP_DIV, OP_NEG, OP_SILU, OP_GELU, OP_GELU_TANH, OP_RELU, OP_TANH,
	    OP_SIGMOID, OP_EXP, OP_LOG, OP_SQRT, OP_RECIP, OP_SWIGLU,
	    OP_DROPOUT, OP_ROPE, OP_RMSNORM, OP_LAYERNORM, OP_SOFTMAX, OP_SUM,
	    OP_SPREAD, OP_RENAME, OP_ATTN, OP_XENT, OP_XENT_DOT, OP_CAST, OP_DOT, OP_FOR,
	    OP_CALL};
	bool seen[OP_COUNT] = {false};

	for (size_t i = 0; i < COUNT_OF(models); i++) {
		struct train t = {0};
		const char *text = text_of(&t.mem, &models[i]);

		ck_assert(train_load(&t, models[i].name, text, "read"));
		for (int j = 0; j < t.m->nfunc; j++)
			region_walk(&t.m->func[j]->body, see_code, seen);
		train_free(&t);
		ck_assert(train_load(&t, models[i].name,
		    text_of(&t.mem, &models[i]), "losshead"));
		for (int j = 0; j < t.m->nfunc; j++)
			region_walk(&t.m->func[j]->body, see_code, seen);
		train_free(&t);
	}
	for (size_t i = 0; i < COUNT_OF(linear); i++)
		ck_assert_msg(seen[linear[i]], "no model has %s",
		    op_info[linear[i]].name);
}
END_TEST

/* ------------------------------------------------------------ whole model */

static const char *
tiny(struct arena *mem)
{
	const char *text = train_file(mem, "tests/ir/tiny-forward.lir");

	ck_assert_msg(text != NULL, "tests/ir/tiny-forward.lir is missing");
	return text;
}

START_TEST(small_llama)
{
	struct train t = {0};

	ck_assert(train_load(&t, "tiny", tiny(&t.mem), "autodiff"));
	train_weights(&t);
	train_inputs(&t, 17);
	ck_assert(train_step(&t));
	compare(&t, "tiny", 7);
	train_free(&t);
}
END_TEST

/* The label that does not count is the loss's own, not always -100. */
START_TEST(other_ignore)
{
	static const struct model m = {"ignore", "",
	    "lg = dot x, E1.head : f32[b,s,v]\n"
	    "n = xent lg, lab {ignore=2} : f32[]\nreturn n\n"};
	struct train t = {0};
	double nll, count;
	int counted = 0;

	ck_assert(train_load(&t, m.name, text_of(&t.mem, &m), "autodiff"));
	train_weights(&t);
	train_inputs(&t, 4);
	for (uint64_t i = 0; i < t.tokens; i++) {
		if (t.arg[1][i] == -100)
			t.arg[1][i] = 2;
		counted += t.arg[1][i] != 2;
	}
	ck_assert(train_step(&t) && train_eval(&t, &nll, &count));
	ck_assert(count == counted && counted < (int)t.tokens);
	compare(&t, m.name, 1);
	train_free(&t);
}
END_TEST

/* m = (1 - beta1) g min(1, max / |g|): what AdamW got is the clipped one. */
START_TEST(clipped)
{
	static const struct model m = {"clip", "", "r = exp x : " X "\n"};
	struct train t = {0};
	const char *text = text_of(&t.mem, &m);
	const struct bundle *e;
	double *grad, *moment;
	uint64_t n;

	text = arena_printf(&t.mem, "%.*sset recipe.clip = 0.01\n"
	    "set recipe.beta1 = 0.75\n%s", (int)(strchr(text, '\n') + 1 -
	    text), text, strchr(text, '\n') + 1);
	ck_assert(train_load(&t, m.name, text, NULL));
	train_weights(&t);
	train_inputs(&t, 4);
	ck_assert(train_step(&t));
	ck_assert(t.gnorm > 0.02);
	e = module_bundle(t.m, "E");
	grad = train_grad(&t, e, 0, &n);
	moment = train_field(&t, module_bundle(t.m, "ME"), 0, &n);
	for (uint64_t i = 0; i < n; i++)
		ck_assert(fabs(moment[i] - 0.25 * grad[i] * 0.01 / t.gnorm) <
		    1e-15);
	train_free(&t);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("models");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, one_op, 0, (int)COUNT_OF(models));
	tcase_add_test(t, refused);
	tcase_add_test(t, every_row_is_met);
	tcase_add_test(t, other_ignore);
	tcase_add_test(t, clipped);
	tcase_add_test(t, small_llama);
	return suite_run("autodiff", t);
}
