/* The part of module_verify about sizes, types and bundles. */
#include "config.h"

#include "ir/verify.h"

#include <string.h>

#include "support/buf.h"
#include "support/ptrmap.h"

static bool
bad_type(struct module *m, const struct type *t, struct span at,
    const char *why, const char *name)
{
	struct buf b = {0};

	type_print(m, t, &b);
	diag_error(m->diag, at, "type %s: %s %s", buf_text(&b), why, name);
	buf_free(&b);
	return false;
}

/* Shards outside in must divide what is left of the dimension. */
static bool
shards_divide(struct module *m, const struct dim *d, uint64_t size)
{
	for (int i = 0; i < d->n; i++) {
		uint64_t n = d->s[i].kind == SHARD_ZIGZAG ? 2 : 1;

		for (int j = 0; j < d->s[i].n; j++)
			n *= m->axis[d->s[i].c[j].axis].size;
		if (size % n)
			return false;
		size /= d->s[i].kind == SHARD_ZIGZAG ? n / 2 : n;
		if (d->s[i].kind == SHARD_PART && (i + 1 < d->n ||
		    d->s[i].from >= d->s[i].to || d->s[i].to > size))
			return false;
	}
	return true;
}

static bool
verify_dim(struct module *m, const struct type *t, int i, axis_set *used,
    struct span at)
{
	const struct dim *d = &t->d[i];
	const struct dimdef *def = module_dim(m, d->name);

	if (!def)
		return bad_type(m, t, at, "there is no dim", d->name);
	for (int j = 0; j < i; j++)
		if (t->d[j].name == d->name)
			return bad_type(m, t, at, "has twice", d->name);
	for (int j = 0; j < d->n; j++)
		for (int k = 0; k < d->s[j].n; k++) {
			int a = d->s[j].c[k].axis;

			if (a >= m->naxis)
				return bad_type(m, t, at,
				    "unknown mesh axis on dim", d->name);
			if (*used >> a & 1)
				return bad_type(m, t, at, "uses twice axis",
				    m->axis[a].name);
			*used |= (axis_set)(1u << a);
		}
	if (!shards_divide(m, d, def->size))
		return bad_type(m, t, at, "its shards do not divide dim",
		    d->name);
	return true;
}

/* Some indices are nowhere: only a value on its way may be like that. */
static bool
has_part(const struct type *t)
{
	for (int i = 0; i < t->rank; i++)
		if (t->d[i].n && t->d[i].s[t->d[i].n - 1].kind == SHARD_PART)
			return true;
	return false;
}

bool
verify_type(struct module *m, const struct type *t, struct span at)
{
	axis_set used = 0, all = (axis_set)((1u << m->naxis) - 1);
	uint64_t n = 1;

	if (t->rank > MAX_RANK || t->dtype == DT_NONE || t->dtype >= DT_COUNT)
		return bad_type(m, t, at, "is no type", "");
	for (int i = 0; i < t->rank; i++) {
		if (!verify_dim(m, t, i, &used, at))
			return false;
		if (__builtin_mul_overflow(n,
		    module_dim(m, t->d[i].name)->size, &n) || n > MAX_ELEMENTS)
			return bad_type(m, t, at,
			    "has more than 2^48 elements, see dim",
			    t->d[i].name);
	}
	if (t->pend & used)
		return bad_type(m, t, at,
		    "is pending on an axis that shards it", "");
	if (t->pend & ~all)
		return bad_type(m, t, at, "unknown mesh axis", "");
	if ((used || has_part(t)) && m->stage == 'a')
		return bad_type(m, t, at,
		    "is sharded, but stage a is one device", "");
	return true;
}

static bool
verify_dims(struct module *m)
{
	bool ok = true;

	for (int i = 0; i < m->ndim; i++) {
		const struct dimdef *d = &m->dim[i];

		if (d->size > 0 && d->size <= MAX_DIM_SIZE)
			continue;
		diag_error(m->diag, d->at, "dim %s=%llu: sizes are 1 to 2^40",
		    d->name, (unsigned long long)d->size);
		ok = false;
	}
	for (int i = 0; i < m->naxis; i++)
		if (module_dim(m, m->axis[i].name)) {
			diag_error(m->diag, (struct span){0},
			    "mesh axis %s has the name of a dim",
			    m->axis[i].name);
			ok = false;
		} else if (m->axis[i].size == 0) {
			diag_error(m->diag, (struct span){0},
			    "mesh axis %s has no ranks", m->axis[i].name);
			ok = false;
		}
	return ok;
}

