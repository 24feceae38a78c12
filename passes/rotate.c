/*
 * rotate: parameters of the next layers come, gradients of the last one leave,
 * while a layer is computed.
 *
 *   before                              after
 *   fn layer(l:L, x) {                  fn layer(l:L, x, ~w1 : @W f32) {
 *     w = gather @W[l] on hp              w = wait ~w1
 *                                         ~w2 = gather @W[l+1] on hp when l+1<L
 *     return y                            return y, ~w2
 *   fn step(..) {                         ~w0 = gather @W[0] on hp
 *     y = for l=0..L (h = x) {            y, ~wx = for l=0..L (h = x; ~w = ~w0) {
 *       r = call layer(l, h)                r, ~wn = call layer(l, h, ~w)
 *       yield r                             yield r, ~wn
 *
 * and in backward, where loops run down,
 *
 *   s = rscatter g on hp                  s1 = wait ~s0 when l+1<L
 *   @GW[l] += accum s                     @GW[l+1] += accum s1 when l+1<L
 *                                         ..
 *                                         ~s = rscatter g on hp
 *                                         return dx, ~s
 *
 * with the last one awaited behind the loop.  plan.prefetch says how many
 * layers ahead parameters come, no more than there are: with 2 the block asks
 * for @W[l+2], and loops hold what is on its way in a row of carries,
 *
 *   y, ~wx, ~wy = for l=0..L (h = x; ~w = ~w0; ~v = ~v0) {
 *     r, ~wn = call layer(l, h, ~w)
 *     yield r, ~v, ~wn
 *
 * whose buffers memory lets take turns.  Gradients always leave one layer
 * late: each is awaited before the next is there, so there is one buffer on
 * its way.  With 0 all is left as it is.
 *
 * What backward fetches from the host comes one layer ahead alike.
 *
 * A gather is moved only if nothing in any of the loops writes its bundle, a
 * scatter only if nothing else touches the layer it goes to; every call must
 * be one of a loop over all layers.  What happens is the same, trips earlier
 * or later, so the values are bit for bit what they were.
 *
 * needs: stage d.  keeps: values.  leaves: futures that loops carry.
 */
#include "config.h"

#include <string.h>

#include "passes/effects.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

enum { MAX_SITES = 16, MAX_AHEAD = 2 };

struct site { /* a call of f in a loop over its layers */
	struct func *in;
	struct region *r; /* holds the loop */
	struct op *loop, *call;
};

struct rotation {
	struct module *m;
	struct func *f;
	struct site site[MAX_SITES];
	int n;
	bool bad;
};

/* ------------------------------------------------------------- call sites */

static bool
is_var(const struct affine *a, const char *var)
{
	return a->n == 1 && a->k == 0 && a->coef[0] == 1 && a->mod == 0 &&
	    a->var[0] == var;
}

/* The loop counts all layers of f, and calls it once, for its layer. */
static bool
covers(const struct rotation *t, const struct op *loop, const struct op *call)
{
	return loop && is_var(&call->index, loop->var) && !loop->lo.dim &&
	    loop->lo.k == 0 && bound_eval(t->m, &loop->hi) ==
	    module_dim(t->m, t->f->index_dim)->size;
}

static void
find_sites(struct rotation *t, struct func *in, struct region *outer,
    struct op *loop, struct region *r)
{
	int calls = 0;

	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op->code == OP_FOR)
			find_sites(t, in, r, op, &op->body);
		if (op->code != OP_CALL || op->callee != t->f)
			continue;
		t->bad |= ++calls > 1 || t->n == MAX_SITES ||
		    !covers(t, loop, op);
		if (!t->bad)
			t->site[t->n++] = (struct site){in, outer, loop, op};
	}
}

static struct rotation
rotation_of(struct module *m, struct func *f)
{
	struct rotation t = {.m = m, .f = f};

	for (int i = 0; i < m->nfunc; i++)
		find_sites(&t, m->func[i], NULL, NULL, &m->func[i]->body);
	for (int i = 1; i < t.n; i++)
		t.bad |= t.site[i].loop->rev != t.site[0].loop->rev;
	t.bad |= t.n == 0 || !f->index;
	return t;
}

