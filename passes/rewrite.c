/* Building, copying and removing ops: what passes share. */
#include "config.h"

#include "passes/rewrite.h"

#include <string.h>

struct op *
op_make(struct module *m, enum opcode code, const struct arg *in, int nin,
    int nout, struct span at)
{
	struct op *op = op_new(m, code, nin, nout, at);

	for (int i = 0; i < nin; i++)
		op->in[i] = in[i];
	return op;
}

struct value *
op_result(struct module *m, struct func *f, struct op *op, int i,
    const char *base, const struct type *t)
{
	struct value *v = func_value(m, f, base ? func_fresh(m, f, base) : NULL,
	    t, op->at);

	v->def = op;
	return op->out[i] = v;
}

/* ------------------------------------------------------------------ copies */

void
op_add_in(struct module *m, struct op *op, struct value *v)
{
	struct arg *old = op->in;

	op->in = NEW_N(m->mem, struct arg, (size_t)op->nin + 1);
	if (op->nin)
		memcpy(op->in, old, sizeof *old * (size_t)op->nin);
	op->in[op->nin++] = arg_value(v);
}

void
op_add_out(struct module *m, struct op *op, struct value *v)
{
	struct value **old = op->out;

	op->out = NEW_N(m->mem, struct value *, (size_t)op->nout + 1);
	if (op->nout)
		memcpy(op->out, old, sizeof *old * (size_t)op->nout);
	op->out[op->nout++] = v;
	v->def = op;
}

struct copier
copier_new(struct module *m, struct func *from, struct func *to)
{
	return (struct copier){m, from, to,
	    NEW_N(m->mem, struct value *, (size_t)from->nvalue + 1)};
}

static struct value *
copy_value(struct copier *c, const struct value *v, struct op *def)
{
	struct value *n = func_value(c->m, c->to,
	    v->name ? func_fresh(c->m, c->to, v->name) : NULL, v->type, v->at);

	n->bundle = v->bundle;
	n->dtype = v->dtype;
	n->def = def;
	return c->map[v->id] = n;
}

static struct arg
copy_arg(const struct copier *c, const struct arg *a)
{
	struct arg copy = *a;

	if (copy.v)
		copy.v = c->map[copy.v->id];
	return copy;
}

struct op *
copier_op(struct copier *c, const struct op *op)
{
	struct op *n = op_new(c->m, (enum opcode)op->code, op->nin, op->nout,
	    op->at);
	struct arg *in = n->in;
	struct value **out = n->out;

	*n = *op;
	n->in = in;
	n->out = out;
	n->body = (struct region){0};
	n->target = copy_arg(c, &op->target);
	n->attr = NEW_N(c->m->mem, struct attr, (size_t)op->nattr + 1);
	if (op->nattr)
		memcpy(n->attr, op->attr,
		    sizeof *op->attr * (size_t)op->nattr);
	for (int i = 0; i < op->nin; i++)
		in[i] = copy_arg(c, &op->in[i]);
	if (op->carry) {
		n->carry = NEW_N(c->m->mem, struct value *, (size_t)op->nin);
		for (int i = 0; i < op->nin; i++)
			n->carry[i] = copy_value(c, op->carry[i], NULL);
	}
	copier_region(c, &n->body, &op->body);
	for (int i = 0; i < op->nout; i++)
		out[i] = copy_value(c, op->out[i], n);
	return n;
}

void
copier_region(struct copier *c, struct region *to, const struct region *from)
{
	for (int i = 0; i < from->n; i++)
		region_append(c->m, to, copier_op(c, from->op[i]));
}

struct func *
func_copy(struct module *m, struct func *f, const char *name)
{
	const char *fresh = name;
	struct func *g;
	struct copier c;

	for (int i = 1; module_func(m, fresh); i++)
		fresh = arena_printf(m->mem, "%s%d", name, i);
	g = module_add_func(m, fresh, f->at);
	g->index = f->index;
	g->index_dim = f->index_dim;
	c = copier_new(m, f, g);
	for (int i = 0; i < f->nparam; i++)
		c.map[f->param[i]->id] = func_add_param(m, g,
		    f->param[i]->name, f->param[i]->type, f->param[i]->at);
	copier_region(&c, &g->body, &f->body);
	return g;
}

/* --------------------------------------------------------------- dead code */

bool
op_is_pure(const struct op *op)
{
	if (op->has_target)
		return false;
	switch (op->code) {
	case OP_ZERO:
	case OP_ADAMW:
	case OP_CALL:
	case OP_SAVE:
	case OP_LOAD:
	case OP_YIELD:
	case OP_RETURN:
		return false;
	case OP_FOR:
		for (int i = 0; i + 1 < op->body.n; i++)
			if (!op_is_pure(op->body.op[i]))
				return false;
		return true;
	default:
		return true;
	}
}

void
count_reads(const struct region *r, int *uses)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		for (int j = 0; j < op->nin; j++)
			if (op->in[j].v)
				uses[op->in[j].v->id]++;
		count_reads(&op->body, uses);
	}
}

static bool
unread(const struct op *op, const int *uses)
{
	for (int i = 0; i < op->nout; i++)
		if (uses[op->out[i]->id])
			return false;
	return op_is_pure(op);
}

static void
drop_reads(const struct op *op, int *uses)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v)
			uses[op->in[i].v->id]--;
	for (int i = 0; i < op->body.n; i++)
		drop_reads(op->body.op[i], uses);
}

/* Uses follow definitions, so one walk from the end finds all of them. */
static int
sweep(struct region *r, int *uses)
{
	int removed = 0, n = r->n;

	for (int i = n - 1; i >= 0; i--) {
		struct op *op = r->op[i];

		if (!unread(op, uses)) {
			removed += sweep(&op->body, uses);
			continue;
		}
		drop_reads(op, uses);
		r->op[i] = NULL;
		removed++;
	}
	r->n = 0;
	for (int i = 0; i < n; i++)
		if (r->op[i])
			r->op[r->n++] = r->op[i];
	return removed;
}

int
remove_dead(struct func *f)
{
	struct arena mem = {0};
	int *uses = NEW_N(&mem, int, (size_t)f->nvalue + 1);
	int removed;

	count_reads(&f->body, uses);
	removed = sweep(&f->body, uses);
	arena_free(&mem);
	return removed;
}

struct swap {
	const struct value *a;
	struct value *b;
	int n;
};

static void
swap_in(struct op *op, void *arg)
{
	struct swap *s = arg;

	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v == s->a) {
			s->n++;
			if (s->b)
				op->in[i].v = s->b;
		}
}

void
replace_uses(struct func *f, const struct value *a, struct value *b)
{
	struct swap s = {a, b, 0};

	region_walk(&f->body, swap_in, &s);
}

int
count_uses(struct func *f, const struct value *v)
{
	struct swap s = {v, NULL, 0};

	region_walk(&f->body, swap_in, &s);
	return s.n;
}

void
want_operands(const struct op *op, bool *want)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v)
			want[op->in[i].v->id] = true;
	for (int i = 0; i < op->body.n; i++)
		want_operands(op->body.op[i], want);
}
