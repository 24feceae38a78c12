/*
 * Parameters as the model reads them.
 *
 *   params over the state's axes, f32:    w = gather @W[l] on hp,ci : f32
 *   else a copy, which refresh and the
 *   end of the step fill, is read:        w = gather @PW[l] on hp : bf16
 *                                    or   w = params @PW[l] : bf16
 *   fn refresh() {
 *     @PW = gather @W on ci               the cast to bf16 comes before it
 *     return
 *   }
 */
#include "config.h"

#include "passes/rewrite.h"
#include "passes/zero.h"
#include "support/ptrmap.h"

#include <string.h>

struct reader {
	struct zero *z;
	struct module *m;
	struct func *f;
	struct ptrmap copies; /* by parameters: the last one made of them */
};

struct copy {
	struct bundle *b;
	struct copy *next;
};

static void
add_copy(struct reader *r, struct bundle *b)
{
	struct copy *c = NEW(r->m->mem, struct copy);

	c->b = b;
	c->next = ptrmap_put(r->m->mem, &r->copies, b->of, c);
}

static struct bundle *
find_copy(const struct reader *r, const struct bundle *of, enum dtype dt)
{
	for (struct copy *c = ptrmap_get(&r->copies, of); c; c = c->next)
		if (c->b->dtype == dt)
			return c->b;
	return NULL;
}

static const char *
copy_name(struct module *m, const struct bundle *of)
{
	const char *name = module_namez(m, arena_printf(m->mem, "P%s",
	    of->name));

	for (int i = 1; module_bundle(m, name); i++)
		name = module_namez(m, arena_printf(m->mem, "P%s%d", of->name,
		    i));
	return name;
}

/* What blocks read b from in dt: b itself, or its copy. */
static struct bundle *
source(struct reader *r, struct bundle *b, enum dtype dt)
{
	const struct axis_list *l = zero_axes(r->z, b);
	struct bundle *copy;

	if (l[ZERO_PARAMS].n == l[ZERO_STATE].n && b->dtype == dt)
		return b;
	copy = find_copy(r, b, dt);
	if (!copy) {
		copy = module_derive_bundle(r->m, copy_name(r->m, b), b,
		    ROLE_COPY, dt);
		copy->flat = l[ZERO_PARAMS];
		copy->pend = 0;
		add_copy(r, copy);
	}
	return copy;
}

static void
read_params(struct reader *r, struct op *op)
{
	struct value *v = op->out[0];
	struct bundle *b = source(r, op->in[0].b, (enum dtype)v->dtype);

	op->in[0].b = b;
	v->bundle = b;
	if (!b->flat.n)
		return;
	op->code = OP_GATHER;
	op_set_hops(r->m, op, b->flat.n);
	for (int i = 0; i < b->flat.n; i++)
		op->hop[i].axis = b->flat.axis[i];
}

static void
see_params(struct op *op, void *arg)
{
	struct reader *r = arg;

	if (op->code == OP_PARAMS && zero_axes(r->z, op->in[0].b)[ZERO_STATE].n)
		read_params(r, op);
}

/* ------------------------------------------------------------------ copies */

/* @PW = gather @W on axes, or no more than a cast. */
static struct op *
fill(struct zero *z, struct func *f, struct bundle *copy)
{
	struct module *m = z->m;
	const struct axis_list *l = zero_axes(z, copy);
	struct axis_list more = zero_behind(&l[ZERO_STATE], &l[ZERO_PARAMS]);
	struct op *op = more.n ?
	    zero_move(m, OP_GATHER, arg_bundle(copy->of), &more, f->at) :
	    op_make(m, OP_ACCUM, (struct arg[]){arg_bundle(copy->of)}, 1, 1,
	    f->at);

	zero_into(m, f, op, arg_bundle(copy));
	return op;
}

static void
fill_all(struct zero *z, struct func *f, struct region *r, int at)
{
	for (int i = 0; i < z->m->nbundle; i++)
		if (z->m->bundle[i]->role == ROLE_COPY)
			region_insert(z->m, r, at++,
			    fill(z, f, z->m->bundle[i]));
}

static bool
has_copies(const struct module *m)
{
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->role == ROLE_COPY)
			return true;
	return false;
}

/* After the last update. */
static int
end_of_step(const struct region *r)
{
	int at = r->n - 1;

	while (at > 0 && r->op[at - 1]->code != OP_ADAMW)
		at--;
	return at;
}

static void
add_refresh(struct zero *z, struct func *step)
{
	struct module *m = z->m;
	struct func *f = module_add_func(m, module_namez(m, "refresh"),
	    step->at);

	region_append(m, &f->body, op_make(m, OP_RETURN, NULL, 0, 0,
	    step->at));
	fill_all(z, f, &f->body, 0);
}

void
zero_params(struct zero *z)
{
	struct reader r = {.z = z, .m = z->m};
	struct func *step = module_func(z->m, module_namez(z->m, "step"));

	for (int i = z->m->nbundle - 1; i >= 0; i--)
		if (z->m->bundle[i]->role == ROLE_COPY)
			add_copy(&r, z->m->bundle[i]);
	for (int i = 0; i < z->m->nfunc; i++) {
		r.f = z->m->func[i];
		region_walk(&r.f->body, see_params, &r);
	}
	if (!has_copies(z->m))
		return;
	fill_all(z, step, &step->body, end_of_step(&step->body));
	add_refresh(z, step);
}
