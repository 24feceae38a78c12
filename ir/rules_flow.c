/* Type rules of bundles, the optimizer and structure. */
#include "config.h"

#include "ir/rules.h"

/* Operand i is a whole bundle, and has an index just when it is stacked. */
static struct bundle *
whole_bundle(struct check *c, int i)
{
	const struct arg *a = &c->op->in[i];

	if (a->kind != ARG_BUNDLE) {
		rule_error(c, "operand %d must be a bundle", i + 1);
		return NULL;
	}
	return a->b;
}

bool
rule_params(struct check *c)
{
	struct bundle *b = whole_bundle(c, 0);
	const struct value *v = c->op->out[0];

	if (!b)
		return false;
	if (!b->stack != !c->op->in[0].indexed)
		return rule_error(c, b->stack ? "bundle @%s is stacked along "
		    "%s: say which, @%s[l]" : "bundle @%s is not stacked",
		    b->name, b->stack, b->name);
	if (v->bundle != b)
		return rule_error(c, "the result stands for another bundle");
	if (b->pend || b->flat.n)
		return rule_error(c, "bundle @%s must be reduced and gathered "
		    "before it is read", b->name);
	if (v->dtype != DT_F32 && v->dtype != DT_BF16)
		return rule_error(c, "fields are read as f32 or bf16");
	return true;
}

bool
rule_accum(struct check *c)
{
	if (!c->op->has_target)
		return rule_error(c, "only goes into a bundle");
	if (c->op->target.kind == ARG_BUNDLE)
		return accum_bundle(c);
	if (!all_typed(c, 1) || !is_real(c, 0))
		return false;
	c->res[0] = stated(c, 0)
	    ? type_with_dtype(c->m, c->in[0], stated(c, 0)->dtype)
	    : c->in[0];
	return true;
}

bool
rule_zero(struct check *c)
{
	for (int i = 0; i < c->op->nin; i++)
		if (c->op->in[i].kind != ARG_BUNDLE &&
		    c->op->in[i].kind != ARG_BUNDLE_FIELD)
			return rule_error(c, "operand %d must be a bundle or "
			    "a field of one", i + 1);
	return true;
}

/* A layer by itself is not taken out of images: their blocks go together. */
static bool
one_layer(struct check *c, int i)
{
	const struct arg *a = &c->op->in[i];

	return !a->indexed || !a->b->flat.n ||
	    rule_error(c, "the layers of @%s are cut into blocks: they are "
	    "taken all together", a->b->name);
}

bool
rule_sumsq(struct check *c)
{
	axis_set flat = 0;

	for (int i = 0; i < c->op->nin; i++) {
		struct bundle *b = whole_bundle(c, i);
		axis_set own;

		if (!b)
			return false;
		if (b->pend)
			return rule_error(c, "bundle @%s is pending: its sum "
			    "of squares is not the sum of the pieces'",
			    b->name);
		if (!one_layer(c, i))
			return false;
		own = axis_list_set(&b->flat);
		if (i && own != flat)
			return rule_error(c, "bundle @%s is stored over other "
			    "mesh axes than the first", b->name);
		flat = own;
	}
	c->res[0] = reduced_scalar(c, flat);
	return true;
}

static bool
same_index(const struct affine *a, const struct affine *b)
{
	bool same = a->n == b->n && a->k == b->k && a->mod == b->mod;

	for (int i = 0; same && i < a->n; i++)
		same = a->var[i] == b->var[i] && a->coef[i] == b->coef[i];
	return same;
}

/* All layers, or the same one. */
static bool
same_layer(struct check *c, int i)
{
	const struct arg *a = &c->op->in[0], *b = &c->op->in[i];

	return one_layer(c, i) && a->indexed == b->indexed &&
	    (!a->indexed || same_index(&a->index, &b->index));
}

/* adamw @W, @G, @M, @V, cl   or without a factor   or all [l] */
bool
rule_adamw(struct check *c)
{
	struct bundle *w, *b;

	if (c->op->nin != 4 && c->op->nin != 5)
		return rule_error(c, "takes @W, its gradient, both moments "
		    "and maybe a factor");
	if (!(w = whole_bundle(c, 0)) || w->role != ROLE_PARAM)
		return rule_error(c, "operand 1 must be a parameter bundle");
	for (int i = 1; i < 4; i++) {
		if (!(b = whole_bundle(c, i)))
			return false;
		if (b->role != ROLE_PARAM + i || b->of != w)
			return rule_error(c, "operand %d must be the %s of "
			    "@%s", i + 1, i == 1 ? "gradient" : i == 2 ?
			    "first moment" : "second moment", w->name);
		if (b->pend || !axis_list_equal(&b->flat, &w->flat))
			return rule_error(c, "bundle @%s must be reduced and "
			    "stored like @%s", b->name, w->name);
		if (!same_layer(c, i))
			return rule_error(c, "operand %d must be the same "
			    "layers as operand 1", i + 1);
	}
	if (c->op->nin == 4)
		return true;
	return c->in[4] ? is_scalar(c, 4)
			: rule_error(c, "operand 5 must be f32[]");
}

/* Tensors and bundle values, nothing else. */
static bool
all_known(struct check *c)
{
	for (int i = 0; i < c->op->nin; i++) {
		const struct arg *a = &c->op->in[i];

		if (a->kind == ARG_BUNDLE)
			return rule_error(c, "operand %d is a bundle, not a "
			    "value", i + 1);
	}
	return true;
}

/* Names of carries, inits and results; verify.c looks into the body. */
bool
rule_for(struct check *c)
{
	if (!all_known(c))
		return false;
	if (c->op->nout != c->op->nin)
		return rule_error(c, "carries %d values but gives %d",
		    c->op->nin, c->op->nout);
	for (int i = 0; i < c->op->nin; i++)
		c->res[i] = stated(c, i) ? stated(c, i) : c->in[i];
	return true;
}

/* The storage of a bundle value, as b says, or not. */
static bool
same_storage(const struct value *a, const struct value *b)
{
	return a->bundle == b->bundle && a->dtype == b->dtype &&
	    a->pend == b->pend && axis_list_equal(&a->flat, &b->flat);
}

bool
rule_call(struct check *c)
{
	const struct func *f = c->op->callee;
	const struct op *ret = f ? region_last(&f->body) : NULL;

	if (!f)
		return rule_error(c, "calls nothing");
	if (!f->index != !c->op->indexed)
		return rule_error(c, "%s takes %s layer index", f->name,
		    f->index ? "a" : "no");
	if (f->nparam != c->op->nin)
		return rule_error(c, "%s takes %d values, got %d", f->name,
		    f->nparam, c->op->nin);
	for (int i = 0; i < f->nparam; i++)
		if (c->in[i] != f->param[i]->type || (!c->in[i] &&
		    !same_storage(c->op->in[i].v, f->param[i])))
			return rule_error(c, "operand %d has not the type of "
			    "parameter %s of %s", i + 1, f->param[i]->name,
			    f->name);
	if (!ret || ret->code != OP_RETURN || ret->nin != c->op->nout)
		return rule_error(c, "%s returns %d values, not %d", f->name,
		    ret ? ret->nin : 0, c->op->nout);
	for (int i = 0; i < ret->nin; i++)
		c->res[i] = arg_type(c->m, &ret->in[i]);
	return true;
}

bool
rule_save(struct check *c)
{
	return all_known(c);
}

/* The types are the twin's; verify.c compares them. */
bool
rule_load(struct check *c)
{
	for (int i = 0; i < c->op->nout; i++)
		if (!stated(c, i))
			return rule_error(c, "%s has no type",
			    c->op->out[i]->name);
	return true;
}
