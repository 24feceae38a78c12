/* Clauses of communication from text: on, by, when; storage of bundles. */
#include "config.h"

#include "ir/readfn.h"

#include <string.h>

static int64_t
read_signed(struct reader *r)
{
	if (accept(r, "-"))
		return -read_int(r, 1, 1 << 20);
	expect(r, "+");
	return read_int(r, 1, 1 << 20);
}

/* axis, axis>to, axis from>to, axis+n */
static struct hop
read_hop(struct reader *r, const struct op *op, bool by)
{
	struct hop h = {.axis = (uint8_t)read_axis(r)};

	if (by) {
		h.by = (int)read_signed(r);
		return h;
	}
	if (op->code == OP_A2A)
		h.from = read_name(r);
	if (!r->failed && accept(r, ">"))
		h.to = read_name(r);
	return h;
}

void
read_hops(struct reader *r, struct op *op)
{
	bool by = accept_word(r, "by");
	struct hop hop[MAX_AXES];
	int n = 0;

	if (!by && !accept_word(r, "on"))
		return;
	do {
		if (n == MAX_AXES) {
			fail_here(r, "more than %d axes", MAX_AXES);
			return;
		}
		skip_blank(r);
		hop[n++] = read_hop(r, op, by);
	} while (!r->failed && accept(r, ","));
	memcpy(op_set_hops(r->m, op, n), hop, sizeof *hop * (size_t)n);
}

void
read_when(struct reader *r, struct op *op)
{
	struct cond *c = &op->when;

	if (!accept_word(r, "when"))
		return;
	c->set = true;
	c->a = read_affine(r);
	c->cmp = accept(r, ">") ? '>' : '<';
	if (c->cmp == '<')
		expect(r, "<");
	c->b = read_bound(r);
}

void
read_storage_of(struct reader *r, struct value *v)
{
	struct type t = {0};

	v->dtype = (uint8_t)read_dtype(r);
	read_flat(r, &v->flat);
	read_pending(r, &t);
	v->pend = t.pend;
}
