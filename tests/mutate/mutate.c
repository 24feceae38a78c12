/* Where a module is mutated, and what mutations are made of. */
#include "config.h"

#include "tests/mutate/mutate.h"

#include <string.h>

#include "passes/rewrite.h"

bool
mut_here(struct mut *x, const struct op *op)
{
	const struct value *v = op->nout ? op->out[0] : NULL;

	if (x->left-- > 0)
		return false;
	x->where = arena_printf(x->m->mem, "fn %s: %s%s%s", x->f->name,
	    v && v->name ? v->name : "", v && v->name ? " = " : "",
	    op_info[op->code].name);
	return true;
}

static bool
walk(struct mut *x, struct region *r, mutation *fn)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		x->r = r;
		x->at = i;
		if (fn(x, op))
			return true;
		if (op->code == OP_FOR && walk(x, &op->body, fn))
			return true;
	}
	return false;
}

bool
mut_apply(struct module *m, mutation *fn, int site, const char **where)
{
	struct mut x = {.m = m, .left = site};

	for (int i = 0; i < m->nfunc; i++) {
		x.f = m->func[i];
		if (walk(&x, &x.f->body, fn)) {
			*where = x.where;
			return true;
		}
	}
	return false;
}

bool
mut_comm(const struct op *op)
{
	return op_info[op->code].group == GROUP_COMM && op->code != OP_WAIT;
}

bool
mut_value(const struct op *op, int i)
{
	return i < op->nin && op->in[i].kind == ARG_VALUE && op->in[i].v->type;
}

void
mut_remove(struct mut *x)
{
	memmove(&x->r->op[x->at], &x->r->op[x->at + 1],
	    (size_t)(x->r->n - x->at - 1) * sizeof *x->r->op);
	x->r->n--;
}

void
mut_bypass(struct mut *x, struct op *op)
{
	for (int i = 0; i < op->nout && i < op->nin; i++)
		replace_uses(x->f, op->out[i], op->in[i].v);
	mut_remove(x);
}

bool
mut_reads(const struct op *op, const struct op *maker)
{
	for (int i = 0; i < op->nin; i++)
		for (int j = 0; j < maker->nout; j++)
			if ((op->in[i].kind == ARG_VALUE ||
			    op->in[i].kind == ARG_FIELD) &&
			    op->in[i].v == maker->out[j])
				return true;
	return false;
}
