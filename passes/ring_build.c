/* Ops, shifts and loops of a ring: what passes/ring_emit.c is written with. */
#include "config.h"

#include "passes/ring_build.h"

#include "passes/rewrite.h"

enum { COORDS = MAX_RANK * MAX_SHARDS * MAX_COORDS };

/* All coordinates of a type. */
static int
coords(struct type *t, struct coord **out)
{
	int n = 0;

	for (int i = 0; i < t->rank; i++)
		for (int j = 0; j < t->d[i].n; j++)
			for (int c = 0; c < t->d[i].s[j].n; c++)
				out[n++] = &t->d[i].s[j].c[c];
	return n;
}

/* Those of a type along the rings, with their level; returns how many. */
static int
ring_coords(const struct ring *r, struct type *t, struct coord **out,
    int *level)
{
	int all = coords(t, out), n = 0;

	for (int i = 0; i < all; i++)
		for (int l = 0; l < RING_LEVELS; l++)
			if (out[i]->axis == r->axis[l]) {
				level[n] = l;
				out[n++] = out[i];
			}
	return n;
}

const struct type *
ring_place(const struct ring *r, const struct type *t, int64_t ko, int64_t ki)
{
	int64_t k[RING_LEVELS] = {ko, ki};
	struct coord *x[COORDS];
	struct type s = *t;
	int level[COORDS], n = ring_coords(r, &s, x, level);

	for (int i = 0; i < n; i++) {
		x[i]->k = (int16_t)(k[level[i]] +
		    r->dir * r->first[level[i]]);
		if (r->level[level[i]] >= 0)
			x[i]->lin[r->level[level[i]]] = (int16_t)r->dir;
	}
	return type_intern(r->m, &s);
}

/* t after hops: coordinate c becomes c - by. */
static const struct type *
moved(const struct ring *r, const struct type *t, const int64_t *by)
{
	struct coord *x[COORDS];
	struct type s = *t;
	int level[COORDS], n = ring_coords(r, &s, x, level);

	for (int i = 0; i < n; i++)
		x[i]->k = (int16_t)(x[i]->k - by[level[i]]);
	return type_intern(r->m, &s);
}

/* t, made inside the loop of this depth, when its variable has reached hi. */
static const struct type *
after(struct ring *r, const struct type *t, int depth, int64_t hi)
{
	struct coord *x[COORDS];
	struct type s = *t;
	int n = coords(&s, x);

	for (int i = 0; i < n; i++) {
		x[i]->k = (int16_t)(x[i]->k + hi * x[i]->lin[depth]);
		x[i]->lin[depth] = 0;
	}
	return type_intern(r->m, &s);
}

const char *
ring_named(const struct ring *r, const char *base, const char *suffix)
{
	return arena_printf(r->m->mem, "%s%s", base, suffix);
}

struct op *
ring_put(struct ring *r, enum opcode code, const struct arg *in, int nin, int nout)
{
	struct op *op = op_make(r->m, code, in, nin, nout, r->op->at);

	region_append(r->m, r->out, op);
	return op;
}

struct value *
ring_fill(struct ring *r, enum opcode code, const char *base, const struct type *t)
{
	return op_result(r->m, r->f, ring_put(r, code, NULL, 0, 1), 0, base, t);
}

struct value *
ring_add(struct ring *r, const char *base, struct value *a, struct value *b)
{
	struct arg in[2] = {arg_value(a), arg_value(b)};

	return op_result(r->m, r->f, ring_put(r, OP_ADD, in, 2, 1), 0, base,
	    a->type);
}

/* ------------------------------------------------------------------ shifts */

void
ring_flock_add(struct flock *f, struct value **v, const char *name)
{
	if (!*v)
		return;
	f->v[f->n] = v;
	f->name[f->n++] = name;
}

