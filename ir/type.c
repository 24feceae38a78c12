/* Types: interning, plain constructors, sizes. */
#include "config.h"

#include "ir/type.h"

#include <string.h>

#include "ir/ir.h"
#include "ir/typetable.h"

const char *const dtype_name[DT_COUNT] = {"none", "f32", "bf16", "i32",
	"f8e4m3", "f8e5m2"};
const uint8_t dtype_size[DT_COUNT] = {0, 4, 2, 4, 1, 1};

struct type_table {
	const struct type **slot; /* open addressing, at most half full */
	size_t n, cap;            /* cap is a power of two */
};

struct type_table *
type_table_new(struct arena *mem)
{
	struct type_table *t = NEW(mem, struct type_table);

	t->cap = 64;
	t->slot = NEW_N(mem, const struct type *, t->cap);
	return t;
}

static bool
coord_equal(const struct coord *a, const struct coord *b)
{
	return a->axis == b->axis && a->k == b->k &&
	    memcmp(a->lin, b->lin, sizeof a->lin) == 0;
}

static bool
shard_equal(const struct shard *a, const struct shard *b)
{
	if (a->kind != b->kind || a->n != b->n || a->from != b->from ||
	    a->to != b->to)
		return false;
	for (int i = 0; i < a->n; i++)
		if (!coord_equal(&a->c[i], &b->c[i]))
			return false;
	return true;
}

bool
dim_equal(const struct dim *a, const struct dim *b)
{
	if (a->name != b->name || a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++)
		if (!shard_equal(&a->s[i], &b->s[i]))
			return false;
	return true;
}

static bool
type_equal(const struct type *a, const struct type *b)
{
	if (a->dtype != b->dtype || a->rank != b->rank || a->pend != b->pend ||
	    a->pend_op != b->pend_op)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (!dim_equal(&a->d[i], &b->d[i]))
			return false;
	return true;
}

static uint64_t
mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Names are interned, so their addresses stand for them. */
static uint64_t
type_hash(const struct type *t)
{
	uint64_t h = mix(t->dtype, t->rank);

	h = mix(h, (uint64_t)t->pend << 16);
	for (int i = 0; i < t->rank; i++) {
		h = mix(h, (uintptr_t)t->d[i].name);
		for (int j = 0; j < t->d[i].n; j++)
			h = mix(h, (uint64_t)t->d[i].s[j].kind << 8 |
				t->d[i].s[j].c[0].axis);
	}
	return h;
}

static const struct type **
find_slot(struct type_table *tab, const struct type *t)
{
	size_t i = type_hash(t) & (tab->cap - 1);

	while (tab->slot[i] && !type_equal(tab->slot[i], t))
		i = (i + 1) & (tab->cap - 1);
	return &tab->slot[i];
}

static void
grow(struct arena *mem, struct type_table *tab)
{
	const struct type **old = tab->slot;
	size_t n = tab->cap;

	tab->cap *= 2;
	tab->slot = NEW_N(mem, const struct type *, tab->cap);
	for (size_t i = 0; i < n; i++)
		if (old[i])
			*find_slot(tab, old[i]) = old[i];
}

/* The representative of x modulo n in (-n, 0]: `co-j`, as rings are read. */
static int16_t
skew_mod(int16_t x, uint32_t n)
{
	return n > 0 && n <= INT16_MAX ? (int16_t)(x % (int)n -
	    (x % (int)n > 0 ? (int)n : 0)) : x;
}

/* Skews are equal modulo the axis size; keep one of them. */
static void
canonical_coord(const struct module *m, struct coord *c)
{
	uint32_t n = c->axis < m->naxis ? m->axis[c->axis].size : 0;

	c->k = skew_mod(c->k, n);
	for (int i = 0; i < MAX_LOOPS; i++)
		c->lin[i] = skew_mod(c->lin[i], n);
}

const struct type *
type_intern(struct module *m, const struct type *t)
{
	const struct type **slot;
	struct type c = *t;

	for (int i = 0; i < c.rank; i++)
		for (int j = 0; j < c.d[i].n; j++)
			for (int k = 0; k < c.d[i].s[j].n; k++)
				canonical_coord(m, &c.d[i].s[j].c[k]);
	if (!c.pend)
		c.pend_op = PEND_SUM; /* nothing is pending alike */
	if (m->types->n * 2 >= m->types->cap)
		grow(m->mem, m->types);
	slot = find_slot(m->types, &c);
	if (!*slot) {
		struct type *fresh = NEW(m->mem, struct type);

		*fresh = c;
		*slot = fresh;
		m->types->n++;
	}
	return *slot;
}

