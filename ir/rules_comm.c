/*
 * Type rules of communication: the only ops that change how a value is cut.
 *
 *   allreduce x on X         X pending in x, then no more
 *   gather x on X            the innermost shards over X go
 *   rscatter x on a>d        a pending in x; d is cut by a, innermost
 *   a2a x on a f>t           a is an innermost shard of f; then of t
 *   shift x by a+n           coordinates on a of x's type: a becomes a-n
 *
 * Each also has a form for bundles, whose blocks take the place of shards.
 * Nothing pending gets lost: what an op does not reduce stays pending.
 */
#include "config.h"

#include "ir/rules.h"

#include <string.h>

static const char *
axis_of(const struct check *c, int hop)
{
	return c->m->axis[c->op->hop[hop].axis].name;
}

static bool
has_axes(struct check *c)
{
	axis_set seen = 0;

	if (c->op->nhop == 0)
		return rule_error(c, "needs `on` and mesh axes");
	for (int i = 0; i < c->op->nhop; i++) {
		axis_set bit = (axis_set)(1u << c->op->hop[i].axis);

		if (seen & bit)
			return rule_error(c, "names axis %s twice",
			    axis_of(c, i));
		seen |= bit;
	}
	return true;
}

/* The axis is pending in t; takes it away. */
static bool
take_pending(struct check *c, axis_set *pend, int hop)
{
	axis_set bit = (axis_set)(1u << c->op->hop[hop].axis);

	if (!(*pend & bit))
		return rule_error(c, "axis %s is not pending: summing over it "
		    "would count everything more than once", axis_of(c, hop));
	*pend &= (axis_set)~bit;
	return true;
}

/* --------------------------------------------------------------- bundles */

struct storage {
	struct bundle *b;
	enum dtype dtype;
	struct axis_list flat;
	axis_set pend;
	bool layer; /* one layer, not all of a stacked bundle */
};

/* A bundle or bundle value as operand or target. */
static bool
storage_of(struct check *c, const struct arg *a, struct storage *s)
{
	if (a->kind == ARG_BUNDLE)
		*s = (struct storage){a->b, (enum dtype)a->b->dtype,
		    a->b->flat, a->b->pend, a->indexed || !a->b->stack};
	else if (a->kind == ARG_VALUE && a->v->bundle)
		*s = (struct storage){a->v->bundle, (enum dtype)a->v->dtype,
		    a->v->flat, a->v->pend, true};
	else
		return rule_error(c, "an operand is no bundle");
	return true;
}

static bool
is_bundle(const struct arg *a)
{
	return a->kind == ARG_BUNDLE || (a->kind == ARG_VALUE && a->v->bundle);
}

/* Where the result goes: the target, or the stated storage of the result. */
static bool
result_storage(struct check *c, struct storage *s)
{
	const struct value *v = c->op->out[0];

	if (c->op->has_target)
		return storage_of(c, &c->op->target, s);
	if (!v->bundle)
		return rule_error(c, "the result of a bundle is a bundle");
	*s = (struct storage){v->bundle, (enum dtype)v->dtype, v->flat,
	    v->pend, true};
	return true;
}

static bool
same_shape(const struct bundle *a, const struct bundle *b)
{
	return a == b || (a->nfield == b->nfield && a->stack == b->stack &&
	    (a->of ? a->of : a) == (b->of ? b->of : b));
}

/* The result must be want. */
static bool
agree(struct check *c, const struct storage *want)
{
	struct storage got;

	if (!result_storage(c, &got))
		return false;
	if (!same_shape(got.b, want->b))
		return rule_error(c, "the result is stored as @%s, which has "
		    "other fields than @%s", got.b->name, want->b->name);
	if (got.layer != want->layer)
		return rule_error(c, "one side is one layer, the other all");
	if (!axis_list_equal(&got.flat, &want->flat))
		return rule_error(c, "the result is cut over other mesh axes "
		    "than this op leaves");
	if (got.pend != want->pend)
		return rule_error(c, "the result is pending on other mesh "
		    "axes than this op leaves");
	return true;
}

