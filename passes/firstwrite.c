/*
 * firstwrite: the first gradient of a step is stored, not added to zeros.
 *
 *   before                              after
 *   fn layer.bwd(l:L, dr) {             fn layer.bwd(l:L, dr) {
 *     @GW[l].w2 += dot a, dr              @GW[l].w2 = dot a, dr
 *   fn step(tok, lab) {                 fn step(tok, lab) {
 *     zero @GW, @GE                       zero @GE.pos
 *     dx = for l=0..L rev (dr = d) {      dx = for l=0..L rev (dr = d) {
 *       dx1 = call layer.bwd(l, dr)         dx1 = call layer.bwd(l, dr)
 *
 * A field's first writer is made a store if it provably meets every element
 * exactly once, before any other: at the top of step; or in a block that is
 * called once, by a loop over all layers, at the loop's index.  Fields nobody
 * writes stay zeroed.  With several microbatches nothing changes: only the
 * first would be a store, and clearing once costs little beside adding often.
 * Where blocks keep shares of sums, `@GW[l] += accum s` writes all fields.
 *
 * needs: all gradient writes.  keeps: values.  leaves: fewer zeroed fields.
 */
#include "config.h"

#include "passes/pass.h"
#include "passes/rewrite.h"

struct writer {
	struct op *op;
	int at[3];  /* position in step, in its loop, in the callee */
	bool whole; /* all elements, each once, when step comes by */
};

struct search {
	struct module *m;
	struct writer *w;
	int n, cap;
	int at[3];
};

static void
count_zero(struct op *op, void *arg)
{
	*(int *)arg += op->code == OP_ZERO;
}

static void
add_writer(struct search *s, struct op *op, bool whole)
{
	struct writer *old = s->w;

	if (!op->has_target || !op->target.b ||
	    op->target.b->role != ROLE_GRAD)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->w = NEW_N(s->m->mem, struct writer, (size_t)s->cap);
		for (int i = 0; i < s->n; i++)
			s->w[i] = old[i];
	}
	s->w[s->n++] = (struct writer){op, {s->at[0], s->at[1], s->at[2]},
	    whole};
}

static bool
is_var(const struct affine *a, const char *var)
{
	return a->n == 1 && a->k == 0 && a->coef[0] == 1 && a->mod == 0 &&
	    a->var[0] == var;
}

struct counter {
	const struct func *f;
	int n;
};

static void
count_call(struct op *op, void *arg)
{
	struct counter *c = arg;

	c->n += op->code == OP_CALL && op->callee == c->f;
}

static int
calls_of(const struct module *m, const struct func *f)
{
	struct counter c = {f, 0};

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, count_call, &c);
	return c.n;
}

/* A loop over exactly the layers of a bundle stacked along dim. */
static bool
covers(const struct op *loop, const char *dim)
{
	return loop->code == OP_FOR && !loop->lo.dim && loop->lo.k == 0 &&
	    loop->hi.dim == dim && loop->hi.k == 0;
}

static void
see_partial(struct search *s, const struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		add_writer(s, r->op[i], false);
		see_partial(s, &r->op[i]->body);
		if (r->op[i]->code == OP_CALL)
			see_partial(s, &r->op[i]->callee->body);
	}
}

static void
see_callee(struct search *s, const struct op *loop, const struct op *call)
{
	struct func *f = call->callee;
	bool once = calls_of(s->m, f) == 1 && call->indexed &&
	    is_var(&call->index, loop->var);

	for (int i = 0; i < f->body.n; i++) {
		struct op *op = f->body.op[i];

		s->at[2] = i;
		add_writer(s, op, once && op->has_target && op->target.b &&
		    op->target.indexed && is_var(&op->target.index, f->index)
		    && covers(loop, op->target.b->stack));
		see_partial(s, &op->body);
	}
	s->at[2] = 0;
}

static void
see_loop(struct search *s, const struct op *loop)
{
	for (int i = 0; i < loop->body.n; i++) {
		struct op *op = loop->body.op[i];

		s->at[1] = i;
		add_writer(s, op, false);
		see_partial(s, &op->body);
		if (op->code == OP_CALL)
			see_callee(s, loop, op);
	}
	s->at[1] = 0;
}

static void
see_step(struct search *s, const struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		s->at[0] = i;
		add_writer(s, op, op->has_target && op->target.b &&
		    !op->target.b->stack);
		if (op->code == OP_FOR)
			see_loop(s, op);
		if (op->code == OP_CALL)
			see_partial(s, &op->callee->body);
	}
}

/* ------------------------------------------------------------ first writers */

static bool
earlier(const struct writer *a, const struct writer *b)
{
	for (int i = 0; i < 3; i++)
		if (a->at[i] != b->at[i])
			return a->at[i] < b->at[i];
	return false;
}