const struct type *
type_make(struct module *m, enum dtype dt, int rank, const char *const *dims)
{
	struct type t = {.dtype = (uint8_t)dt, .rank = (uint8_t)rank};

	for (int i = 0; i < rank; i++)
		t.d[i].name = dims[i];
	return type_intern(m, &t);
}

const struct type *
type_scalar(struct module *m, enum dtype dt)
{
	return type_make(m, dt, 0, NULL);
}

const struct type *
type_with_dtype(struct module *m, const struct type *t, enum dtype dt)
{
	struct type copy = *t;

	copy.dtype = (uint8_t)dt;
	return type_intern(m, &copy);
}

const struct type *
type_drop(struct module *m, const struct type *t, int i)
{
	struct type copy = *t;

	copy.rank--;
	for (int j = i; j < copy.rank; j++)
		copy.d[j] = t->d[j + 1];
	memset(&copy.d[copy.rank], 0, sizeof copy.d[0]);
	return type_intern(m, &copy);
}

int
type_find(const struct type *t, const char *name)
{
	for (int i = 0; i < t->rank; i++)
		if (t->d[i].name == name)
			return i;
	return -1;
}

axis_set
dim_axes(const struct dim *d)
{
	axis_set set = 0;

	for (int i = 0; i < d->n; i++)
		for (int j = 0; j < d->s[i].n; j++)
			set |= (axis_set)(1u << d->s[i].c[j].axis);
	return set;
}

axis_set
type_axes(const struct type *t)
{
	axis_set set = 0;

	for (int i = 0; i < t->rank; i++)
		set |= dim_axes(&t->d[i]);
	return set;
}

/* Ranks along a set of axes. */
static uint64_t
axes_size(const struct module *m, axis_set set)
{
	uint64_t n = 1;

	for (int i = 0; i < m->naxis; i++)
		if (set >> i & 1)
			n *= m->axis[i].size;
	return n;
}

static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t p;

	return __builtin_mul_overflow(a, b, &p) ? UINT64_MAX : p;
}

static uint64_t
dim_size(const struct module *m, const struct dim *d)
{
	const struct dimdef *def = module_dim(m, d->name);

	return def ? def->size : 0;
}

uint64_t
dim_local_size(const struct module *m, const struct dim *d)
{
	const struct shard *last = d->n ? &d->s[d->n - 1] : NULL;

	return last && last->kind == SHARD_PART ? last->to - last->from :
	    dim_size(m, d) / axes_size(m, dim_axes(d));
}

uint64_t
type_global_count(const struct module *m, const struct type *t)
{
	uint64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		n = times(n, dim_size(m, &t->d[i]));
	return n;
}

/* recipe.s stands in a module only where dim s is padded. */
uint64_t
dim_real_size(const struct module *m, const struct dim *d)
{
	uint64_t size = dim_size(m, d);
	double real =
	    strcmp(d->name, "s") ? 0 : module_number(m, "recipe.s", 0);

	return real > 0 && real < (double)size ? (uint64_t)real : size;
}

uint64_t
type_real_count(const struct module *m, const struct type *t)
{
	uint64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		n = times(n, dim_real_size(m, &t->d[i]));
	return n;
}

uint64_t
type_local_count(const struct module *m, const struct type *t)
{
	uint64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		n = times(n, dim_local_size(m, &t->d[i]));
	return n;
}

uint64_t
type_local_bytes(const struct module *m, const struct type *t)
{
	return times(type_local_count(m, t), dtype_size[t->dtype]);
}

/* As if the loop's variable were written out: co-j with j=2 is co-2. */
const struct type *
type_substitute(struct module *m, const struct type *t, int depth, uint64_t v)
{
	struct type copy = *t;

	if (depth >= MAX_LOOPS || type_axes(t) == 0)
		return t;
	for (int i = 0; i < copy.rank; i++)
		for (int j = 0; j < copy.d[i].n; j++)
			for (int k = 0; k < copy.d[i].s[j].n; k++) {
				struct coord *c = &copy.d[i].s[j].c[k];
				uint32_t n = m->axis[c->axis].size;
				int64_t by = c->lin[depth] * (int64_t)(v % n);

				c->k = (int16_t)((c->k + by) % (int64_t)n);
				c->lin[depth] = 0;
			}
	return type_intern(m, &copy);
}
