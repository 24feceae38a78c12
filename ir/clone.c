/* A deep copy of a module: new names, types, bundles, functions, ops. */
#include "config.h"

#include <string.h>

#include "ir/ir.h"

struct cloner {
	struct module *to;
	const struct module *from;
	const struct func *f; /* the function being copied */
	struct func *g;       /* and its copy */
};

static const char *
copy_name(struct cloner *c, const char *name)
{
	return name ? module_namez(c->to, name) : NULL;
}

static const struct type *
copy_type(struct cloner *c, const struct type *t)
{
	struct type copy;

	if (!t)
		return NULL;
	copy = *t;
	for (int i = 0; i < copy.rank; i++)
		copy.d[i].name = copy_name(c, copy.d[i].name);
	return type_intern(c->to, &copy);
}

static struct bundle *
copy_of_bundle(struct cloner *c, const struct bundle *b)
{
	return b ? module_bundle(c->to, b->name) : NULL;
}

static struct affine
copy_affine(struct cloner *c, const struct affine *a)
{
	struct affine copy = *a;

	for (int i = 0; i < copy.n; i++)
		copy.var[i] = copy_name(c, copy.var[i]);
	return copy;
}

static void
clone_bundle(struct cloner *c, const struct bundle *b)
{
	struct bundle *n = module_add_bundle(c->to, b->name, b->stack,
	    (enum bundle_role)b->role, (enum dtype)b->dtype);

	n->of = copy_of_bundle(c, b->of);
	n->over = copy_of_bundle(c, b->over);
	n->flat = b->flat;
	n->pend = b->pend;
	n->path = copy_name(c, b->path);
	for (int i = 0; i < b->nfield; i++)
		bundle_add_field(c->to, n, b->field[i].name,
		    copy_type(c, b->field[i].type), b->field[i].init,
		    b->field[i].decay, b->field[i].at);
}

/* Values keep their ids, so a copy is found by number. */
static void
clone_value(struct cloner *c, const struct value *v)
{
	struct value *n = func_value(c->to, c->g, v->name,
	    copy_type(c, v->type), v->at);

	n->bundle = copy_of_bundle(c, v->bundle);
	n->dtype = v->dtype;
	n->flat = v->flat;
	n->pend = v->pend;
	n->future = v->future;
	n->slot = copy_name(c, v->slot);
	n->slot_index = copy_affine(c, &v->slot_index);
	n->slot_indexed = v->slot_indexed;
}

static struct value *
copy_of_value(struct cloner *c, const struct value *v)
{
	return v ? c->g->value[v->id] : NULL;
}

static struct arg
copy_arg(struct cloner *c, const struct arg *a)
{
	struct arg copy = *a;

	copy.v = copy_of_value(c, a->v);
	copy.b = copy_of_bundle(c, a->b);
	copy.index = copy_affine(c, &a->index);
	return copy;
}

static void
copy_attrs(struct cloner *c, struct op *n, const struct op *op)
{
	n->nattr = op->nattr;
	n->attr = NEW_N(c->to->mem, struct attr, (size_t)op->nattr);
	for (int i = 0; i < op->nattr; i++) {
		n->attr[i] = op->attr[i];
		n->attr[i].name = copy_name(c, op->attr[i].name);
	}
}

static void
copy_hops(struct cloner *c, struct op *n, const struct op *op)
{
	op_set_hops(c->to, n, op->nhop);
	for (int i = 0; i < op->nhop; i++) {
		n->hop[i] = op->hop[i];
		n->hop[i].from = copy_name(c, op->hop[i].from);
		n->hop[i].to = copy_name(c, op->hop[i].to);
	}
	n->when = op->when;
	n->when.a = copy_affine(c, &op->when.a);
	n->when.b.dim = copy_name(c, op->when.b.dim);
}

static void clone_region(struct cloner *c, struct region *to,
    const struct region *from);

