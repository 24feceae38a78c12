#include "config.h"

#include "driver/scale.h"

#include <stdlib.h>
#include <string.h>

enum { LAYERS = 3 };
enum { SMALL = 64, LARGE = 9 }; /* larger than SMALL: scaled to LARGE or up */

struct scale {
	struct module *m;
	uint64_t tokens;
	struct dimdef **dim; /* in order of their first size */
	uint64_t *floor;     /* by index in m->dim: least size that will do */
	uint64_t *unit;	 /* by index in m->dim: what its size is a multiple of */
	bool *done;
	uint64_t used; /* bit n: size n is taken, n < 64 */
};

static void
must_divide(uint64_t *unit, uint64_t n)
{
	*unit = scale_lcm(*unit, n);
}

static int
number_of(const struct scale *s, const char *dim)
{
	struct dimdef *d = module_dim(s->m, dim);

	return d ? (int)(d - s->m->dim) : -1;
}

static void
fix(struct scale *s, const char *name, uint64_t size)
{
	int i = number_of(s, name);

	if (i < 0 || s->done[i])
		return;
	if (s->m->dim[i].size > size)
		s->m->dim[i].size = size;
	if (s->m->dim[i].size < 64)
		s->used |= UINT64_C(1) << s->m->dim[i].size;
	s->done[i] = true;
}

static bool
is_size(const struct module *m, uint64_t size)
{
	for (int i = 0; i < m->ndim; i++)
		if (m->dim[i].size == size)
			return true;
	return false;
}

static bool
is_used(const struct scale *s, uint64_t n)
{
	return n < 64 && s->used >> n & 1;
}

/* Two or more on each rank, and unlike what is small already. */
static void
fix_several(struct scale *s, const char *name)
{
	struct dimdef *d = module_dim(s->m, name);
	uint64_t unit, n;

	if (!d)
		return;
	unit = s->unit[d - s->m->dim];
	n = 2 * unit;
	d->size = 0;
	while (is_size(s->m, n) || is_used(s, n))
		n += unit;
	d->size = n;
	fix(s, name, n);
}

/* The operand's dimension at position i, if it is a tensor. */
static const char *
dim_name(const struct module *m, const struct arg *a, int i)
{
	const struct type *t = arg_type(m, a);

	return t && i < t->rank ? t->d[i].name : NULL;
}

static void
shorten(struct scale *s, struct op *op, enum attr_key key, uint64_t most)
{
	if (op_attr(op, key) && op_int(op, key) > (int64_t)most)
		op_set_int(s->m, op, key, (int64_t)most);
}

static void
visit(struct op *op, void *arg)
{
	struct scale *s = arg;
	const struct op *index;
	const char *table;

	if (op->code == OP_ROPE || op->code == OP_ROPE_BWD)
		must_divide(&s->unit[number_of(s, op_dim(op, ATTR_OVER))], 2);
	shorten(s, op, ATTR_WINDOW, s->tokens / 2);
	shorten(s, op, ATTR_CHUNK, s->tokens);
	if (op->code != OP_EMBED || op->in[1].kind != ARG_VALUE)
		return;
	index = op->in[1].v->def;
	table = dim_name(s->m, &op->in[0], 0);
	if (table && index && index->code == OP_IOTA &&
	    index->out[0]->type->rank)
		s->floor[number_of(s, table)] = s->tokens;
}

