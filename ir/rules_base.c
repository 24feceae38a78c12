/* What the rules of rules*.c are written with: messages, and small checks. */
#include "config.h"

#include "ir/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "support/buf.h"

/* ------------------------------------------------------------- messages */

static void
add_sizes(struct check *c, const struct type *t, axis_set *axes,
    const char **seen, int *nseen, struct buf *b)
{
	for (int i = 0; i < t->rank; i++) {
		const struct dimdef *d = module_dim(c->m, t->d[i].name);
		bool old = false;

		*axes |= dim_axes(&t->d[i]);
		for (int j = 0; j < *nseen; j++)
			old |= seen[j] == t->d[i].name;
		if (old || !d || *nseen == 32)
			continue;
		buf_printf(b, "%s%s=%llu", *nseen ? " " : "; ", d->name,
		    (unsigned long long)d->size);
		seen[(*nseen)++] = t->d[i].name;
	}
	*axes |= t->pend;
}

static void
add_name(const struct arg *a, struct buf *b)
{
	if (a->kind == ARG_VALUE)
		buf_puts(b, a->v->name ? a->v->name : "?");
	else if (a->kind == ARG_FIELD)
		buf_printf(b, "%s.%s", a->v->name,
		    a->v->bundle->field[a->field].name);
	else if (a->kind == ARG_BUNDLE)
		buf_printf(b, "@%s", a->b->name);
	else
		buf_printf(b, "@%s.%s", a->b->name,
		    a->b->field[a->field].name);
}

static void
add_operands(struct check *c, struct buf *b)
{
	const struct type *r = stated(c, 0);
	const char *sep = ": ";

	for (int i = 0; i < c->op->nin; i++, sep = ", ") {
		buf_puts(b, sep);
		add_name(&c->op->in[i], b);
		if (c->in[i]) {
			buf_puts(b, " ");
			type_print(c->m, c->in[i], b);
		}
	}
	if (r) {
		buf_puts(b, *sep == ':' ? ": result " : ", result ");
		type_print(c->m, r, b);
	}
}

bool
rule_error(struct check *c, const char *fmt, ...)
{
	struct buf b = {0};
	const char *seen[32];
	int nseen = 0;
	axis_set axes = 0;
	char why[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	buf_puts(&b, why);
	add_operands(c, &b);
	for (int i = 0; i < c->op->nin; i++)
		if (c->in[i])
			add_sizes(c, c->in[i], &axes, seen, &nseen, &b);
	if (stated(c, 0))
		add_sizes(c, stated(c, 0), &axes, seen, &nseen, &b);
	for (int i = 0; i < c->m->naxis; i++)
		if (axes >> i & 1)
			buf_printf(&b, " |%s|=%u", c->m->axis[i].name,
			    c->m->axis[i].size);
	diag_error(c->m->diag, c->op->at, "%s: %s",
	    op_info[c->op->code].name, buf_text(&b));
	buf_free(&b);
	return false;
}

/* ------------------------------------------------------ building blocks */

const struct type *
stated(const struct check *c, int i)
{
	const struct value *v = i < c->op->nout ? c->op->out[i] : NULL;

	return v && !v->bundle ? v->type : NULL;
}

bool
all_typed(struct check *c, int nin)
{
	if (c->op->nin != nin)
		return rule_error(c, "takes %d operands, got %d", nin,
		    c->op->nin);
	for (int i = 0; i < nin; i++) {
		const struct arg *a = &c->op->in[i];

		if (!c->in[i])
			return rule_error(c,
			    "operand %d is a bundle, not a tensor", i + 1);
		if (a->kind == ARG_FIELD && a->v->flat.n)
			return rule_error(c, "operand %d is a block of an "
			    "image: gather it first", i + 1);
	}
	return true;
}

bool
need_stated(struct check *c)
{
	return stated(c, 0) || rule_error(c, "needs its result type stated");
}

bool
is_scalar(struct check *c, int i)
{
	const struct type *t = c->in[i];

	if (t->rank != 0 || t->dtype != DT_F32)
		return rule_error(c, "operand %d must be f32[]", i + 1);
	return complete(c, i);
}

bool
is_index(struct check *c, int i)
{
	return c->in[i]->dtype == DT_I32 ||
	    rule_error(c, "operand %d must be i32", i + 1);
}

bool
is_real(struct check *c, int i)
{
	return (c->in[i]->dtype != DT_I32 && !dtype_is_fp8(c->in[i]->dtype)) ||
	    rule_error(c, "operand %d must be f32 or bf16", i + 1);
}

bool
complete(struct check *c, int i)
{
	return !c->in[i]->pend ||
	    rule_error(c, "operand %d is pending: it has to be reduced "
	    "before an op that is not linear in it", i + 1);
}

bool
equal_type(struct check *c, int i, int j)
{
	return c->in[i] == c->in[j] ||
	    rule_error(c, "operands %d and %d must have the same type", i + 1,
	    j + 1);
}

bool
unsharded(struct check *c, int i, int dim)
{
	return c->in[i]->d[dim].n == 0 ||
	    rule_error(c, "works on whole rows: dim %s of operand %d must not "
	    "be sharded", c->in[i]->d[dim].name, i + 1);
}

bool
separate(struct check *c, axis_set a, axis_set b, const char *why)
{
	axis_set both = a & b;
	int i = 0;

	if (!both)
		return true;
	while (!(both >> i & 1))
		i++;
	return rule_error(c, "mesh axis %s %s", c->m->axis[i].name, why);
}

bool
dims_within(const struct type *part, const struct type *whole)
{
	int j = 0;

	for (int i = 0; i < part->rank; i++, j++) {
		while (j < whole->rank && part->d[i].name != whole->d[j].name)
			j++;
		if (j == whole->rank || !dim_equal(&part->d[i], &whole->d[j]))
			return false;
	}
	return true;
}

bool
dims_at(const struct type *part, const struct type *whole, int at)
{
	if (at < 0 || at + part->rank > whole->rank)
		return false;
	for (int i = 0; i < part->rank; i++)
		if (!dim_equal(&part->d[i], &whole->d[at + i]))
			return false;
	return true;
}

axis_set
axes_of(const struct type *t, int from, int to)
{
	axis_set s = 0;

	for (int i = from; i < to; i++)
		s |= dim_axes(&t->d[i]);
	return s;
}

int
type_position(const struct module *m, const struct type *t)
{
	(void)m;
	for (int i = 0; i < t->rank; i++)
		if (strcmp(t->d[i].name, "s") == 0)
			return i;
	return t->rank > 1 ? 1 : 0;
}

const struct type *
reduced(struct check *c, const struct type *t, enum dtype dt, axis_set pend)
{
	struct type r = *t;

	r.dtype = dt;
	r.pend = pend;
	return type_intern(c->m, &r);
}

const struct type *
reduced_scalar(struct check *c, axis_set pend)
{
	return reduced(c, type_scalar(c->m, DT_F32), DT_F32, pend);
}

const struct type *
type_subst(struct module *m, const struct type *t, int depth, int64_t k0,
    int64_t k1)
{
	struct type r = *t;

	for (int i = 0; i < r.rank; i++)
		for (int j = 0; j < r.d[i].n; j++)
			for (int k = 0; k < r.d[i].s[j].n; k++) {
				struct coord *x = &r.d[i].s[j].c[k];
				int64_t n = m->axis[x->axis].size;
				int64_t v = x->k + x->lin[depth] * k0;

				x->k = (int16_t)((v % n + n) % n);
				x->lin[depth] = (int16_t)(x->lin[depth] * k1);
			}
	return type_intern(m, &r);
}