static struct op *
clone_op(struct cloner *c, const struct op *op)
{
	struct op *n = op_new(c->to, (enum opcode)op->code, op->nin, op->nout,
	    op->at);

	n->lane = op->lane;
	n->group = op->group;
	n->into = op->into;
	n->rev = op->rev;
	n->indexed = op->indexed;
	n->index = copy_affine(c, &op->index);
	n->has_target = op->has_target;
	n->target_add = op->target_add;
	n->target = copy_arg(c, &op->target);
	n->var = copy_name(c, op->var);
	n->lo = (struct bound){copy_name(c, op->lo.dim), op->lo.k};
	n->hi = (struct bound){copy_name(c, op->hi.dim), op->hi.k};
	n->scratch = copy_name(c, op->scratch);
	n->kept = copy_name(c, op->kept);
	if (op->callee)
		n->callee = module_func(c->to, op->callee->name);
	for (int i = 0; i < op->nin; i++)
		n->in[i] = copy_arg(c, &op->in[i]);
	for (int i = 0; i < op->nout; i++)
		n->out[i] = copy_of_value(c, op->out[i]);
	copy_attrs(c, n, op);
	copy_hops(c, n, op);
	if (op->carry) {
		n->carry = NEW_N(c->to->mem, struct value *, (size_t)op->nin);
		for (int i = 0; i < op->nin; i++)
			n->carry[i] = copy_of_value(c, op->carry[i]);
	}
	clone_region(c, &n->body, &op->body);
	return n;
}

static void
clone_region(struct cloner *c, struct region *to, const struct region *from)
{
	for (int i = 0; i < from->n; i++)
		region_append(c->to, to, clone_op(c, from->op[i]));
}

static void
clone_body(struct cloner *c, const struct func *f)
{
	struct func *g = module_func(c->to, f->name);

	c->f = f;
	c->g = g;
	g->index = copy_name(c, f->index);
	g->index_dim = copy_name(c, f->index_dim);
	if (f->twin)
		g->twin = module_func(c->to, f->twin->name);
	for (int i = 0; i < f->nvalue; i++)
		clone_value(c, f->value[i]);
	g->nparam = f->nparam;
	g->param = NEW_N(c->to->mem, struct value *, (size_t)f->nparam);
	for (int i = 0; i < f->nparam; i++)
		g->param[i] = copy_of_value(c, f->param[i]);
	clone_region(c, &g->body, &f->body);
}

static void
clone_header(struct cloner *c)
{
	const struct module *m = c->from;

	c->to->name = copy_name(c, m->name);
	c->to->stage = m->stage;
	c->to->after = copy_name(c, m->after);
	c->to->naxis = m->naxis;
	for (int i = 0; i < m->naxis; i++)
		c->to->axis[i] = (struct axisdef){
		    copy_name(c, m->axis[i].name), m->axis[i].size};
	for (int i = 0; i < m->ndim; i++)
		module_add_dim(c->to, m->dim[i].name, m->dim[i].size,
		    m->dim[i].at);
	for (int i = 0; i < m->nset; i++)
		if (m->set[i].is_text)
			module_set_text(c->to, m->set[i].key, m->set[i].text,
			    m->set[i].at);
		else
			module_set_number(c->to, m->set[i].key, m->set[i].num,
			    m->set[i].at);
	for (int i = 0; i < m->nslot; i++) {
		struct slot *s = module_add_slot(c->to, m->slot[i].name);
		const char *name = s->name;

		*s = m->slot[i];
		s->name = name;
	}
	memcpy(c->to->arena_size, m->arena_size, sizeof m->arena_size);
}

struct module *
module_clone(struct arena *mem, const struct module *m)
{
	struct cloner c = {.to = module_new(mem, m->diag), .from = m};

	clone_header(&c);
	for (int i = 0; i < m->nbundle; i++)
		clone_bundle(&c, m->bundle[i]);
	for (int i = 0; i < m->nfunc; i++)
		module_add_func(c.to, m->func[i]->name, m->func[i]->at);
	for (int i = 0; i < m->nfunc; i++)
		clone_body(&c, m->func[i]);
	return c.to;
}
