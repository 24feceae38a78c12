/*
 * Type rules of products, row ops, attention and losses.
 *
 * Row ops work on whole rows: the dims they reduce over must not be sharded.
 * Gradients of parameters leave pending on every axis that cuts the rows they
 * were summed over, so nobody can forget that reduction or do it twice.
 */
#include "config.h"

#include "ir/rules.h"

#include <string.h>

/* ------------------------------------------------------------------- dot */

/* Checks dim d of operand i against the other operand and the result. */
static bool
dot_dim(struct check *c, int i, const struct dim *d, axis_set *summed)
{
	const struct type *r = stated(c, 0), *other = c->in[1 - i];
	int at = type_find(r, d->name), twin = type_find(other, d->name);

	if (at >= 0 && !dim_equal(d, &r->d[at]))
		return rule_error(c, "dim %s has other shards in the result",
		    d->name);
	if (twin >= 0 && !dim_equal(d, &other->d[twin]))
		return rule_error(c, "dim %s must have equal shards in both "
		    "operands", d->name);
	if (at < 0 && twin < 0)
		return rule_error(c, "dim %s is in one operand only and not "
		    "in the result: nothing to contract it with", d->name);
	if (at < 0)
		*summed |= dim_axes(d);
	return true;
}

static bool
dot_result(struct check *c)
{
	const struct type *r = stated(c, 0);
	axis_set used = 0;

	for (int i = 0; i < r->rank; i++) {
		axis_set a = dim_axes(&r->d[i]);

		if (type_find(c->in[0], r->d[i].name) < 0 &&
		    type_find(c->in[1], r->d[i].name) < 0)
			return rule_error(c, "dim %s of the result is in no "
			    "operand", r->d[i].name);
		if (!separate(c, a, used, "shards two dims of the result"))
			return false;
		used |= a;
	}
	if (dtype_is_fp8(c->in[0]->dtype) ? r->dtype != DT_F32 &&
	    r->dtype != DT_BF16 : r->dtype != DT_F32 &&
	    r->dtype != c->in[0]->dtype)
		return rule_error(c, "the result is f32 or what the operands "
		    "are, bf16 if they are fp8");
	return true;
}

static bool
dot_into(struct check *c)
{
	int last = c->op->nin - 1;

	if (!c->op->into)
		return true;
	if (c->in[last] != stated(c, 0))
		return rule_error(c, "adds into a value of another type");
	return c->op->in[last].consume ||
	    rule_error(c, "adds into a value it must consume: into !x");
}

/* Numbers of one dtype, or of fp8 with the scale of each. */
static bool
dot_operands(struct check *c)
{
	int extra = c->op->into ? 1 : 0;

	if (c->op->nin >= 2 && c->in[0] && dtype_is_fp8(c->in[0]->dtype))
		return all_typed(c, 4 + extra) &&
		    (dtype_is_fp8(c->in[1]->dtype) ||
		    rule_error(c, "operands must both be fp8")) &&
		    is_scalar(c, 2) && is_scalar(c, 3) && complete(c, 0) &&
		    complete(c, 1);
	return all_typed(c, 2 + extra) && is_real(c, 0) && is_real(c, 1) &&
	    (c->in[0]->dtype == c->in[1]->dtype ||
	    rule_error(c, "operands must have one dtype"));
}

bool
rule_dot(struct check *c)
{
	axis_set summed = 0, pa, pb;

	if (!dot_operands(c) || !need_stated(c))
		return false;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < c->in[i]->rank; j++)
			if (!dot_dim(c, i, &c->in[i]->d[j], &summed))
				return false;
	pa = c->in[0]->pend;
	pb = c->in[1]->pend;
	if (!separate(c, pa, pb | type_axes(c->in[1]),
	    "is pending in one operand and used by the other") ||
	    !separate(c, pb, type_axes(c->in[0]),
	    "is pending in one operand and used by the other") ||
	    !dot_result(c) || !dot_into(c))
		return false;
	c->res[0] = reduced(c, stated(c, 0), (enum dtype)stated(c, 0)->dtype,
	    pa | pb | summed);
	return true;
}