/* A derived bundle is its parameters' twin, field by field. */
static bool
same_fields(const struct bundle *b, const struct bundle *of)
{
	if (b->nfield != of->nfield || b->stack != of->stack)
		return false;
	for (int i = 0; i < b->nfield; i++)
		if (b->field[i].name != of->field[i].name ||
		    b->field[i].type->rank != of->field[i].type->rank ||
		    !dims_at(b->field[i].type, of->field[i].type, 0))
			return false;
	return true;
}

static bool
bad_bundle(struct module *m, const struct bundle *b, const char *why)
{
	struct span at = {0};

	if (b->nfield)
		at = b->field[0].at;
	diag_error(m->diag, at, "bundle %s: %s", b->name, why);
	return false;
}

/* What belongs to parameters: gradients, two moments, copies, images of them. */
enum { STATE_TIMES = 16 };

static bool
few_enough(struct module *m, const struct bundle *b, uint64_t total)
{
	if (b->role == ROLE_PARAM && total > MAX_ELEMENTS)
		return bad_bundle(m, b,
		    "all parameters have more than 2^48 elements");
	if (total > STATE_TIMES * MAX_ELEMENTS)
		return bad_bundle(m, b,
		    "gradients, moments and copies have more than 2^52 "
		    "elements");
	return true;
}

/* The first field with the name of one before it, or -1. */
static int
field_again(const struct bundle *b)
{
	struct arena mem = {0};
	struct ptrmap names = {0};
	int i = 0;

	while (i < b->nfield && !ptrmap_put(&mem, &names, b->field[i].name,
	    b->field))
		i++;
	arena_free(&mem);
	return i < b->nfield ? i : -1;
}

/* total: elements so far of all parameters, and of what belongs to them. */
static bool
verify_bundle(struct module *m, struct bundle *b, uint64_t total[2])
{
	uint64_t *sum = &total[b->role != ROLE_PARAM];
	int twice = field_again(b);
	uint64_t n;

	if (b->stack && !module_dim(m, b->stack))
		return bad_bundle(m, b, "is stacked along an unknown dim");
	if ((b->role == ROLE_PARAM) != !b->of)
		return bad_bundle(m, b, "parameters are of no other bundle, "
		    "all others are");
	if (axis_list_set(&b->flat) & b->pend)
		return bad_bundle(m, b, "is cut over an axis it is pending on");
	if (b->over && (b->over->of != b->of || b->over->over ||
	    !axis_list_equal(&b->over->flat, &b->flat) ||
	    b->over->dtype != b->dtype))
		return bad_bundle(m, b, "cannot lie where another kind of "
		    "bundle is");
	if (b->of && (b->of->role != ROLE_PARAM || !same_fields(b, b->of)))
		return bad_bundle(m, b, "has not the fields of its "
		    "parameters");
	for (int i = 0; i < b->nfield; i++) {
		if (!verify_type(m, b->field[i].type, b->field[i].at))
			return false;
		if (has_part(b->field[i].type))
			return bad_bundle(m, b, "has a field of which a part "
			    "is nowhere");
		if (b->flat.n && type_axes(b->field[i].type))
			return bad_bundle(m, b, "is cut into blocks, so its "
			    "fields are not cut");
		if (i == twice)
			return bad_bundle(m, b, "has a field twice");
		n = type_global_count(m, b->field[i].type);
		if (__builtin_mul_overflow(n,
		    b->stack ? module_dim(m, b->stack)->size : 1, &n) ||
		    __builtin_add_overflow(*sum, n, sum))
			*sum = UINT64_MAX;
		if (!few_enough(m, b, *sum))
			return false;
	}
	return true;
}

bool
verify_header(struct module *m)
{
	uint64_t total[2] = {0, 0};
	bool ok = verify_dims(m);

	for (int i = 0; i < m->nbundle && ok; i++)
		ok = verify_bundle(m, m->bundle[i], total);
	return ok;
}