static bool
allreduce_bundle(struct check *c)
{
	struct storage s;

	if (!storage_of(c, &c->op->in[0], &s))
		return false;
	for (int i = 0; i < c->op->nhop; i++)
		if (!take_pending(c, &s.pend, i))
			return false;
	return agree(c, &s);
}

/* The axes are the last of the list, in its order. */
static bool
gather_bundle(struct check *c)
{
	struct storage s;
	int n = c->op->nhop;

	if (!storage_of(c, &c->op->in[0], &s))
		return false;
	for (int i = 0; i < n; i++)
		if (s.flat.n < n ||
		    s.flat.axis[s.flat.n - n + i] != c->op->hop[i].axis)
			return rule_error(c, "axis %s is not where @%s is cut: "
			    "gather the last axes of flat/(...), in order",
			    axis_of(c, i), s.b->name);
	s.flat.n = (uint8_t)(s.flat.n - n);
	memset(s.flat.axis + s.flat.n, 0, (size_t)n);
	return agree(c, &s);
}

static bool
rscatter_bundle(struct check *c)
{
	struct storage s;

	if (!storage_of(c, &c->op->in[0], &s))
		return false;
	for (int i = 0; i < c->op->nhop; i++) {
		if (!take_pending(c, &s.pend, i))
			return false;
		s.flat.axis[s.flat.n++] = c->op->hop[i].axis;
	}
	return agree(c, &s);
}

bool
rule_local(struct check *c)
{
	const struct arg *a = &c->op->in[0];
	const struct value *v = c->op->out[0];

	if (a->kind != ARG_BUNDLE || a->b->role != ROLE_GRAD)
		return rule_error(c, "is an image of a gradient bundle");
	if (v->bundle != a->b)
		return rule_error(c, "gives a layer of @%s", a->b->name);
	return true;
}

/* @B[l] = accum s: whole layers. */
bool
accum_bundle(struct check *c)
{
	struct storage s;

	return storage_of(c, &c->op->in[0], &s) && agree(c, &s);
}

/* --------------------------------------------------------------- tensors */

static bool
one_tensor(struct check *c)
{
	return has_axes(c) && all_typed(c, 1);
}

/* The innermost shard of d is cut by this axis alone, unskewed. */
static bool
innermost(const struct dim *d, int axis)
{
	const struct shard *s = d->n ? &d->s[d->n - 1] : NULL;

	if (!s || s->kind != SHARD_BLOCK || s->n != 1 ||
	    s->c[0].axis != axis || s->c[0].k)
		return false;
	for (int i = 0; i < MAX_LOOPS; i++)
		if (s->c[0].lin[i])
			return false;
	return true;
}

static void
uncut(struct dim *d)
{
	memset(&d->s[--d->n], 0, sizeof d->s[0]);
}

static bool
cut(struct check *c, struct type *t, int hop, const char *dim)
{
	int i = dim ? type_find(t, dim) : -1;
	struct dim *d = i < 0 ? NULL : &t->d[i];

	if (!d)
		return rule_error(c, "the operand has no dim %s to cut by %s",
		    dim ? dim : "?", axis_of(c, hop));
	if (d->n == MAX_SHARDS)
		return rule_error(c, "dim %s is cut %d times already", dim,
		    MAX_SHARDS);
	d->s[d->n++] = (struct shard){.kind = SHARD_BLOCK, .n = 1,
	    .c = {{.axis = c->op->hop[hop].axis}}};
	return true;
}

bool
rule_allreduce(struct check *c)
{
	struct type t;

	if (!has_axes(c))
		return false;
	if (is_bundle(&c->op->in[0]))
		return allreduce_bundle(c);
	if (!all_typed(c, 1) || !is_real(c, 0))
		return false;
	t = *c->in[0];
	for (int i = 0; i < c->op->nhop; i++)
		if (!take_pending(c, &t.pend, i))
			return false;
	c->res[0] = type_intern(c->m, &t);
	return true;
}