/* ------------------------------------------------------------------ rows */

/* Where the dims of operand w start in x = operand i: they end x's rows. */
static int
row_start(struct check *c, int i, int w)
{
	const struct type *x = c->in[i], *p = c->in[w];
	int at = x->rank - p->rank;

	if (p->rank == 0 || !dims_at(p, x, at)) {
		rule_error(c, "dims of operand %d must be the last dims of "
		    "operand %d", w + 1, i + 1);
		return -1;
	}
	if (p->dtype != x->dtype && p->dtype != DT_F32) {
		rule_error(c, "operand %d must be f32 or what operand %d is",
		    w + 1, i + 1);
		return -1;
	}
	for (int j = at; j < x->rank; j++)
		if (!unsharded(c, i, j))
			return -1;
	return at;
}

static bool
all_complete(struct check *c)
{
	for (int i = 0; i < c->op->nin; i++)
		if (!complete(c, i))
			return false;
	return true;
}

bool
rule_norm(struct check *c)
{
	if (!all_typed(c, c->op->nin) || !is_real(c, 0) || !all_complete(c))
		return false;
	for (int i = 1; i < c->op->nin; i++)
		if (row_start(c, 0, i) < 0 ||
		    c->in[i]->rank != c->in[1]->rank)
			return false;
	c->res[0] = c->in[0];
	return true;
}

bool
rule_norm_bwd(struct check *c)
{
	int at;

	if (!all_typed(c, 3) || !is_real(c, 1) || !all_complete(c) ||
	    !equal_type(c, 0, 1) || (at = row_start(c, 1, 2)) < 0)
		return false;
	c->res[0] = c->in[1];
	for (int i = 1; i < c->op->nout; i++)
		c->res[i] = reduced(c, c->in[2], DT_F32,
		    axes_of(c->in[1], 0, at));
	return true;
}

static bool
over_whole(struct check *c, int i)
{
	const char *over = op_dim(c->op, ATTR_OVER);
	int at = over ? type_find(c->in[i], over) : -1;

	if (at < 0)
		return rule_error(c, "needs {over=...}, a dim of operand %d",
		    i + 1);
	return unsharded(c, i, at);
}

bool
rule_softmax(struct check *c)
{
	if (!all_typed(c, 1) || !is_real(c, 0) || !complete(c, 0) ||
	    !over_whole(c, 0))
		return false;
	c->res[0] = c->in[0];
	return true;
}

bool
rule_softmax_bwd(struct check *c)
{
	if (!all_typed(c, 2) || !is_real(c, 0) || !all_complete(c) ||
	    !equal_type(c, 0, 1) || !over_whole(c, 1))
		return false;
	c->res[0] = c->in[1];
	return true;
}

bool
rule_sum(struct check *c)
{
	const struct type *x = c->in[0], *r = stated(c, 0);
	axis_set kept;

	if (!all_typed(c, 1) || !is_real(c, 0) || !need_stated(c))
		return false;
	if (!dims_within(r, x))
		return rule_error(c, "dims of the result must be among the "
		    "operand's, in that order and with equal shards");
	if (r->dtype != DT_F32 && r->dtype != x->dtype)
		return rule_error(c, "the result is f32 or what the operand "
		    "is");
	kept = type_axes(r);
	c->res[0] = reduced(c, r, (enum dtype)r->dtype,
	    (axis_set)(x->pend | (type_axes(x) & ~kept)));
	return true;
}

/* ------------------------------------------------------------- attention */

/*
 * Operands q, k, v at c->in[at..]: k and v are [batch.., s, heads, d], q has
 * group dims between heads and d.
 */
