/*
 * Whether a mesh fits the machines, the heads and the sequence of a model.
 * Every message has the arithmetic and the nearest numbers that would do.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/setting.h"

enum { MAX_RING = 127 }; /* a skewed coordinate is a signed byte */

/* ---------------------------------------------------- attention of a model */

struct heads {
	struct unit *u;
	struct choices *c;
	bool any, other; /* any attention; one that is no sliding window */
	bool full;       /* queries see what comes after them */
	uint64_t common; /* gcd of the kv heads, so far */
	uint64_t all;    /* gcd of the query heads */
	bool bad;        /* reported */
};

static uint64_t
gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

static const struct type *
query_type(const struct op *op)
{
	return op->in[0].kind == ARG_VALUE ? op->in[0].v->type : NULL;
}

static void
see_attention(struct op *op, void *arg)
{
	struct heads *h = arg;
	const struct type *q;
	uint64_t k, all;
	int64_t mask;

	if (op->code != OP_ATTN || !(q = query_type(op)))
		return;
	dims_product(h->u, q, 2, q->rank - 1, &all);
	k = dim_size(h->u, q->d[2].name);
	mask = op_int(op, ATTR_MASK);
	h->any = true;
	h->full |= mask == MASK_FULL;
	h->other |= mask != MASK_WINDOW;
	h->common = gcd(k, h->common);
	h->all = gcd(all, h->all);
}

/* hp must divide the query heads; then hk hr splits kv heads and groups. */
static void
check_attention(struct op *op, void *arg)
{
	struct heads *h = arg;
	struct mesh *x = &h->c->mesh;
	const struct type *q;
	const char *text;
	uint64_t all, k;
	bool found = x->hr == 1;

	if (op->code != OP_ATTN || h->bad || !(q = query_type(op)))
		return;
	text = dims_product(h->u, q, 2, q->rank - 1, &all);
	k = dim_size(h->u, q->d[2].name);
	for (int i = 3; i < q->rank - 1; i++)
		found |= dim_size(h->u, q->d[i].name) % x->hr == 0;
	if (all % x->hp == 0 && found)
		return;
	h->bad = true;
	if (all % x->hp)
		choice_error(h->u, mesh_said(h->c, SET_plan_hp), DIAG_HEADS,
		    "hp = %" PRIu64 " does not divide the %" PRIu64
		    " query heads (%s); nearest: %s", x->hp, all, text,
		    nearest_divisors(h->u, h->all, x->hp));
	else
		choice_error(h->u, mesh_said(h->c, SET_plan_hp), DIAG_HEADS,
		    "hp = %" PRIu64 " is hk*hr = %" PRIu64 "*%" PRIu64 ": hk "
		    "splits the %" PRIu64 " kv heads, but hr divides no group "
		    "of query heads (%s); nearest: %s", x->hp, x->hk, x->hr, k,
		    text, nearest_divisors(h->u, h->common, x->hp));
}

static void
walk_all(struct unit *u, void (*fn)(struct op *op, void *arg), void *arg)
{
	for (int i = 0; i < u->m->nfunc; i++)
		region_walk(&u->m->func[i]->body, fn, arg);
}

/* ----------------------------------------------------------------- product */

struct near_mesh {
	uint64_t dp, hp, cp, inner;
	double far; /* sum of |log2| of what changes */
};

static bool
closer(const struct near_mesh *a, const struct near_mesh *b)
{
	if (fabs(a->far - b->far) > 1e-9)
		return a->far < b->far;
	return a->dp != b->dp ? a->dp < b->dp : a->hp < b->hp;
}

static void
offer(struct near_mesh *best, int *n, int max, struct near_mesh x)
{
	int i = *n < max ? (*n)++ : max;

	for (; i > 0 && closer(&x, &best[i - 1]); i--)
		if (i < max)
			best[i] = best[i - 1];
	if (i < max)
		best[i] = x;
}

