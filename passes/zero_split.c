/*
 * Bundles of which matrices and the rest are shared over other axes become two:
 *
 *   bundle W[L] layer { n[e] wq[e,k] }       bundle W[L] layer { wq[e,k] }
 *                                            bundle Wr[L] layer { n[e] }
 *   w = params @W[l] : f32                   w = params @W[l] : f32
 *                                            wr = params @Wr[l] : f32
 *
 * and every op that names a bundle of the family names what it became.
 */
#include "config.h"

#include "passes/rewrite.h"
#include "passes/zero.h"

#include <string.h>

struct half { /* a bundle that was split: b keeps the matrices */
	struct bundle *b, *rest;
	int nfield;
	int *at;       /* by old field: its place in its half */
	bool *is_rest; /* by old field */
};

struct split {
	struct zero *z;
	struct module *m;
	struct half *half;
	int n;
	struct func *f;
	struct value **twin; /* by id of a params value: that of the rest */
	int ntwin;
};

static bool
same_axes(const struct zero *z)
{
	for (int k = 0; k < ZERO_KINDS; k++)
		if (!axis_list_equal(&z->axes[ZERO_MATRICES][k],
		    &z->axes[ZERO_REST][k]))
			return false;
	return true;
}

static struct half *
half_of(const struct split *s, const struct bundle *b)
{
	for (int i = 0; i < s->n; i++)
		if (s->half[i].b == b)
			return &s->half[i];
	return NULL;
}

/* Does b have fields of both classes?  What is derived is as its root was. */
static bool
mixed(const struct split *s, const struct bundle *b)
{
	if (b->of)
		return half_of(s, b->of) != NULL;
	for (int f = 1; f < b->nfield; f++)
		if (zero_class_of(b, f) != zero_class_of(b, 0))
			return true;
	return false;
}

/* ----------------------------------------------------------------- bundles */

static const char *
free_name(struct module *m, const char *base)
{
	const char *name = module_namez(m, arena_printf(m->mem, "%sr", base));

	for (int i = 1; module_bundle(m, name); i++)
		name = module_namez(m, arena_printf(m->mem, "%sr%d", base, i));
	return name;
}

static void
move_fields(struct split *s, struct half *h)
{
	struct bundle *b = h->b;
	int n = 0;

	h->nfield = b->nfield;
	h->at = NEW_N(s->m->mem, int, (size_t)b->nfield);
	h->is_rest = NEW_N(s->m->mem, bool, (size_t)b->nfield);
	h->rest->nfield = 0;
	for (int i = 0; i < b->nfield; i++) {
		struct field f = b->field[i];

		h->is_rest[i] = b->of ? half_of(s, b->of)->is_rest[i] :
		    zero_class_of(b, i) == ZERO_REST;
		h->at[i] = h->is_rest[i] ? h->rest->nfield : n;
		if (h->is_rest[i])
			bundle_add_field(s->m, h->rest, f.name, f.type,
			    f.init, f.decay, f.at);
		else
			b->field[n++] = f;
	}
	b->nfield = n;
}

static struct bundle *
rest_of(const struct split *s, const struct bundle *b)
{
	const struct half *h = b ? half_of(s, b) : NULL;

	return h ? h->rest : NULL;
}

/* Roots come before what is derived from them. */
static void
split_bundle(struct split *s, struct bundle *b)
{
	struct half *h = &s->half[s->n];
	struct bundle *r = module_add_bundle(s->m, free_name(s->m, b->name),
	    b->stack, (enum bundle_role)b->role, (enum dtype)b->dtype);

	h->b = b;
	h->rest = r;
	r->of = rest_of(s, b->of);
	r->over = rest_of(s, b->over);
	r->pend = b->pend;
	r->path = b->path;
	move_fields(s, h);
	s->n++;
}

/* --------------------------------------------------------------------- ops */

static struct value *
new_twin(struct split *s, const struct value *v, struct op *op)
{
	struct value *r = op_result(s->m, s->f, op, 0, v->name ?
	    arena_printf(s->m->mem, "%sr", v->name) : NULL, NULL);

	r->bundle = rest_of(s, v->bundle);
	r->dtype = v->dtype;
	r->pend = v->pend;
	return r;
}

/* The same op for the rest; out of whole bundles into whole bundles. */
static struct op *
rest_op(struct split *s, const struct op *op)
{
	struct op *r = op_make(s->m, (enum opcode)op->code, op->in, op->nin,
	    op->nout, op->at);

	for (int i = 0; i < r->nin; i++)
		if (op->in[i].b)
			r->in[i].b = rest_of(s, op->in[i].b);
	r->nhop = op->nhop;
	r->hop = op->hop;
	r->nattr = op->nattr;
	r->attr = op->attr;
	r->has_target = op->has_target;
	r->target = op->target;
	if (op->has_target)
		r->target.b = rest_of(s, op->target.b);
	for (int i = 0; i < op->nout; i++) {
		struct value *v = new_twin(s, op->out[i], r);

		if (op->out[i]->id < s->ntwin)
			s->twin[op->out[i]->id] = v;
	}
	return r;
}

/* Fields of a bundle that was split are now those of one half. */
static void
move_arg(struct split *s, struct arg *a)
{
	struct bundle *b = a->kind == ARG_FIELD ? a->v->bundle :
	    a->kind == ARG_BUNDLE_FIELD ? a->b : NULL;
	const struct half *h = b ? half_of(s, b) : NULL;
	bool rest;

	if (!h)
		return;
	rest = h->is_rest[a->field];
	a->field = h->at[a->field];
	if (rest && a->kind == ARG_FIELD)
		a->v = s->twin[a->v->id];
	else if (rest)
		a->b = h->rest;
}

/* zero and sumsq take any number of bundles. */
static void
name_both(struct split *s, struct op *op)
{
	struct arg *in = NEW_N(s->m->mem, struct arg, 2 * (size_t)op->nin + 1);
	int n = 0;

	for (int i = 0; i < op->nin; i++) {
		struct arg a = op->in[i];
		struct bundle *rest = a.kind == ARG_BUNDLE ?
		    rest_of(s, a.b) : NULL;

		in[n++] = a;
		if (rest) {
			a.b = rest;
			in[n++] = a;
		}
	}
	op->in = in;
	op->nin = n;
}

static bool
names_split(const struct split *s, const struct op *op)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].kind == ARG_BUNDLE && half_of(s, op->in[i].b))
			return true;
	return false;
}

static void
split_region(struct split *s, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; j < op->nin; j++)
			move_arg(s, &op->in[j]);
		if (op->has_target)
			move_arg(s, &op->target);
		split_region(s, &op->body);
		if (!names_split(s, op))
			continue;
		if (op->code == OP_ZERO || op->code == OP_SUMSQ)
			name_both(s, op);
		else
			region_insert(s->m, r, ++i, rest_op(s, op));
	}
}

void
zero_split(struct zero *z)
{
	struct split s = {.z = z, .m = z->m};
	int n = z->m->nbundle;

	if (same_axes(z))
		return;
	s.half = NEW_N(z->m->mem, struct half, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		if (mixed(&s, z->m->bundle[i]))
			split_bundle(&s, z->m->bundle[i]);
	for (int i = 0; i < z->m->nfunc && s.n; i++) {
		s.f = z->m->func[i];
		s.ntwin = s.f->nvalue;
		s.twin = NEW_N(z->m->mem, struct value *, (size_t)s.ntwin + 1);
		split_region(&s, &s.f->body);
		remove_dead(s.f);
	}
}