/* Does any of the loops write b, or, with reads, touch it at all? */
static int
touches(const struct rotation *t, const struct bundle *b, bool reads)
{
	int n = 0;

	for (int i = 0; i < t->n; i++) {
		struct effects e = {.n = 0};

		effects_add(t->m, &e, t->site[i].loop);
		for (int j = 0; j < e.n; j++)
			n += e.e[j].what == (b->over ? b->over : b) &&
			    (reads || e.e[j].write);
	}
	return n;
}

/* ------------------------------------------- one more value in and out */

static struct value *
bundle_value(struct module *m, struct func *f, const char *base,
    const struct value *like, bool future)
{
	struct value *v = func_value(m, f, func_fresh(m, f, base), like->type,
	    like->at);

	v->bundle = like->bundle;
	v->dtype = like->dtype;
	v->flat = like->flat;
	v->pend = like->pend;
	v->future = future;
	return v;
}

static void
add_carry(struct module *m, struct op *loop, struct value *v)
{
	struct value **old = loop->carry;
	size_t n = (size_t)loop->nin; /* v's start is in[] already */

	loop->carry = NEW_N(m->mem, struct value *, n);
	if (n > 1)
		memcpy(loop->carry, old, sizeof *old * (n - 1));
	loop->carry[n - 1] = v;
}

static struct value *
add_param(struct rotation *t, const char *base, const struct value *like)
{
	struct value *v = func_add_param(t->m, t->f, func_fresh(t->m, t->f,
	    base), like->type, like->at);

	v->bundle = like->bundle;
	v->dtype = like->dtype;
	v->flat = like->flat;
	v->pend = like->pend;
	v->future = true;
	return v;
}

static struct value *
alike(struct rotation *t, const struct site *s, const struct value *v)
{
	return bundle_value(t->m, s->in, v->name, v, true);
}

/*
 * The loop of a site carries n futures that move up from trip to trip: the
 * call takes the first, what comes out of it is the next last one.  In v,
 * what they start with; then, what the loop leaves.
 */
static void
thread(struct rotation *t, struct site *s, struct value **v, int n)
{
	struct op *yield = region_last(&s->loop->body);
	struct value *carry[MAX_AHEAD] = {NULL}, *next;

	for (int i = 0; i < n; i++) {
		carry[i] = alike(t, s, v[i]);
		op_add_in(t->m, s->loop, v[i]);
		add_carry(t->m, s->loop, carry[i]);
	}
	next = alike(t, s, v[0]);
	op_add_in(t->m, s->call, carry[0]);
	op_add_out(t->m, s->call, next);
	for (int i = 0; i < n; i++) {
		op_add_in(t->m, yield, i + 1 < n ? carry[i + 1] : next);
		v[i] = alike(t, s, v[i]);
		op_add_out(t->m, s->loop, v[i]);
	}
}

static int
position(const struct region *r, const struct op *op)
{
	int i = 0;

	while (r->op[i] != op)
		i++;
	return i;
}

/* l + by, for the layer of f or as a number. */
static struct affine
layer_at(const struct func *f, int64_t by)
{
	struct affine a = affine_var(f->index);

	a.k = by;
	return a;
}

/* There is a layer l + by: l+1 < L, or l > 0, l-1 > 0. */
static struct cond
exists(const struct func *f, int by)
{
	struct cond c = {.set = true, .cmp = by > 0 ? '<' : '>'};

	c.a = layer_at(f, by > 0 ? by : by + 1);
	if (by > 0)
		c.b.dim = f->index_dim;
	return c;
}

/* ------------------------------------------------------------ what comes */

/* w = gather @B[l], straight in the body of f. */
static bool
is_gather(const struct rotation *t, const struct op *op)
{
	return op->code == OP_GATHER && op->in[0].kind == ARG_BUNDLE &&
	    op->in[0].indexed && is_var(&op->in[0].index, t->f->index) &&
	    !op->has_target && !op->out[0]->future && !op->when.set;
}