static double
change(uint64_t a, uint64_t b)
{
	return fabs(log2((double)a) - log2((double)b));
}

static bool
rings_fit(uint64_t cp, uint64_t inner)
{
	return cp % inner == 0 && inner <= MAX_RING && cp / inner <= MAX_RING;
}

/* The inner ring of that many ranks that is the nearest to the plan's; 0: none. */
static uint64_t
nearest_inner(const struct choices *c, uint64_t cp)
{
	const struct mesh *x = &c->mesh;
	uint64_t best = 0;

	if (x->blocks || !c->c[SET_plan_inner].set)
		return rings_fit(cp, cp) ? cp : 0;
	for (uint64_t i = 1; i <= cp; i++)
		if (rings_fit(cp, i) && (!best ||
		    change(i, x->inner) < change(best, x->inner)))
			best = i;
	return best;
}

/* What checks further on say of such a mesh. */
static bool
is_legal(struct unit *u, const struct choices *c, const struct heads *h,
    const struct near_mesh *n)
{
	struct mesh x = c->mesh;
	uint64_t s = number_or(c, SET_recipe_s, 64), unit;
	uint64_t seqs = dim_size(u, "b");

	if (module_dim(u->m, "mb"))
		seqs *= dim_size(u, "mb");
	x.dp = n->dp;
	x.hp = n->hp;
	x.cp = n->cp;
	unit = mesh_padded(&x, 1);
	return n->inner && seqs % n->dp == 0 &&
	    seqs / n->dp % number_or(c, SET_plan_micro, 1) == 0 &&
	    (!h->any || h->all % n->hp == 0) &&
	    (s % unit == 0 || (s > unit && !h->full));
}

static const char *
mesh_list(struct unit *u, const struct choices *c, const struct near_mesh *best,
    int n)
{
	struct buf b = {0};
	const char *text;

	for (int i = 0; i < n; i++) {
		buf_printf(&b, "%sdp=%" PRIu64 " hp=%" PRIu64 " cp=%" PRIu64,
		    i ? ", " : "; nearest: ", best[i].dp, best[i].hp,
		    best[i].cp);
		if (c->c[SET_plan_inner].set && best[i].inner != c->mesh.inner)
			buf_printf(&b, " inner=%" PRIu64, best[i].inner);
	}
	if (!n)
		buf_puts(&b, "; no mesh of so many is legal");
	text = arena_strndup(u->mem, buf_text(&b), b.len);
	buf_free(&b);
	return text;
}

/* Legal meshes of that many ranks. */
static const char *
nearest_meshes(struct unit *u, const struct choices *c, const struct heads *h,
    uint64_t ranks)
{
	const struct mesh *x = &c->mesh;
	struct near_mesh best[3];
	int n = 0;

	for (uint64_t hp = 1; hp <= ranks && hp <= 4096; hp++)
		for (uint64_t cp = 1; ranks % hp == 0 && cp <= ranks / hp &&
		    cp <= 4096; cp++) {
			struct near_mesh near = {ranks / hp / cp, hp, cp};

			if (ranks / hp % cp)
				continue;
			near.inner = nearest_inner(c, cp);
			near.far = change(near.dp, x->dp) +
			    change(hp, x->hp) + change(cp, x->cp);
			if (is_legal(u, c, h, &near))
				offer(best, &n, 3, near);
		}
	return mesh_list(u, c, best, n);
}

static const struct chosen *
first_said(const struct choices *c)
{
	static const int order[] = {SET_plan_dp, SET_plan_hp, SET_plan_cp};

	for (size_t i = 0; i < COUNT_OF(order); i++)
		if (c->c[order[i]].set && c->c[order[i]].num > 1)
			return &c->c[order[i]];
	for (size_t i = 0; i < COUNT_OF(order); i++)
		if (c->c[order[i]].set)
			return &c->c[order[i]];
	return mesh_said(c, SET_plan_dp);
}

