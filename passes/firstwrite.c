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

#include <stdlib.h>

struct writer {
	struct op *op;
	int at[3];  /* position in step, in its loop, in the callee */
	int seen;   /* how many were found before */
	bool whole; /* all elements, each once, when step comes by */
};

struct read {
	const struct bundle *b;
	int at; /* position in step */
};

struct search {
	struct module *m;
	struct writer *w; /* in the end by place, see by_place */
	int n, cap;
	int at[3];
	struct read *read; /* from the zero on, by bundle, the first one first */
	int nread, readcap;
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
	s->w[s->n] = (struct writer){op, {s->at[0], s->at[1], s->at[2]}, s->n,
	    whole};
	s->n++;
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

static int
compare(uintptr_t a, uintptr_t b)
{
	return a < b ? -1 : a > b;
}

/* The field that is written, or -1: whole layers. */
static int
field_of(const struct arg *target)
{
	return target->kind == ARG_BUNDLE ? -1 : target->field;
}

static int
by_place(const void *a, const void *b)
{
	const struct writer *x = a, *y = b;
	const struct arg *s = &x->op->target, *t = &y->op->target;

	if (s->b != t->b)
		return compare((uintptr_t)s->b, (uintptr_t)t->b);
	if (field_of(s) != field_of(t))
		return field_of(s) < field_of(t) ? -1 : 1;
	return x->seen < y->seen ? -1 : x->seen > y->seen;
}

/* Where the writers of this field of b begin, and how many there are. */
static struct writer *
writers_of(const struct search *s, const struct bundle *b, int field, int *n)
{
	int lo = 0, hi = s->n;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		const struct arg *t = &s->w[mid].op->target;

		if ((uintptr_t)t->b < (uintptr_t)b ||
		    (t->b == b && field_of(t) < field))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*n = 0; lo + *n < s->n; ++*n)
		if (s->w[lo + *n].op->target.b != b ||
		    field_of(&s->w[lo + *n].op->target) != field)
			break;
	return &s->w[lo];
}

static struct writer *
first_of(struct writer *w, int n, struct writer *first)
{
	for (int i = 0; i < n; i++)
		if (!first || earlier(&w[i], first))
			first = &w[i];
	return first;
}

static bool
all_regular(const struct writer *w, int n, const struct writer *first)
{
	for (int i = 0; i < n; i++)
		if (!w[i].whole && w[i].at[0] == first->at[0])
			return false;
	return true;
}

/* The writer that may store, or NULL: all in its loop must be as regular. */
static struct writer *
first_writer(const struct search *s, const struct bundle *b, int field)
{
	int nlayer, nfield;
	struct writer *layer = writers_of(s, b, -1, &nlayer);
	struct writer *one = writers_of(s, b, field, &nfield);
	struct writer *first = first_of(one, nfield, first_of(layer, nlayer,
	    NULL));

	return first && first->whole && all_regular(layer, nlayer, first) &&
	    all_regular(one, nfield, first) ? first : NULL;
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

static void
add_read(struct search *s, const struct bundle *b)
{
	struct read *old = s->read;

	if (s->nread == s->readcap) {
		s->readcap = s->readcap ? 2 * s->readcap : 64;
		s->read = NEW_N(s->m->mem, struct read, (size_t)s->readcap);
		for (int i = 0; i < s->nread; i++)
			s->read[i] = old[i];
	}
	s->read[s->nread++] = (struct read){b, s->at[0]};
}

static void
see_read(struct op *op, void *arg)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].b && op->code != OP_ZERO &&
		    op->code != OP_LOCAL)
			add_read(arg, op->in[i].b);
}

static int
by_bundle(const void *a, const void *b)
{
	const struct read *x = a, *y = b;

	if (x->b != y->b)
		return compare((uintptr_t)x->b, (uintptr_t)y->b);
	return x->at < y->at ? -1 : x->at > y->at;
}

static void
see_reads(struct search *s, const struct region *r, int zero_at)
{
	for (int i = zero_at; i < r->n; i++) {
		s->at[0] = i;
		see_read(r->op[i], s);
		region_walk(&r->op[i]->body, see_read, s);
	}
	if (s->nread)
		qsort(s->read, (size_t)s->nread, sizeof *s->read, by_bundle);
}

/* True if an op of step from the zero up to position `to` reads b. */
static bool
read_before(const struct search *s, const struct bundle *b, int to)
{
	int lo = 0, hi = s->nread;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if ((uintptr_t)s->read[mid].b < (uintptr_t)b)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nread && s->read[lo].b == b && s->read[lo].at <= to;
}

static bool
may_store(const struct search *s, const struct bundle *b,
    const struct writer *w, int zero_at)
{
	return w && w->at[0] > zero_at && w->op->target_add &&
	    !read_before(s, b, w->at[0]);
}

/* Whole layers are written: all that is zeroed is the bundle, or nothing. */
static int
store_layers(struct search *s, struct bundle *b, int zero_at, struct arg *in)
{
	struct writer *w = first_writer(s, b, 0);

	if (may_store(s, b, w, zero_at)) {
		w->op->target_add = false;
		return 0;
	}
	in[0] = arg_bundle(b);
	return 1;
}

/* Makes stores of b's first writers; adds what must be zeroed to in. */
static int
store_fields(struct search *s, struct bundle *b, int zero_at, struct arg *in)
{
	int n = 0;

	if (b->flat.n)
		return store_layers(s, b, zero_at, in);
	for (int f = 0; f < b->nfield; f++) {
		struct writer *w = first_writer(s, b, f);

		if (may_store(s, b, w, zero_at))
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
			n += store_fields(s, s->m->bundle[i], zero_at,
			    in + n);
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
	if (s.n)
		qsort(s.w, (size_t)s.n, sizeof *s.w, by_place);
	see_reads(&s, &step->body, at);
	store_first(&s, &step->body, at);
	return 0;
}

const struct pass pass_firstwrite = {
	.name = "firstwrite",
	.summary = "the first gradient of a step is stored, not added",
	.run = firstwrite,
};
