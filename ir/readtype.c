/*
 * Types from text.
 *
 *   type  = dtype dims pending | ALIAS [ '(' coord {',' coord} ')' ]
 *   dims  = '[' [dim {',' dim}] ']'      dim = name {'/' shard} | LAY ...
 *   shard = axis | '(' coords ')' | 'zz(' coords ')'
 *   coord = (axis | parameter) {('+'|'-') (int | [int '*'] loop variable)}
 *   pending = ['+all' | '+' axes | 'max' axes]
 */
#include "config.h"

#include "ir/reader.h"

#include <ctype.h>
#include <string.h>

static int
find_axis(const struct reader *r, const char *name)
{
	for (int i = 0; i < r->m->naxis; i++)
		if (r->m->axis[i].name == name)
			return i;
	return -1;
}

int
read_axis(struct reader *r)
{
	const char *from = r->p, *name = read_name(r);
	int axis = find_axis(r, name);

	if (axis < 0)
		fail_at(r, span_from(r, from), "no mesh axis is called '%s'",
		    name);
	return axis < 0 ? 0 : axis;
}

static bool
dtype_from_name(const char *name, enum dtype *dt)
{
	for (int i = DT_NONE + 1; i < DT_COUNT; i++)
		if (strcmp(dtype_name[i], name) == 0) {
			*dt = (enum dtype)i;
			return true;
		}
	return false;
}

enum dtype
read_dtype(struct reader *r)
{
	const char *from = r->p, *name = read_name(r);
	enum dtype dt = DT_F32;

	if (!dtype_from_name(name, &dt))
		fail_at(r, span_from(r, from),
		    "'%s' is not a dtype: f32, bf16, i32, f8e4m3 or f8e5m2", name);
	return dt;
}

static const struct alias *
find_alias(const struct reader *r, const char *name, bool is_type)
{
	for (int i = r->nalias - 1; i >= 0; i--)
		if (r->alias[i].name == name && r->alias[i].is_type == is_type)
			return &r->alias[i];
	return NULL;
}

bool
at_type(struct reader *r)
{
	const char *was = r->p, *name;
	enum dtype dt;
	bool yes;

	if (!at_word(r))
		return false;
	name = read_name(r);
	yes = (dtype_from_name(name, &dt) && at_char(r, '[')) ||
	    find_alias(r, name, true);
	if (!r->failed)
		r->p = was;
	return yes;
}

static int16_t
add_skew(struct reader *r, int16_t old, int64_t x)
{
	int64_t sum = old + x;

	if (sum < INT16_MIN || sum > INT16_MAX) {
		fail_here(r, "the skew of a coordinate is too large");
		return 0;
	}
	return (int16_t)sum;
}

static void
read_skew(struct reader *r, struct coord *c, int sign)
{
	int64_t n = 1;
	const char *from, *var;

	skip_blank(r);
	from = r->p;
	if (!at_word(r)) {
		n = read_int(r, 0, INT16_MAX);
		if (!accept(r, "*")) {
			c->k = add_skew(r, c->k, sign * n);
			return;
		}
	}
	var = read_name(r);
	for (int i = r->nloop - 1; i >= 0; i--)
		if (r->loop[i] == var && i < MAX_LOOPS) {
			c->lin[i] = add_skew(r, c->lin[i], sign * n);
			return;
		}
	fail_at(r, span_from(r, from),
	    "'%s' is not the variable of one of the %d outer loops", var,
	    MAX_LOOPS);
}

/* Parameters of the alias being read hide axes. */
static struct coord
coord_base(struct reader *r)
{
	const char *was = r->p, *name = read_name(r);
	struct coord c = {0};

	for (int i = 0; r->env && i < r->env->nparam; i++)
		if (r->env->param[i] == name)
			return r->env_coord[i];
	if (!r->failed)
		r->p = was;
	c.axis = (uint8_t)read_axis(r);
	return c;
}

static struct coord
read_coord(struct reader *r)
{
	struct coord c = coord_base(r);

	while (!r->failed)
		if (accept(r, "+"))
			read_skew(r, &c, 1);
		else if (accept(r, "-"))
			read_skew(r, &c, -1);
		else
			break;
	return c;
}

/* After the parenthesis, up to the one that closes it. */
static int
read_coords(struct reader *r, struct coord *c, int max)
{
	int n = 0;

	while (!r->failed) {
		if (n == max) {
			fail_here(r, "more than %d coordinates", max);
			break;
		}
		c[n++] = read_coord(r);
		if (!accept(r, ","))
			break;
	}
	expect(r, ")");
	return n;
}

/* from,to) */
static void
read_part(struct reader *r, struct shard *s)
{
	s->kind = SHARD_PART;
	s->from = (uint32_t)read_int(r, 0, UINT32_MAX);
	expect(r, ",");
	s->to = (uint32_t)read_int(r, 1, UINT32_MAX);
	expect(r, ")");
}

static void
read_shard(struct reader *r, struct dim *d)
{
	struct shard *s = &d->s[d->n];

	if (d->n == MAX_SHARDS) {
		fail_here(r, "more than %d shards of one dimension",
		    MAX_SHARDS);
		return;
	}
	d->n++;
	if (accept(r, "part(")) {
		read_part(r, s);
		return;
	}
	if (accept(r, "zz("))
		s->kind = SHARD_ZIGZAG;
	if (s->kind != SHARD_BLOCK || accept(r, "(")) {
		s->n = (uint8_t)read_coords(r, s->c, MAX_COORDS);
	} else {
		s->n = 1;
		s->c[0] = coord_base(r);
	}
}

