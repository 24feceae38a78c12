/* Products whose dims line up, and who reads masters. */
#include "config.h"

#include "ir/matrix.h"

enum role { KEPT_A, KEPT_B, SUMMED, BATCH };

static enum role
role_of(const struct matrices *d, const char *name)
{
	bool a = type_find(d->a, name) >= 0, b = type_find(d->b, name) >= 0;
	bool c = type_find(d->c, name) >= 0;

	if (a && b)
		return c ? BATCH : SUMMED;
	return a ? KEPT_A : KEPT_B;
}

/* t is [first role..., second role...]? */
static bool
splits(const struct matrices *d, const struct type *t, enum role first,
    enum role second)
{
	int i = 0;

	while (i < t->rank && role_of(d, t->d[i].name) == first)
		i++;
	while (i < t->rank && role_of(d, t->d[i].name) == second)
		i++;
	return i == t->rank;
}

/* The dims of one role stand in one order in x and y. */
static bool
same_order(const struct matrices *d, const struct type *x, const struct type *y,
    enum role r)
{
	int j = 0;

	for (int i = 0; i < x->rank; i++) {
		if (role_of(d, x->d[i].name) != r)
			continue;
		while (j < y->rank && role_of(d, y->d[j].name) != r)
			j++;
		if (j == y->rank || y->d[j].name != x->d[i].name)
			return false;
		j++;
	}
	return true;
}

static uint64_t
product(const struct module *m, const struct matrices *d, const struct type *t,
    enum role r)
{
	uint64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		if (role_of(d, t->d[i].name) == r)
			n *= dim_local_size(m, &t->d[i]);
	return n;
}

bool
matrices_of(const struct module *m, const struct op *op, struct matrices *d)
{
	*d = (struct matrices){arg_type(m, &op->in[0]),
	    arg_type(m, &op->in[1]), op->out[0]->type};
	for (int i = 0; i < d->a->rank; i++)
		if (role_of(d, d->a->d[i].name) == BATCH)
			return false;
	d->swap = !splits(d, d->c, KEPT_A, KEPT_B);
	d->ta = !splits(d, d->a, KEPT_A, SUMMED);
	d->tb = !splits(d, d->b, SUMMED, KEPT_B);
	d->m = product(m, d, d->a, KEPT_A);
	d->n = product(m, d, d->b, KEPT_B);
	d->k = product(m, d, d->a, SUMMED);
	return (!d->swap || splits(d, d->c, KEPT_B, KEPT_A)) &&
	    (!d->ta || splits(d, d->a, SUMMED, KEPT_A)) &&
	    (!d->tb || splits(d, d->b, KEPT_B, SUMMED)) &&
	    same_order(d, d->a, d->c, KEPT_A) &&
	    same_order(d, d->b, d->c, KEPT_B) &&
	    same_order(d, d->a, d->b, SUMMED) && d->m <= UINT32_MAX &&
	    d->n <= UINT32_MAX && d->k <= UINT32_MAX;
}

/* ---- masters ---- */

/* A field of parameters in another dtype. */
static const struct bundle *
cast_bundle(const struct arg *a)
{
	const struct op *def = a->kind == ARG_FIELD ? a->v->def : NULL;

	return def && def->code == OP_PARAMS && def->in[0].kind ==
	    ARG_BUNDLE && a->v->dtype != def->in[0].b->dtype ?
	    def->in[0].b : NULL;
}

bool
master_readable(const struct module *m, const struct op *op, int in)
{
	struct matrices x;

	switch (op->code) {
	case OP_DOT: /* of two masters it would be another product */
		return in < 2 && !cast_bundle(&op->in[!in]) &&
		    matrices_of(m, op, &x);
	case OP_XENT_DOT:
		return in == 1;
	case OP_XENT_DOT_BWD:
		return in == 2;
	case OP_EMBED:
		return in == 0;
	default:
		return false;
	}
}

bool
arg_is_master(struct module *m, const struct arg *a)
{
	const struct bundle *b = cast_bundle(a);

	return b && !bundle_is_image(m, b) &&
	    !bundle_slot(m, b, a->field, ".cast");
}

struct needs {
	const struct module *m;
	const struct bundle *b;
	bool *which;
};

static void
see_readers(struct op *op, void *arg)
{
	struct needs *n = arg;

	for (int i = 0; i < op->nin; i++)
		if (cast_bundle(&op->in[i]) == n->b &&
		    !master_readable(n->m, op, i))
			n->which[op->in[i].field] = true;
}

void
copies_needed(struct module *m, const struct bundle *b, bool *which)
{
	struct needs n = {m, b, which};

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_readers, &n);
}
