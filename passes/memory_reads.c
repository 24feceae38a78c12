/* Who reads what in a function: one walk, for the questions of the pass. */
#include "config.h"

#include "passes/memory.h"

static void
see_op(struct op *op, void *arg)
{
	struct plan *p = arg;

	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v)
			p->reads[op->in[i].v->id]++;
	for (int i = 0; i < op->nin && op->code == OP_WAIT; i++)
		p->comes[op->in[i].v->id] = op->out[i];
}

void
memory_reads(struct plan *p)
{
	size_t n = (size_t)p->f->nvalue + 1;

	p->reads = NEW_N(p->m->mem, int, n);
	p->comes = NEW_N(p->m->mem, struct value *, n);
	p->saved = NEW_N(p->m->mem, bool, n);
	region_walk(&p->f->body, see_op, p);
	for (int i = 0; i < p->f->body.n; i++) {
		const struct op *op = p->f->body.op[i];

		for (int j = 0; j < op->nin && op->code == OP_SAVE; j++)
			p->saved[op->in[j].v->id] = true;
	}
}

bool
memory_read_outside(const struct plan *p, const struct value *v,
    struct op *const *op, int n)
{
	int inside = 0;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < op[i]->nin; j++)
			inside += op[i]->in[j].v == v;
	return p->reads[v->id] > inside;
}