static bool
writes(const struct writer *w, const struct bundle *b, int field)
{
	return w->op->target.b == b && (w->op->target.kind == ARG_BUNDLE ||
	    w->op->target.field == field);
}

/* The writer that may store, or NULL: all in its loop must be as regular. */
static struct writer *
first_writer(struct search *s, const struct bundle *b, int field)
{
	struct writer *first = NULL;

	for (int i = 0; i < s->n; i++)
		if (writes(&s->w[i], b, field) &&
		    (!first || earlier(&s->w[i], first)))
			first = &s->w[i];
	if (!first || !first->whole)
		return NULL;
	for (int i = 0; i < s->n; i++)
		if (writes(&s->w[i], b, field) && !s->w[i].whole &&
		    s->w[i].at[0] == first->at[0])
			return NULL;
	return first;
}

static int
find_zero(const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->op[i]->code == OP_ZERO)
			return i;
	return -1;
}

static bool
zeroes(const struct op *zero, const struct bundle *b)
{
	for (int i = 0; i < zero->nin; i++)
		if (zero->in[i].kind == ARG_BUNDLE && zero->in[i].b == b)
			return true;
	return false;
}

struct reads {
	const struct bundle *b;
	bool any;
};

static void
see_read(struct op *op, void *arg)
{
	struct reads *r = arg;

	for (int i = 0; i < op->nin; i++)
		r->any |= op->in[i].b == r->b && op->code != OP_ZERO &&
		    op->code != OP_LOCAL;
}

/* True if an op of step from position `from` up to `to` reads b. */
static bool
read_between(const struct region *r, const struct bundle *b, int from, int to)
{
	struct reads x = {b, false};

	for (int i = from; i <= to; i++) {
		see_read(r->op[i], &x);
		region_walk(&r->op[i]->body, see_read, &x);
	}
	return x.any;
}

static bool
may_store(const struct region *r, const struct bundle *b,
    const struct writer *w, int zero_at)
{
	return w && w->at[0] > zero_at && w->op->target_add &&
	    !read_between(r, b, zero_at, w->at[0]);
}

/* Whole layers are written: all that is zeroed is the bundle, or nothing. */
static int
store_layers(struct search *s, const struct region *r, struct bundle *b,
    int zero_at, struct arg *in)
{
	struct writer *w = first_writer(s, b, 0);

	if (may_store(r, b, w, zero_at)) {
		w->op->target_add = false;
		return 0;
	}
	in[0] = arg_bundle(b);
	return 1;
}

/* Makes stores of b's first writers; adds what must be zeroed to in. */
static int
store_fields(struct search *s, const struct region *r, struct bundle *b,
    int zero_at, struct arg *in)
{
	int n = 0;

	if (b->flat.n)
		return store_layers(s, r, b, zero_at, in);
	for (int f = 0; f < b->nfield; f++) {
		struct writer *w = first_writer(s, b, f);

		if (may_store(r, b, w, zero_at))
			w->op->target_add = false;
		else
			in[n++] = arg_bundle_field(b, NULL, f);
	}
	if (n == b->nfield) {
		in[0] = arg_bundle(b);
		n = n > 0;
	}
	return n;
}

static void
store_first(struct search *s, struct region *r, int zero_at)
{
	struct op *zero = r->op[zero_at];
	struct arg *in;
	int nfield = 0, n = 0;

	for (int i = 0; i < s->m->nbundle; i++)
		nfield += s->m->bundle[i]->nfield;
	in = NEW_N(s->m->mem, struct arg, (size_t)(nfield + zero->nin) + 1);
	for (int i = 0; i < s->m->nbundle; i++)
		if (zeroes(zero, s->m->bundle[i]))
			n += store_fields(s, r, s->m->bundle[i],
			    zero_at, in + n);
	for (int i = 0; i < zero->nin; i++)
		if (zero->in[i].kind != ARG_BUNDLE)
			in[n++] = zero->in[i];
	zero->in = in;
	zero->nin = n;
	for (int i = zero_at; n == 0 && i + 1 < r->n; i++)
		r->op[i] = r->op[i + 1];
	r->n -= n == 0;
}

/* Step must begin by clearing: one zero, and nothing reads before writes. */
static int
firstwrite(struct module *m)
{
	struct func *step = module_func(m, "step");
	struct search s = {.m = m};
	int zeros = 0, at;

	if (!step)
		return 0;
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, count_zero, &zeros);
	at = find_zero(&step->body);
	if (at < 0 || zeros != 1)
		return 0;
	see_step(&s, &step->body);
	store_first(&s, &step->body, at);
	return 0;
}

const struct pass pass_firstwrite = {
	.name = "firstwrite",
	.summary = "the first gradient of a step is stored, not added",
	.run = firstwrite,
};