static bool
attn_operands(struct check *c, int at)
{
	const struct type *q = c->in[at], *k = c->in[at + 1];
	int n = k->rank - 1, pos = type_position(c->m, k);

	if (!is_real(c, at) || !equal_type(c, at + 1, at + 2))
		return false;
	if (k->rank < 3 || q->rank < k->rank || q->dtype != k->dtype ||
	    q->d[q->rank - 1].name != k->d[n].name)
		return rule_error(c, "q is [b,s,k,g..,d], k and v are "
		    "[b,s,k,d], of one dtype");
	if (pos >= n || !unsharded(c, at, q->rank - 1) ||
	    !unsharded(c, at + 1, n))
		return false;
	for (int i = 0; i < n; i++)
		if (q->d[i].name != k->d[i].name ||
		    (i != pos && !dim_equal(&q->d[i], &k->d[i])))
			return rule_error(c, "q must begin with the dims of k "
			    "but its last, with equal shards: dim %s",
			    k->d[i].name);
	return true;
}

/* Every rank has all keys, or the op says over which axes they lie. */
static bool
all_keys(struct check *c, int k)
{
	const struct type *t = c->in[k];
	const struct dim *d = &t->d[type_position(c->m, t)];

	return op_axes(c->op) == dim_axes(d) || rule_error(c, "keys are cut "
	    "along %s over other mesh axes than `on` says", d->name);
}

/* The document ids that mask=same compares, or no operand at all. */
static bool
attn_doc(struct check *c, int q, int doc)
{
	bool same = op_int(c->op, ATTR_MASK) == 3; /* mask_words: same */

	if (same != (c->op->nin == doc + 1))
		return rule_error(c, same ? "mask=same needs document ids"
		    : "document ids need mask=same");
	if (op_int(c->op, ATTR_MASK) == 2 && op_int(c->op, ATTR_WINDOW) < 1)
		return rule_error(c, "mask=window needs {window=...}");
	if (!same)
		return true;
	if (!is_index(c, doc) || !dims_at(c->in[doc], c->in[q], 0) ||
	    c->in[doc]->rank != type_position(c->m, c->in[q]) + 1)
		return rule_error(c, "document ids have the token dims of q");
	return true;
}

static const struct type *
without_last(struct check *c, const struct type *t)
{
	t = type_drop(c->m, t, t->rank - 1);
	return type_with_dtype(c->m, t, DT_F32);
}

bool
rule_attn(struct check *c)
{
	if (c->op->nin != 4 && !all_typed(c, 3))
		return false;
	if (!all_typed(c, c->op->nin) || !all_complete(c) ||
	    !attn_operands(c, 0) || !all_keys(c, 1) || !attn_doc(c, 0, 3))
		return false;
	c->res[0] = c->in[0];
	c->res[1] = without_last(c, c->in[0]);
	return true;
}

bool
rule_attn_delta(struct check *c)
{
	const struct type *o = c->in[1];

	if (!all_typed(c, 2) || !is_real(c, 0) || !all_complete(c) ||
	    !equal_type(c, 0, 1))
		return false;
	if (o->rank == 0 || !unsharded(c, 1, o->rank - 1))
		return false;
	c->res[0] = without_last(c, o);
	return true;
}

bool
rule_attn_bwd(struct check *c)
{
	const struct type *q = c->in[1], *k = c->in[2];
	axis_set pend;

	if (c->op->nin != 7 && !all_typed(c, 6))
		return false;
	if (!all_typed(c, c->op->nin) || !all_complete(c) ||
	    !equal_type(c, 0, 1) || !attn_operands(c, 1) ||
	    !all_keys(c, 2) || !attn_doc(c, 1, 6))
		return false;
	if (c->in[4] != without_last(c, q) || c->in[5] != c->in[4])
		return rule_error(c, "z and D are f32 of q's dims but d");
	pend = (axis_set)(type_axes(q) & ~type_axes(k));
	c->res[0] = q;
	c->res[1] = c->res[2] = reduced(c, k, (enum dtype)k->dtype, pend);
	return true;
}

/* The accumulators end the operands: n of them, of these types. */
static bool
accumulators(struct check *c, int n, const struct type *const *want)
{
	int first = c->op->nin - n;

	if (c->op->into != n)
		return rule_error(c, "needs `into` and %d accumulators", n);
	for (int i = 0; i < n; i++) {
		if (c->in[first + i] != want[i])
			return rule_error(c, "accumulator %d is not f32 with "
			    "the dims of what it collects", i + 1);
		c->res[i] = want[i];
	}
	return true;
}