static int
by_size(const void *a, const void *b)
{
	const struct dimdef *x = *(struct dimdef *const *)a;
	const struct dimdef *y = *(struct dimdef *const *)b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The least free size from `from` on that is no larger than d. */
static void
choose(struct scale *s, struct dimdef *d, uint64_t *from)
{
	int i = (int)(d - s->m->dim);
	uint64_t n = d->size > SMALL && *from < LARGE ? LARGE : *from;

	if (n < s->floor[i])
		n = s->floor[i];
	n = (n + s->unit[i] - 1) / s->unit[i] * s->unit[i];
	while (n < d->size && is_used(s, n))
		n += s->unit[i];
	if (n < d->size)
		d->size = n;
	if (d->size < 64)
		s->used |= UINT64_C(1) << d->size;
	if (d->size >= *from)
		*from = d->size + 1;
	s->done[i] = true;
}

static void
choose_rest(struct scale *s)
{
	uint64_t from = 2;
	int n = 0;

	for (int i = 0; i < s->m->ndim; i++)
		if (!s->done[i])
			s->dim[n++] = &s->m->dim[i];
	qsort(s->dim, (size_t)n, sizeof *s->dim, by_size);
	for (int i = 0; i < n; i++)
		choose(s, s->dim[i], &from);
}

/* The types before and after a renaming, and their rank; 0: op is none. */
static int
names_of(const struct scale *s, const struct op *op, const struct type **a,
    const struct type **b)
{
	if (op->code != OP_RENAME || !(*a = arg_type(s->m, &op->in[0])))
		return 0;
	*b = op->out[0]->type;
	return (*a)->rank < (*b)->rank ? (*a)->rank : (*b)->rank;
}

static void
tie_units(struct op *op, void *arg)
{
	struct scale *s = arg;
	const struct type *a, *b;
	int n = names_of(s, op, &a, &b);

	for (int i = 0; i < n; i++) {
		uint64_t *x = &s->unit[number_of(s, a->d[i].name)];
		uint64_t *y = &s->unit[number_of(s, b->d[i].name)];

		must_divide(x, *y);
		must_divide(y, *x);
	}
}

/* A dimension and its other name have one size. */
static void
tie(struct op *op, void *arg)
{
	struct scale *s = arg;
	const struct type *a, *b;
	int n = names_of(s, op, &a, &b);

	for (int i = 0; i < n; i++) {
		struct dimdef *x = module_dim(s->m, a->d[i].name);
		struct dimdef *y = module_dim(s->m, b->d[i].name);

		if (x->size > y->size)
			x->size = y->size;
		y->size = x->size;
	}
}

static void
walk(struct scale *s, void (*fn)(struct op *op, void *arg))
{
	for (int i = 0; i < s->m->nfunc; i++)
		region_walk(&s->m->func[i]->body, fn, s);
}

/* An odd number of each rank's pieces: three, or as many as are wanted. */
static uint64_t
sequence(const struct scale *s, uint64_t tokens)
{
	int i = number_of(s, "s");
	uint64_t unit = i < 0 ? 1 : s->unit[i], n = (tokens + unit - 1) / unit;

	if (unit > 1)
		n = n < 3 ? 3 : n | 1;
	n *= unit;
	return i >= 0 && s->m->dim[i].size < n ? s->m->dim[i].size : n;
}

void
scale_module(struct module *m, uint64_t tokens)
{
	size_t n = (size_t)m->ndim + 1;
	struct scale s = {.m = m,
	    .dim = NEW_N(m->mem, struct dimdef *, n),
	    .floor = NEW_N(m->mem, uint64_t, n),
	    .unit = NEW_N(m->mem, uint64_t, n),
	    .done = NEW_N(m->mem, bool, n)};

	if (m->stage == 'e')
		return;
	scale_mesh(m);
	scale_units(m, s.unit);
	s.tokens = sequence(&s, tokens);
	walk(&s, visit);
	for (int i = 0; i < m->ndim; i++)
		walk(&s, tie_units);
	fix(&s, "s", s.tokens);
	fix_several(&s, "b");
	fix_several(&s, "mb");
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->stack)
			fix(&s, m->bundle[i]->stack, LAYERS);
	choose_rest(&s);
	for (int i = 0; i < m->ndim; i++) /* chains of names settle */
		walk(&s, tie);
}

/* ---- how large an index may be ---- */

struct vocab {
	const struct module *m;
	uint64_t least;
};

static void
bound(struct vocab *v, const char *dim)
{
	const struct dimdef *d = dim ? module_dim(v->m, dim) : NULL;

	if (d && (!v->least || d->size < v->least))
		v->least = d->size;
}

/* Dims of the weight that the activations lack: the classes. */
static void
bound_head(struct vocab *v, const struct op *op)
{
	int at = op->code == OP_XENT_DOT_BWD;
	const struct type *h = arg_type(v->m, &op->in[at]);
	const struct type *w = arg_type(v->m, &op->in[at + 1]);

	for (int i = 0; h && w && i < w->rank; i++)
		if (type_find(h, w->d[i].name) < 0)
			bound(v, w->d[i].name);
}

static void
find_vocab(struct op *op, void *arg)
{
	struct vocab *v = arg;
	const struct type *t;

	switch (op->code) {
	case OP_EMBED:
		if (op->in[1].kind == ARG_VALUE &&
		    !(op->in[1].v->def && op->in[1].v->def->code == OP_IOTA))
			bound(v, dim_name(v->m, &op->in[0], 0));
		break;
	case OP_XENT:
		t = arg_type(v->m, &op->in[0]);
		bound(v, dim_name(v->m, &op->in[0], t ? t->rank - 1 : 0));
		break;
	case OP_XENT_DOT:
	case OP_XENT_DOT_BWD:
		bound_head(v, op);
		break;
	default:
		break;
	}
}

uint64_t
scale_vocab(const struct module *m)
{
	struct vocab v = {m, 0};

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, find_vocab, &v);
	return v.least;
}