/* x = fetch BLOCK.x at l, straight in the body of f. */
static bool
is_fetch(const struct rotation *t, const struct op *op)
{
	return op->code == OP_FETCH && is_var(&op->index, t->f->index) &&
	    !op->out[0]->future && !op->when.set;
}

/* A copy of the gather or fetch for another layer. */
static struct op *
gather_of(struct rotation *t, struct func *f, const struct op *like,
    struct affine layer, const char *name)
{
	struct op *op = op_new(t->m, (enum opcode)like->code, like->nin, 1,
	    like->at);

	if (like->nin) {
		op->in[0] = like->in[0];
		op->in[0].index = layer;
	} else {
		op->callee = like->callee;
		op->kept = like->kept;
		op->indexed = true;
		op->index = layer;
	}
	if (like->nhop)
		memcpy(op_set_hops(t->m, op, like->nhop), like->hop,
		    sizeof *like->hop * like->nhop);
	op->out[0] = bundle_value(t->m, f, name, like->out[0], true);
	op->out[0]->def = op;
	return op;
}

/* Layers ahead; those in front of the loop must exist.  One fetch at a time:
 * what backward reads is large. */
static int
distance(const struct rotation *t, const struct op *op)
{
	int n = (int)module_number(t->m, "plan.prefetch", 1);
	uint64_t layers = module_dim(t->m, t->f->index_dim)->size;

	n = op->code == OP_FETCH ? 1 : n > MAX_AHEAD ? MAX_AHEAD : n;
	return (uint64_t)n > layers ? (int)layers : n;
}

/* Before the loop the first n layers are sent for. */
static void
fetch_first(struct rotation *t, struct site *s, const struct op *gather,
    const char *name, int n)
{
	uint64_t layers = module_dim(t->m, t->f->index_dim)->size;
	struct value *v[MAX_AHEAD];

	for (int i = 0; i < n; i++) {
		struct op *op = gather_of(t, s->in, gather,
		    affine_const(s->loop->rev ? (int64_t)layers - 1 - i : i),
		    name);

		region_insert(t->m, s->r, position(s->r, s->loop), op);
		v[i] = op->out[0];
	}
	thread(t, s, v, n);
}

static void
prefetch(struct rotation *t, struct op *gather)
{
	struct region *body = &t->f->body;
	struct op *wait = op_new(t->m, OP_WAIT, 1, 1, gather->at), *next;
	int n = distance(t, gather), by = t->site[0].loop->rev ? -n : n;
	int at = position(body, gather);
	const char *name = gather->out[0]->name;

	next = gather_of(t, t->f, gather, layer_at(t->f, by), name);
	next->when = exists(t->f, by);
	wait->in[0] = arg_value(add_param(t, name, gather->out[0]));
	wait->out[0] = gather->out[0];
	wait->out[0]->def = wait;
	body->op[at] = wait;
	region_insert(t->m, body, at + 1, next);
	op_add_in(t->m, region_last(body), next->out[0]);
	for (int i = 0; i < t->n; i++)
		fetch_first(t, &t->site[i], gather, name, n);
}

/* --------------------------------------------------------------- scatters */

/* @B[l] += accum s with s = rscatter g of this body; s's op, or NULL. */
static struct op *
is_store(const struct rotation *t, const struct op *op)
{
	struct op *s = op->nin ? (op->in[0].kind == ARG_VALUE ?
	    op->in[0].v->def : NULL) : NULL;

	if (op->code != OP_ACCUM || op->target.kind != ARG_BUNDLE ||
	    !op->target.indexed || op->when.set ||
	    !is_var(&op->target.index, t->f->index))
		return NULL;
	return s && s->code == OP_RSCATTER && !s->out[0]->future &&
	    count_uses(t->f, s->out[0]) == 1 ? s : NULL;
}

/* @B[layer] = or += accum v, in function f */
static struct op *
store_of(struct rotation *t, struct func *f, const struct op *like,
    struct value *v, struct affine layer)
{
	struct op *op = op_new(t->m, OP_ACCUM, 1, 1, like->at);