static void
set_hops(struct ring *r, struct op *op, const int64_t *by)
{
	int n = 0;

	op_set_hops(r->m, op, (by[OUTER] != 0) + (by[INNER] != 0));
	for (int l = 0; l < RING_LEVELS; l++)
		if (by[l])
			op->hop[n++] = (struct hop){
			    .axis = (uint8_t)r->axis[l], .by = (int)by[l]};
}

/* One op for all of a dtype: a transport sends elements of one kind. */
static struct op *
shift_dtype(struct ring *r, struct flock *f, const int64_t *by, int dtype)
{
	struct arg in[LOOP_CARRIES];
	int n = 0, at[LOOP_CARRIES];
	struct op *op;

	for (int i = 0; i < f->n; i++)
		if ((*f->v[i])->type->dtype == dtype) {
			at[n] = i;
			in[n++] = arg_value(*f->v[i]);
		}
	if (n == 0)
		return NULL;
	op = ring_put(r, OP_SHIFT, in, n, n);
	set_hops(r, op, by);
	for (int i = 0; i < n; i++)
		*f->v[at[i]] = op_result(r->m, r->f, op, i, f->name[at[i]],
		    moved(r, in[i].v->type, by));
	return op;
}

void
ring_shift_by(struct ring *r, struct flock *f, const int64_t *by,
    const struct bound *until, const char *var)
{
	for (int dt = DT_F32; dt < DT_COUNT; dt++) {
		struct op *op = shift_dtype(r, f, by, dt);

		if (!op || !until)
			continue;
		op->when.set = true;
		op->when.cmp = '<';
		op->when.a = affine_var(var);
		op->when.a.k = 1;
		op->when.b = *until;
	}
}

void
ring_shift(struct ring *r, struct flock *f, int level, int64_t hops,
    const struct bound *until, const char *var)
{
	int64_t by[RING_LEVELS] = {0};

	by[level] = hops;
	ring_shift_by(r, f, by, until, var);
}

/* ------------------------------------------------------------------- loops */

struct bound
ring_bound_of(const struct ring *r, int level)
{
	const struct axisdef *a = &r->m->axis[r->axis[level]];
	struct bound b = {.k = r->steps[level]};

	return b.k == a->size ? (struct bound){.dim = a->name} : b;
}

void
ring_loop_begin(struct ring *r, struct loop *l, int level, int64_t lo)
{
	struct op *op = op_new(r->m, OP_FOR, LOOP_CARRIES, LOOP_CARRIES,
	    r->op->at);

	op->carry = NEW_N(r->m->mem, struct value *, LOOP_CARRIES);
	op->var = r->var[level];
	op->lo.k = lo;
	op->hi = ring_bound_of(r, level);
	region_append(r->m, r->out, op);
	*l = (struct loop){.op = op, .up = r->out, .level = level};
	r->out = &op->body;
	r->level[level] = r->depth++;
}

void
ring_loop_carry(struct ring *r, struct loop *l, struct value **v, const char *base,
    const struct type *t)
{
	const char *name = ring_named(r, base, r->var[l->level]);
	int i = l->n;

	if (!*v)
		return;
	l->op->in[i] = arg_value(*v);
	*v = func_value(r->m, r->f, func_fresh(r->m, r->f, name), t,
	    r->op->at);
	l->op->carry[i] = *v;
	l->slot[i] = v;
	l->name[i] = base;
	l->n++;
}

void
ring_loop_end(struct ring *r, struct loop *l)
{
	int64_t hi = r->steps[l->level];
	struct arg in[LOOP_CARRIES];

	for (int i = 0; i < l->n; i++)
		in[i] = arg_value(*l->slot[i]);
	ring_put(r, OP_YIELD, in, l->n, 0);
	l->op->nin = l->op->nout = l->n;
	r->out = l->up;
	r->level[l->level] = -1;
	r->depth--;
	for (int i = 0; i < l->n; i++)
		*l->slot[i] = op_result(r->m, r->f, l->op, i,
		    ring_named(r, l->name[i], "e"),
		    after(r, l->op->carry[i]->type, r->depth, hi));
}