static bool
says_mesh(const struct choices *c)
{
	return c->c[SET_plan_dp].set || c->c[SET_plan_hp].set ||
	    c->c[SET_plan_cp].set;
}

static bool
check_product(struct unit *u, const struct choices *c, const struct heads *h)
{
	const struct mesh *x = &c->mesh;

	if (x->from_option || !says_mesh(c) ||
	    x->dp * x->hp * x->cp == x->nodes * x->gpus)
		return true;
	choice_error(u, first_said(c), DIAG_MESH, "dp*hp*cp = %" PRIu64 "*%"
	    PRIu64 "*%" PRIu64 " = %" PRIu64 " but nodes*gpus = %" PRIu64 "*%"
	    PRIu64 " = %" PRIu64 "%s", x->dp, x->hp, x->cp,
	    x->dp * x->hp * x->cp, x->nodes, x->gpus, x->nodes * x->gpus,
	    nearest_meshes(u, c, h, x->nodes * x->gpus));
	return false;
}

/* ------------------------------------------------------ rings and sequence */

static bool
check_rings(struct unit *u, const struct choices *c)
{
	const struct mesh *x = &c->mesh;

	if (x->cp % x->inner) {
		choice_error(u, &c->c[SET_plan_inner], DIAG_INNER,
		    "inner = %" PRIu64 " does not divide cp = %" PRIu64
		    "; nearest: %s", x->inner, x->cp, nearest_divisors(u, x->cp,
		    x->inner));
		return false;
	}
	if (x->inner <= MAX_RING && x->cp / x->inner <= MAX_RING)
		return true;
	choice_error(u, mesh_said(c, SET_plan_cp), DIAG_INNER, "cp = %" PRIu64
	    " with inner = %" PRIu64 " makes a ring of %" PRIu64 " ranks; a "
	    "ring has at most %d: choose inner so that neither inner nor "
	    "cp/inner is more", x->cp, x->inner, x->inner > MAX_RING ? x->inner
	    : x->cp / x->inner, MAX_RING);
	return false;
}

/* A padded sequence must be worth it, and nobody may see the padding. */
static bool
check_sequence(struct unit *u, const struct choices *c, const struct heads *h)
{
	const struct chosen *at = &c->c[SET_recipe_s];
	uint64_t s = number_or(c, SET_recipe_s, 64);
	uint64_t unit = mesh_padded(&c->mesh, 1);
	const char *why = NULL;

	if (s % unit == 0)
		return true;
	if (s < unit)
		why = "and shorter than it, so that ranks would have no token";
	else if (h->full)
		why = "and cannot be padded, since mask = full looks at what "
		    "comes after a token";
	if (why)
		choice_error(u, at, DIAG_SEQUENCE, "s = %" PRIu64 " is not "
		    "divisible by %s = %" PRIu64 "%s %s; nearest: %s", s,
		    c->mesh.cp == 1 ? "hp" : "cp*lcm(2,hp)", unit,
		    c->mesh.cp == 1 ? "" : " (zigzag pairs, then hp)", why,
		    nearest_multiples(u, s, unit));
	return !why;
}

void
mesh_check(struct unit *u, struct choices *c)
{
	struct heads h = {.u = u, .c = c};
	struct mesh *x = &c->mesh;
	const struct chosen *place = &c->c[SET_plan_place];
	bool ok;

	walk_all(u, see_attention, &h);
	x->blocks = h.any && !h.other;
	x->inner = x->blocks ? x->cp : x->inner;
	if (h.any) {
		x->hk = gcd(x->hp, h.common);
		x->hr = x->hp / x->hk;
	}
	ok = check_product(u, c, &h);
	ok &= check_rings(u, c);
	walk_all(u, check_attention, &h);
	ok &= check_sequence(u, c, &h);
	if (ok && !h.bad)
		mesh_axes(u, x, place->set &&
		    strcmp(place->text, "context_first") == 0);
}
