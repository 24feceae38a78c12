/*
 * op_infer: from operands to result types, one rule per rule word of ops.def.
 *
 * This file holds the table and the rules of constants, movement and
 * element-by-element ops; rules_row.c has rows, attention and loss,
 * rules_flow.c bundles and structure, rules_comm.c what goes between ranks.
 *
 * Sharding in one paragraph: an operand's `pend` says over which mesh axes its
 * pieces still have to be added.  Linear ops carry pend along, ops linear in
 * one operand carry that one's, every other op demands complete operands.
 * Contracting or summing a sharded dimension makes the result pending on the
 * axes that cut it.  No rule ever inserts communication.
 */
#include "config.h"

#include "ir/rules.h"

#include <string.h>

#include "support/buf.h"

static bool (*const rule_of[OP_COUNT])(struct check *c) = {
#define OP(code, text, nin, nout, group, rule, summary)                        \
	[OP_##code] = rule_##rule,
#include "ir/ops.def"
};

/* ------------------------------------------------ constants and movement */

bool
rule_const(struct check *c)
{
	c->res[0] = type_scalar(c->m, DT_F32);
	return all_typed(c, 0);
}

bool
rule_given(struct check *c)
{
	c->res[0] = stated(c, 0);
	return all_typed(c, 0) && need_stated(c);
}

bool
rule_iota(struct check *c)
{
	const struct type *t = stated(c, 0);

	if (!all_typed(c, 0) || !need_stated(c))
		return false;
	if (t->rank != 1 || t->dtype != DT_I32 || t->pend)
		return rule_error(c, "gives i32 of one dim");
	c->res[0] = t;
	return true;
}

bool
rule_cast(struct check *c)
{
	if (!all_typed(c, 1) || !need_stated(c))
		return false;
	if ((c->in[0]->dtype == DT_I32) != (stated(c, 0)->dtype == DT_I32))
		return rule_error(c, "cannot cast between i32 and reals");
	c->res[0] = type_with_dtype(c->m, c->in[0], stated(c, 0)->dtype);
	return true;
}

bool
rule_rename(struct check *c)
{
	const struct type *r = stated(c, 0), *x = c->in[0];
	struct type t;

	if (!all_typed(c, 1) || !is_real(c, 0) || !need_stated(c))
		return false;
	t = *x;
	for (int i = 0; i < x->rank && r->rank == x->rank; i++) {
		const struct dimdef *from = module_dim(c->m, x->d[i].name);
		const struct dimdef *to = module_dim(c->m, r->d[i].name);

		if (from && to && from->size == to->size)
			t.d[i].name = r->d[i].name;
	}
	c->res[0] = type_intern(c->m, &t);
	return true;
}

bool
rule_take(struct check *c)
{
	if (!all_typed(c, 1))
		return false;
	if (c->in[0]->rank == 0 || !c->op->indexed)
		return rule_error(c, "needs a dim to take from and an index");
	if (!unsharded(c, 0, 0))
		return false;
	c->res[0] = type_drop(c->m, c->in[0], 0);
	return true;
}

/* Index of the dim that {over=...} names in operand i; -1 was reported. */
static int
over_dim(struct check *c, int i)
{
	const char *over = op_dim(c->op, ATTR_OVER);
	int at = over ? type_find(c->in[i], over) : -1;

	if (!over)
		rule_error(c, "needs {over=...}");
	else if (at < 0)
		rule_error(c, "operand %d has no dim %s", i + 1, over);
	return at;
}

/* t with only these positions of dim i. */
static const struct type *
part_type(struct check *c, const struct type *t, int i, int64_t from,
    int64_t to)
{
	struct type r = *t;

	r.d[i].s[r.d[i].n++] = (struct shard){.kind = SHARD_PART,
	    .from = (uint32_t)from, .to = (uint32_t)to};
	return type_intern(c->m, &r);
}

static bool
has_parts(const struct dim *d)
{
	return d->n && d->s[d->n - 1].kind == SHARD_PART;
}

bool
rule_part(struct check *c)
{
	int64_t from = op_int(c->op, ATTR_FROM), to = op_int(c->op, ATTR_TO);
	const struct dim *d;
	int at;

	if (!all_typed(c, 1) || (at = over_dim(c, 0)) < 0)
		return false;
	d = &c->in[0]->d[at];
	if (has_parts(d) || d->n == MAX_SHARDS)
		return rule_error(c, "%s cannot be cut once more", d->name);
	if (from < 0 || to <= from || (uint64_t)to >
	    dim_local_size(c->m, d) || to > UINT32_MAX)
		return rule_error(c, "takes %lld to %lld of %llu positions",
		    (long long)from, (long long)to,
		    (unsigned long long)dim_local_size(c->m, d));
	c->res[0] = part_type(c, c->in[0], at, from, to);
	return true;
}

/* p is what part makes of a value like x. */
bool
rule_part_add(struct check *c)
{
	const struct type *p, *x;

	if (!all_typed(c, 2) || !is_real(c, 0))
		return false;
	p = c->in[0];
	x = c->in[1];
	if (c->op->into != 1)
		return rule_error(c, "needs `into` and the value to add to");
	for (int i = 0; i < p->rank && i < x->rank; i++) {
		const struct shard *s = &p->d[i].s[p->d[i].n - 1];

		if (has_parts(&p->d[i]) && p->d[i].n == x->d[i].n + 1 &&
		    part_type(c, x, i, s->from, s->to) == p) {
			c->res[0] = x;
			return true;
		}
	}
	return rule_error(c, "operand 1 is no part of operand 2");
}

/* Ranks that do not have the position have zeros: a share of the element. */
bool
rule_pick(struct check *c)
{
	const struct type *t;
	int at;

	if (!all_typed(c, 2) || (at = over_dim(c, 0)) < 0 || !is_index(c, 1))
		return false;
	if (c->in[1]->rank != 0)
		return rule_error(c, "the position must be i32[]");
	t = type_drop(c->m, c->in[0], at);
	c->res[0] = reduced(c, t, (enum dtype)t->dtype, (axis_set)(t->pend |
	    dim_axes(&c->in[0]->d[at])));
	return true;
}

bool
rule_embed(struct check *c)
{
	struct type r;

	if (!all_typed(c, 2) || !is_real(c, 0) || !is_index(c, 1) ||
	    !complete(c, 0))
		return false;
	if (c->in[0]->rank == 0 ||
	    c->in[0]->rank - 1 + c->in[1]->rank > MAX_RANK)
		return rule_error(c, "the table needs a dim to look up, the "
		    "result at most %d", MAX_RANK);
	if (!unsharded(c, 0, 0))
		return false;
	r = *c->in[1];
	r.dtype = c->in[0]->dtype;
	for (int i = 1; i < c->in[0]->rank; i++)
		r.d[r.rank++] = c->in[0]->d[i];
	c->res[0] = type_intern(c->m, &r);
	return true;
}

bool
rule_embed_bwd(struct check *c)
{
	const struct type *d = c->in[0], *x = c->in[1], *r = stated(c, 0);
	struct type rest;

	if (!all_typed(c, 2) || !is_real(c, 0) || !is_index(c, 1) ||
	    !need_stated(c))
		return false;
	if (!dims_at(x, d, 0))
		return rule_error(c, "d must start with the dims of index");
	rest = *d;
	rest.rank = (uint8_t)(d->rank - x->rank);
	memmove(rest.d, d->d + x->rank, rest.rank * sizeof(*rest.d));
	if (r->rank != rest.rank + 1 || !dims_at(&rest, r, 1) || r->d[0].n)
		return rule_error(c, "the result is one whole dim and then "
		    "the dims of d that index lacks");
	if (!separate(c, d->pend, axes_of(d, 0, x->rank),
	    "is pending in d and shards index"))
		return false;
	c->res[0] = reduced(c, r, r->dtype,
	    d->pend | axes_of(d, 0, x->rank));
	return true;
}

/* ----------------------------------------------------- element by element */

bool
rule_same(struct check *c)
{
	if (!all_typed(c, 1) || !is_real(c, 0) || !complete(c, 0))
		return false;
	c->res[0] = c->in[0];
	return true;
}

bool
rule_linear(struct check *c)
{
	if (!all_typed(c, 1) || !is_real(c, 0))
		return false;
	c->res[0] = c->in[0];
	return true;
}

/* What is kept is scaled by 1/(1-rate), so some of it must be. */
bool
rule_dropout(struct check *c)
{
	double rate = op_real(c->op, ATTR_RATE);

	if (!(rate >= 0 && rate < 1))
		return rule_error(c, "rate must be from 0 to below 1");
	return rule_linear(c);
}

/* The type of an op on operands i and j, of which one may be broadcast. */
static const struct type *
broadcast(struct check *c, int i, int j)
{
	const struct type *a = c->in[i], *b = c->in[j];
	const struct type *big = a->rank >= b->rank ? a : b;
	const struct type *small = big == a ? b : a;
	bool scalar = small->rank == 0 && small->dtype == DT_F32;

	if (!is_real(c, i) || !is_real(c, j))
		return NULL;
	if (!dims_within(small, big))
		rule_error(c, "dims of one operand must be among the other's, "
		    "in that order and with equal shards");
	else if (small->dtype != big->dtype && !scalar)
		rule_error(c, "operands must have one dtype");
	else
		return big;
	return NULL;
}

bool
rule_sum_of(struct check *c)
{
	if (!all_typed(c, 2))
		return false;
	if (c->in[0]->pend != c->in[1]->pend)
		return rule_error(c, "both operands must be pending on the "
		    "same mesh axes");
	return (c->res[0] = broadcast(c, 0, 1)) != NULL;
}

/* Operand 0 may be pending, so may the result; the others may not. */
static bool
linear_in_first(struct check *c, int i, int j)
{
	const struct type *t = broadcast(c, i, j);

	if (!t || !complete(c, j) ||
	    !separate(c, c->in[i]->pend, type_axes(c->in[j]),
	    "is pending in one operand and shards the other"))
		return false;
	c->res[0] = reduced(c, t, (enum dtype)t->dtype, c->in[i]->pend);
	return true;
}

bool
rule_scaled(struct check *c)
{
	return all_typed(c, 2) && linear_in_first(c, 0, 1);
}

bool
rule_product(struct check *c)
{
	if (!all_typed(c, 2))
		return false;
	if (c->in[0]->pend && c->in[1]->pend)
		return rule_error(c, "at most one factor may be pending");
	return c->in[1]->pend ? linear_in_first(c, 1, 0)
			      : linear_in_first(c, 0, 1);
}

bool
rule_swiglu(struct check *c)
{
	if (!all_typed(c, 2) || !is_real(c, 0) || !complete(c, 0) ||
	    !complete(c, 1) || !equal_type(c, 0, 1))
		return false;
	c->res[0] = c->in[0];
	return true;
}

bool
rule_swiglu_bwd(struct check *c)
{
	if (!all_typed(c, 3) || !is_real(c, 0) || !complete(c, 0) ||
	    !equal_type(c, 0, 1) || !equal_type(c, 1, 2))
		return false;
	c->res[0] = c->res[1] = c->in[0];
	return true;
}

bool
rule_rope(struct check *c)
{
	int at;

	if (!all_typed(c, 1) || !is_real(c, 0) || (at = over_dim(c, 0)) < 0 ||
	    !unsharded(c, 0, at))
		return false;
	if (c->in[0]->rank < 2 || type_position(c->m, c->in[0]) == at)
		return rule_error(c, "needs a position dim besides %s",
		    c->in[0]->d[at].name);
	if (dim_local_size(c->m, &c->in[0]->d[at]) % 2)
		return rule_error(c, "rotates pairs: %s must be even",
		    c->in[0]->d[at].name);
	c->res[0] = c->in[0];
	return true;
}

bool
rule_spread(struct check *c)
{
	const struct type *t = stated(c, 0);

	if (!all_typed(c, 1) || !is_real(c, 0) || !need_stated(c))
		return false;
	if (!dims_within(c->in[0], t))
		return rule_error(c, "dims of x must be among the result's, in "
		    "that order and with equal shards");
	if (!separate(c, c->in[0]->pend, type_axes(t),
	    "is pending in x and shards the result"))
		return false;
	c->res[0] = reduced(c, t, (enum dtype)t->dtype, c->in[0]->pend);
	return true;
}

/* -------------------------------------------------------------- op_infer */

static bool
check_arity(struct check *c)
{
	const struct op_info *o = &op_info[c->op->code];

	if (o->nin != VARIADIC && o->nin != c->op->nin)
		return rule_error(c, "takes %d operands, got %d", o->nin,
		    c->op->nin);
	if (o->nout != VARIADIC && o->nout != c->op->nout)
		return rule_error(c, "gives %d results, not %d", o->nout,
		    c->op->nout);
	return true;
}

/* Takes the inferred types over, or compares them with the stated ones. */
static bool
settle(struct check *c)
{
	bool ok = true;

	for (int i = 0; i < c->op->nout; i++) {
		struct value *v = c->op->out[i];
		struct buf want = {0}, got = {0};

		if (v->bundle || !c->res[i] || v->type == c->res[i])
			continue;
		if (!v->type) {
			v->type = c->res[i];
			continue;
		}
		type_print(c->m, c->res[i], &want);
		type_print(c->m, v->type, &got);
		ok = rule_error(c, "result %d is %s, not the stated %s", i + 1,
		    buf_text(&want), buf_text(&got));
		buf_free(&want);
		buf_free(&got);
	}
	return ok;
}

/* Linear ops carry sums along, but nothing carries a maximum: a sum of maxima
 * is none. */
static bool
check_maxima(struct check *c)
{
	for (int i = 0; i < c->op->nin; i++)
		if (c->in[i] && c->in[i]->pend &&
		    c->in[i]->pend_op == PEND_MAX &&
		    c->op->code != OP_ALLREDUCE && c->op->code != OP_WAIT)
			return rule_error(c, "operand %d is a pending "
			    "maximum, which only allreduce reads", i + 1);
	return true;
}

/* Codes of fp8 are made, kept and multiplied; nothing else is done to them. */
static bool
check_codes(struct check *c)
{
	const struct op *op = c->op;
	bool keeps = op_info[op->code].group == GROUP_FLOW ||
	    op_info[op->code].group == GROUP_HOST || op->code == OP_WAIT;

	for (int i = 0; i < op->nin && !keeps && op->code != OP_DOT; i++)
		if (c->in[i] && dtype_is_fp8(c->in[i]->dtype))
			return rule_error(c, "operand %d is fp8, which only "
			    "dot reads", i + 1);
	for (int i = 0; i < op->nout && !keeps; i++)
		if (op->code != OP_E4M3 && op->code != OP_E5M2 &&
		    op->out[i]->type && dtype_is_fp8(op->out[i]->type->dtype))
			return rule_error(c, "only e4m3 and e5m2 give fp8");
	return true;
}

bool
op_infer(struct module *m, struct op *op)
{
	size_t nin = (size_t)op->nin, nout = (size_t)op->nout;
	struct check c = {.m = m, .op = op};

	c.in = NEW_N(m->mem, const struct type *, nin + 1);
	c.res = NEW_N(m->mem, const struct type *, nout + 1);
	for (int i = 0; i < op->nin; i++)
		c.in[i] = arg_type(m, &op->in[i]);
	return check_arity(&c) && check_maxima(&c) && check_codes(&c) &&
	    rule_of[op->code](&c) && settle(&c);
}