	op->in[0] = arg_value(v);
	op->has_target = true;
	op->target_add = like->target_add;
	op->target = like->target;
	op->target.index = layer;
	op->out[0] = func_value(t->m, f, NULL, NULL, like->at);
	op->out[0]->bundle = like->target.b;
	op->out[0]->dtype = v->dtype;
	op->out[0]->flat = v->flat;
	op->out[0]->pend = v->pend;
	op->out[0]->def = op;
	return op;
}

static struct op *
wait_of(struct rotation *t, struct func *f, struct value *future)
{
	struct op *op = op_new(t->m, OP_WAIT, 1, 1, future->at);

	op->in[0] = arg_value(future);
	op->out[0] = bundle_value(t->m, f, future->name, future, false);
	op->out[0]->def = op;
	return op;
}

/* Before the loop nothing is under way: a future that nobody awaits. */
static struct op *
nothing(struct rotation *t, struct func *f, const struct op *scatter)
{
	struct op *op = op_new(t->m, OP_LOCAL, 1, 1, scatter->at);

	op->in[0] = arg_bundle(scatter->out[0]->bundle);
	op->out[0] = bundle_value(t->m, f, scatter->out[0]->name,
	    scatter->out[0], true);
	op->out[0]->def = op;
	return op;
}

/* Where the image of the scatter is first there: before that comes the wait. */
static int
image_position(const struct rotation *t, const struct op *scatter)
{
	return position(&t->f->body, scatter->in[0].v->def);
}

static void
sink_site(struct rotation *t, struct site *s, const struct op *scatter,
    const struct op *store)
{
	struct op *none = nothing(t, s->in, scatter), *wait, *last;
	struct value *left = none->out[0];
	int at;

	region_insert(t->m, s->r, position(s->r, s->loop), none);
	thread(t, s, &left, 1);
	wait = wait_of(t, s->in, left);
	last = store_of(t, s->in, store, wait->out[0], affine_const(0));
	at = position(s->r, s->loop) + 1;
	region_insert(t->m, s->r, at, wait);
	region_insert(t->m, s->r, at + 1, last);
}

static void
sink(struct rotation *t, struct op *scatter, struct op *store)
{
	struct region *body = &t->f->body;
	struct value *param = add_param(t, scatter->out[0]->name,
	    scatter->out[0]);
	struct op *wait = wait_of(t, t->f, param), *last;
	int at = image_position(t, scatter);

	last = store_of(t, t->f, store, wait->out[0], layer_at(t->f, 1));
	wait->when = last->when = exists(t->f, 1);
	for (int i = position(body, store); i + 1 < body->n; i++)
		body->op[i] = body->op[i + 1];
	body->n--;
	region_insert(t->m, body, at, wait);
	region_insert(t->m, body, at + 1, last);
	scatter->out[0]->future = true;
	op_add_in(t->m, region_last(body), scatter->out[0]);
	for (int i = 0; i < t->n; i++)
		sink_site(t, &t->site[i], scatter, store);
}

/* Both halves of the pass for one function. */
static void
rotate_func(struct module *m, struct func *f)
{
	struct rotation t = rotation_of(m, f);

	for (int i = 0; i < f->body.n && !t.bad; i++) {
		struct op *op = f->body.op[i], *scatter;

		if (is_fetch(&t, op) || (is_gather(&t, op) &&
		    !touches(&t, op->in[0].b, false))) {
			prefetch(&t, op);
			continue;
		}
		scatter = is_store(&t, op);
		if (scatter && t.site[0].loop->rev &&
		    touches(&t, op->target.b, true) == t.n) {
			sink(&t, scatter, op);
			i++; /* two came before, one went */
		}
	}
}

static int
rotate(struct module *m)
{
	for (int i = 0; i < m->nfunc &&
	    module_number(m, "plan.prefetch", 1) > 0; i++)
		rotate_func(m, m->func[i]);
	return 0;
}

const struct pass pass_rotate = {
	.name = "rotate",
	.summary = "parameters come layers early, gradients leave one late",
	.run = rotate,
};