bool
rule_gather(struct check *c)
{
	struct type t;

	if (!has_axes(c))
		return false;
	if (is_bundle(&c->op->in[0]))
		return gather_bundle(c);
	if (!one_tensor(c))
		return false;
	t = *c->in[0];
	for (int i = c->op->nhop - 1; i >= 0; i--) {
		struct hop *h = &c->op->hop[i];
		int d = 0;

		while (d < t.rank && !innermost(&t.d[d], h->axis))
			d++;
		if (d == t.rank)
			return rule_error(c, "axis %s is no innermost shard of "
			    "a dim", axis_of(c, i));
		h->from = t.d[d].name;
		uncut(&t.d[d]);
	}
	c->res[0] = type_intern(c->m, &t);
	return true;
}

bool
rule_rscatter(struct check *c)
{
	struct type t;

	if (!has_axes(c))
		return false;
	if (is_bundle(&c->op->in[0]))
		return rscatter_bundle(c);
	if (!one_tensor(c) || !is_real(c, 0))
		return false;
	t = *c->in[0];
	for (int i = 0; i < c->op->nhop; i++)
		if (!take_pending(c, &t.pend, i) ||
		    !cut(c, &t, i, c->op->hop[i].to))
			return false;
	c->res[0] = type_intern(c->m, &t);
	return true;
}

/* Removes the moved axes, which are the last shards of from, in any order. */
static bool
remove_moved(struct check *c, struct type *t)
{
	bool done[MAX_AXES] = {false};
	int left = c->op->nhop;

	while (left > 0) {
		int i = 0, d = -1;

		for (; i < c->op->nhop; i++) {
			const struct hop *h = &c->op->hop[i];

			d = h->from ? type_find(t, h->from) : -1;
			if (!done[i] && d >= 0 &&
			    innermost(&t->d[d], h->axis))
				break;
		}
		if (i == c->op->nhop)
			break;
		uncut(&t->d[d]);
		done[i] = true;
		left--;
	}
	for (int i = 0; i < c->op->nhop && left; i++)
		if (!done[i])
			return rule_error(c, "axis %s is no innermost shard of "
			    "dim %s", axis_of(c, i), c->op->hop[i].from ?
			    c->op->hop[i].from : "?");
	return true;
}

bool
rule_a2a(struct check *c)
{
	struct type t;

	if (!one_tensor(c))
		return false;
	t = *c->in[0];
	if (!remove_moved(c, &t))
		return false;
	for (int i = 0; i < c->op->nhop; i++)
		if (!cut(c, &t, i, c->op->hop[i].to))
			return false;
	c->res[0] = type_intern(c->m, &t);
	return true;
}

static bool
turn(struct check *c, struct type *t, int hop)
{
	const struct hop *h = &c->op->hop[hop];
	bool found = false;

	for (int i = 0; i < t->rank; i++)
		for (int j = 0; j < t->d[i].n; j++)
			for (int k = 0; k < t->d[i].s[j].n; k++) {
				struct coord *x = &t->d[i].s[j].c[k];
				int n = (int)c->m->axis[x->axis].size;

				if (x->axis != h->axis)
					continue;
				found = true;
				x->k = (int16_t)((x->k - h->by) % n);
			}
	return found || rule_error(c, "no dim is cut by axis %s: there is "
	    "nothing to shift", axis_of(c, hop));
}

bool
rule_shift(struct check *c)
{
	if (!has_axes(c) || !all_typed(c, c->op->nin))
		return false;
	if (c->op->nin == 0 || c->op->nout != c->op->nin)
		return rule_error(c, "gives as many values as it takes");
	for (int i = 0; i < c->op->nin; i++) {
		struct type t = *c->in[i];

		for (int j = 0; j < c->op->nhop; j++)
			if (!turn(c, &t, j))
				return false;
		c->res[i] = type_intern(c->m, &t);
	}
	return true;
}

bool
rule_wait(struct check *c)
{
	if (c->op->nin == 0 || c->op->nout != c->op->nin)
		return rule_error(c, "gives as many values as it takes");
	for (int i = 0; i < c->op->nin; i++) {
		if (c->op->in[i].kind != ARG_VALUE ||
		    !c->op->in[i].v->future)
			return rule_error(c, "operand %d is not in flight",
			    i + 1);
		c->res[i] = c->in[i];
	}
	return true;
}