/* Ids of queries and of keys, or none: q and k are operands, as is doc. */
static bool
step_docs(struct check *c, int q, int doc, int naccum)
{
	bool same = op_int(c->op, ATTR_MASK) == 3; /* mask_words: same */
	int pos = type_position(c->m, c->in[q]);

	if (c->op->nin != doc + naccum + (same ? 2 : 0))
		return rule_error(c, "mask=same and only it takes document "
		    "ids of queries and of keys");
	if (op_int(c->op, ATTR_MASK) == 2 && op_int(c->op, ATTR_WINDOW) < 1)
		return rule_error(c, "mask=window needs {window=...}");
	for (int i = 0; same && i < 2; i++)
		if (!is_index(c, doc + i) ||
		    !dims_at(c->in[doc + i], c->in[q + i], 0) ||
		    c->in[doc + i]->rank != pos + 1)
			return rule_error(c, "document ids have the token "
			    "dims of %s", i ? "k" : "q");
	return true;
}

static bool
step_operands(struct check *c, int n, int q, int naccum)
{
	if (c->op->nin < n + naccum)
		return all_typed(c, n + naccum);
	if (!all_typed(c, c->op->nin) || !attn_operands(c, q))
		return false;
	for (int i = 0; i < c->op->nin - naccum; i++)
		if (!complete(c, i))
			return false;
	return step_docs(c, q, n, naccum);
}

bool
rule_attn_step(struct check *c)
{
	const struct type *want[2];

	if (!step_operands(c, 3, 0, 2))
		return false;
	want[0] = type_with_dtype(c->m, c->in[0], DT_F32);
	want[1] = without_last(c, c->in[0]);
	return accumulators(c, 2, want);
}

/* dk and dv are pending where q is cut and k is not: heads of one group. */
bool
rule_attn_step_bwd(struct check *c)
{
	const struct type *q, *k, *want[3];

	if (!step_operands(c, 6, 1, 3))
		return false;
	q = c->in[1];
	k = c->in[2];
	if (!equal_type(c, 0, 1))
		return false;
	if (c->in[4] != without_last(c, q) || c->in[5] != c->in[4])
		return rule_error(c, "z and D are f32 of q's dims but d");
	want[0] = type_with_dtype(c->m, q, DT_F32);
	want[1] = want[2] = reduced(c, k, DT_F32,
	    (axis_set)(type_axes(q) & ~type_axes(k)));
	return accumulators(c, 3, want);
}

/* ---------------------------------------------------------------- losses */

/* Labels at operand lab index the token dims that begin operand x. */
static bool
token_dims(struct check *c, int x, int lab)
{
	if (!is_real(c, x) || !is_index(c, lab))
		return false;
	return (c->in[lab]->rank < c->in[x]->rank &&
	    dims_at(c->in[lab], c->in[x], 0)) ||
	    rule_error(c, "labels must have the dims operand %d begins with",
	    x + 1);
}

static bool
logits(struct check *c, int x, int lab)
{
	const struct type *t = c->in[x];

	if (!token_dims(c, x, lab))
		return false;
	if (c->in[lab]->rank + 1 != t->rank)
		return rule_error(c, "logits are the labels' dims and one "
		    "class dim");
	return unsharded(c, x, t->rank - 1);
}

bool
rule_xent(struct check *c)
{
	if (!all_typed(c, 2) || !all_complete(c) || !logits(c, 0, 1))
		return false;
	c->res[0] = reduced_scalar(c, type_axes(c->in[1]));
	return true;
}

bool
rule_xent_bwd(struct check *c)
{
	if (!all_typed(c, 3) || !is_scalar(c, 0) || !all_complete(c) ||
	    !logits(c, 1, 2))
		return false;
	c->res[0] = c->in[1];
	return true;
}