/* Reads an alias's body with its parameters bound, then goes on here. */
static void
expand(struct reader *r, const struct alias *a, struct type *t,
    void (*body)(struct reader *r, struct type *t))
{
	struct coord bound[READ_PARAMS], outer[READ_PARAMS];
	const struct alias *outer_env = r->env;
	const char *back;
	int n;

	memcpy(bound, a->dflt, sizeof bound);
	if (a->nparam && accept(r, "(")) {
		n = read_coords(r, bound, READ_PARAMS);
		if (n != a->nparam)
			fail_here(r, "'%s' takes %d coordinates, not %d",
			    a->name, a->nparam, n);
	}
	if (r->failed || !enter(r))
		return;
	back = r->p;
	memcpy(outer, r->env_coord, sizeof outer);
	memcpy(r->env_coord, bound, sizeof bound);
	r->env = a;
	r->p = a->body;
	body(r, t);
	r->env = outer_env;
	memcpy(r->env_coord, outer, sizeof outer);
	if (!r->failed)
		r->p = back;
	leave(r);
}

static void read_dim_list(struct reader *r, struct type *t);

static void
read_dim(struct reader *r, struct type *t)
{
	const char *from, *name;
	const struct alias *a;
	struct dim *d;

	skip_blank(r);
	from = r->p;
	name = read_name(r);
	if ((a = find_alias(r, name, false))) {
		expand(r, a, t, read_dim_list);
		return;
	}
	if (t->rank == MAX_RANK) {
		fail_at(r, span_from(r, from), "more than %d dimensions",
		    MAX_RANK);
		return;
	}
	if (!r->failed && !module_dim(r->m, name))
		fail_at(r, span_from(r, from),
		    "no dimension is called '%s'", name);
	d = &t->d[t->rank++];
	*d = (struct dim){.name = name};
	while (!r->failed && accept(r, "/"))
		read_shard(r, d);
}

static void
read_dim_list(struct reader *r, struct type *t)
{
	do
		read_dim(r, t);
	while (!r->failed && accept(r, ","));
}

void
read_dims(struct reader *r, struct type *t)
{
	expect(r, "[");
	if (!at_char(r, ']'))
		read_dim_list(r, t);
	expect(r, "]");
}

static axis_set
read_axes(struct reader *r)
{
	axis_set set = 0;

	expect(r, "(");
	do
		set |= (axis_set)(1u << read_axis(r));
	while (!r->failed && accept(r, ","));
	expect(r, ")");
	return set;
}

/* flat/(axes) of a bundle, major to minor. */
void
read_flat(struct reader *r, struct axis_list *l)
{
	if (!accept(r, "flat/"))
		return;
	expect(r, "(");
	do {
		int axis = read_axis(r);

		if (axis_list_set(l) >> axis & 1)
			fail_here(r, "an axis twice");
		else if (!r->failed)
			l->axis[l->n++] = (uint8_t)axis;
	} while (!r->failed && accept(r, ","));
	expect(r, ")");
}

void
read_pending(struct reader *r, struct type *t)
{
	if (accept(r, "+")) {
		t->pend_op = PEND_SUM;
		if (accept_word(r, "all"))
			t->pend = (axis_set)((1u << r->m->naxis) - 1);
		else
			t->pend = read_axes(r);
	} else if (accept(r, "max")) {
		t->pend_op = PEND_MAX;
		t->pend = read_axes(r);
	}
}

static void
read_type_body(struct reader *r, struct type *t)
{
	const char *was = r->p, *name = read_name(r);
	const struct alias *a = find_alias(r, name, true);

	if (a) {
		expand(r, a, t, read_type_body);
		return;
	}
	if (!r->failed)
		r->p = was;
	t->dtype = (uint8_t)read_dtype(r);
	read_dims(r, t);
	read_pending(r, t);
}

const struct type *
read_type(struct reader *r)
{
	struct type t = {0};

	skip_blank(r);
	read_type_body(r, &t);
	if (r->failed)
		return type_scalar(r->m, DT_F32);
	return type_intern(r->m, &t);
}

static void
read_alias_params(struct reader *r, struct alias *a)
{
	if (!accept(r, "("))
		return;
	do {
		if (a->nparam == READ_PARAMS) {
			fail_here(r, "more than %d parameters", READ_PARAMS);
			return;
		}
		a->param[a->nparam] = read_name(r);
		expect(r, "=");
		a->dflt[a->nparam++].axis = (uint8_t)read_axis(r);
	} while (!r->failed && accept(r, ","));
	expect(r, ")");
}

/* The body is read once here, so that mistakes show at the definition. */
void
read_alias(struct reader *r, bool is_type)
{
	struct alias *a = &r->alias[r->nalias];
	struct type t = {0};

	*a = (struct alias){.name = read_name(r), .is_type = is_type};
	read_alias_params(r, a);
	expect(r, "=");
	skip_blank(r);
	a->body = r->p;
	r->env = a;
	memcpy(r->env_coord, a->dflt, sizeof a->dflt);
	if (is_type)
		read_type_body(r, &t);
	else
		read_dim_list(r, &t);
	r->env = NULL;
	if (r->nalias < READ_ITEMS - 1)
		r->nalias++;
	else
		fail_here(r, "more than %d aliases", READ_ITEMS);
}