/* W at operand x + 1 maps what h has beyond the token dims to one class dim. */
static bool
head_dims(struct check *c, int x)
{
	const struct type *h = c->in[x], *w = c->in[x + 1];
	int ntok = c->in[x + 2]->rank, classes = 0;

	if (!token_dims(c, x, x + 2) || !is_real(c, x + 1))
		return false;
	if (h->dtype != w->dtype)
		return rule_error(c, "h and W must have one dtype");
	for (int i = 0; i < w->rank; i++) {
		if (!unsharded(c, x + 1, i))
			return false;
		classes += type_find(h, w->d[i].name) < 0;
	}
	for (int i = ntok; i < h->rank; i++)
		if (!unsharded(c, x, i) || type_find(w, h->d[i].name) < 0)
			return rule_error(c, "W must contract dim %s of h",
			    h->d[i].name);
	if (classes != 1 || w->rank != h->rank - ntok + 1)
		return rule_error(c, "W has h's dims beyond the labels' and "
		    "one class dim");
	return true;
}

bool
rule_xent_dot(struct check *c)
{
	if (!all_typed(c, 3) || !all_complete(c) || !head_dims(c, 0))
		return false;
	c->res[0] = reduced_scalar(c, type_axes(c->in[2]));
	return true;
}

bool
rule_xent_dot_bwd(struct check *c)
{
	axis_set tokens;

	if (!all_typed(c, 4) || !is_scalar(c, 0) || !all_complete(c) ||
	    !head_dims(c, 1))
		return false;
	tokens = type_axes(c->in[3]);
	c->res[0] = reduced_scalar(c, tokens);
	c->res[1] = c->in[1];
	c->res[2] = reduced(c, c->in[2], DT_F32, tokens);
	return true;
}

bool
rule_count(struct check *c)
{
	if (!all_typed(c, 1) || !is_index(c, 0) || !complete(c, 0))
		return false;
	c->res[0] = reduced_scalar(c, type_axes(c->in[0]));
	return true;
}

/* A maximum over what a rank has; those of the others are still to be seen. */
bool
rule_amax(struct check *c)
{
	struct type t;

	if (!all_typed(c, 1) || !complete(c, 0))
		return false;
	if (c->in[0]->dtype != DT_BF16)
		return rule_error(c, "operand 1 must be bf16");
	t = *type_scalar(c->m, DT_F32);
	t.pend = type_axes(c->in[0]);
	t.pend_op = PEND_MAX;
	c->res[0] = type_intern(c->m, &t);
	return true;
}

/* r has the dims of x, of which the first `by` may have moved to the end. */
static bool
is_rotated(const struct type *x, const struct type *r)
{
	int by = 0;

	if (r->rank != x->rank || r->pend)
		return false;
	while (by < x->rank && x->rank && x->d[by].name != r->d[0].name)
		by++;
	for (int i = 0; i < x->rank; i++)
		if (!dim_equal(&x->d[(i + by) % x->rank], &r->d[i]))
			return false;
	return true;
}

bool
rule_quantized(struct check *c)
{
	enum dtype dt = c->op->code == OP_E4M3 ? DT_E4M3 : DT_E5M2;

	if (!all_typed(c, 2) || !complete(c, 0) || !is_scalar(c, 1) ||
	    !need_stated(c))
		return false;
	if (c->in[0]->dtype != DT_BF16)
		return rule_error(c, "operand 1 must be bf16");
	if (c->op->nout < 1 || c->op->nout > 2)
		return rule_error(c, "gives one result or two");
	for (int i = 0; i < c->op->nout; i++) {
		const struct type *r = stated(c, i);

		if (!r || r->dtype != dt || !is_rotated(c->in[0], r))
			return rule_error(c, "result %d must be %s with the "
			    "dims of operand 1, the first of which may have "
			    "moved behind the others", i + 1, dtype_name[dt]);
		c->res[i] = r;
	}
	return true;
}

bool
rule_scalar(struct check *c)
{
	if (!all_typed(c, 1) || !is_scalar(c, 0))
		return false;
	c->res[0] = c->in[0];
	return true;
}
