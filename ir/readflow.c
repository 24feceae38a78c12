/* Loops, calls and loads from text: results follow from somewhere else. */
#include "config.h"

#include "ir/readfn.h"

#include <string.h>

#include "ir/typetable.h"

#define MAX_BOUND ((int64_t)1 << 40)

/* The save that a load answers. */
static const struct op *
twin_save(struct reader *r, struct op *op)
{
	struct func *twin = r->current->f->twin;
	struct fn *fn = twin ? find_fn(r, twin->name) : NULL;

	if (!fn) {
		fail_at(r, op->at, "'%s' has no twin that saves",
		    r->current->f->name);
		return NULL;
	}
	need_body(r, fn, op->at);
	for (int i = 0; i < fn->f->body.n && !r->failed; i++)
		if (fn->f->body.op[i]->code == OP_SAVE)
			return fn->f->body.op[i];
	fail_at(r, op->at, "'%s' saves nothing", fn->f->name);
	return NULL;
}

void
load_results(struct reader *r, struct stmt *s, struct op *op)
{
	const struct op *save = twin_save(r, op);

	for (int i = 0; i < op->nout && !r->failed; i++) {
		const struct type *t = NULL;

		for (int j = 0; j < save->nin; j++)
			if (save->in[j].kind == ARG_VALUE &&
			    save->in[j].v->name == s->res[i].name)
				t = save->in[j].v->type;
		if (t)
			add_result(r, s, op, i, t);
		else
			fail_at(r, s->res[i].at, "the twin does not save '%s'",
			    s->res[i].name);
	}
}

static struct fn *
read_callee(struct reader *r)
{
	const char *from, *name;
	struct fn *fn;

	skip_blank(r);
	from = r->p;
	name = read_path(r);
	fn = r->failed ? NULL : find_fn(r, name);
	if (!fn)
		fail_at(r, span_from(r, from), "no function is called '%s'",
		    name);
	else
		need_body(r, fn, span_from(r, from));
	return fn;
}

static void
call_result(struct reader *r, struct stmt *s, struct op *op, int i,
    const struct arg *ret)
{
	add_result(r, s, op, i, arg_type(r->m, ret));
	if (r->failed || ret->kind != ARG_VALUE)
		return;
	op->out[i]->bundle = ret->v->bundle;
	op->out[i]->dtype = ret->v->dtype;
	op->out[i]->flat = ret->v->flat;
	op->out[i]->pend = ret->v->pend;
}

void
read_call(struct reader *r, struct stmt *s, struct region *out)
{
	struct fn *fn = read_callee(r);
	struct affine index = {0};
	const struct op *ret;
	struct op *op;

	expect(r, "(");
	if (!r->failed && fn->f->index) {
		index = read_affine(r);
		if (!at_char(r, ')'))
			expect(r, ",");
	}
	read_args(r, s, ")");
	op = make_op(r, s, OP_CALL);
	if (!op)
		return;
	op->callee = fn->f;
	op->indexed = fn->f->index != NULL;
	op->index = index;
	ret = region_last(&fn->f->body);
	if (!ret || ret->code != OP_RETURN || ret->nin != op->nout ||
	    op->has_target) {
		fail_at(r, op->at, "'%s' returns %d values, not %d",
		    fn->f->name, ret && ret->code == OP_RETURN ? ret->nin : 0,
		    op->nout);
		return;
	}
	for (int i = 0; i < op->nout; i++)
		call_result(r, s, op, i, &ret->in[i]);
	region_append(r->m, out, op);
	read_tail(r, op);
}

static void
read_carry(struct reader *r, struct scratch *c, int i)
{
	struct value *v = &c->slot[i];

	if (accept(r, ":"))
		c->type[i] = read_type(r);
	read_slots(r, &v, 1);
}

/* names = args [: type] [in slot] */
static void
read_carry_group(struct reader *r, struct scratch *c)
{
	int first = c->n, i = first;

	do {
		if (c->n == READ_ITEMS) {
			fail_here(r, "more than %d carries", READ_ITEMS);
			return;
		}
		c->type[c->n] = NULL;
		c->slot[c->n] = (struct value){0};
		c->res[c->n++] = read_result(r);
	} while (!r->failed && accept(r, ","));
	expect(r, "=");
	for (; i < c->n && !r->failed; i++) {
		if (i > first)
			expect(r, ",");
		c->in[i] = read_arg(r);
	}
	if (r->failed)
		return;
	read_carry(r, c, first);
	for (i = first + 1; i < c->n; i++) {
		c->type[i] = c->type[first];
		c->slot[i] = c->slot[first];
	}
}

struct bound
read_bound(struct reader *r)
{
	struct bound b = {0};

	if (!at_word(r)) {
		b.k = read_int(r, 0, MAX_BOUND);
		return b;
	}
	b.dim = read_name(r);
	if (accept(r, "+"))
		b.k = read_int(r, 0, MAX_BOUND);
	else if (accept(r, "-"))
		b.k = -read_int(r, 0, MAX_BOUND);
	return b;
}

static void
read_for_head(struct reader *r, struct op *op)
{
	op->var = read_name(r);
	expect(r, "=");
	op->lo = read_bound(r);
	expect(r, "..");
	op->hi = read_bound(r);
	op->rev = accept_word(r, "rev");
}

/* The carries' types may mention the loop's variable, so it comes first. */
static struct scratch *
read_carries(struct reader *r)
{
	struct scratch *c = r->scratch;

	c->n = 0;
	expect(r, "(");
	while (!r->failed && !at_char(r, ')')) {
		read_carry_group(r, c);
		if (!accept(r, ";"))
			break;
	}
	expect(r, ")");
	return c;
}

static void
define_carry(struct reader *r, struct op *op, const struct scratch *c, int i)
{
	const struct arg *init = &c->in[i];
	const struct type *t = c->type[i];
	struct value *v;

	v = define(r, &c->res[i], t ? t : arg_type(r->m, init));
	if (init->kind == ARG_VALUE && init->v->bundle) {
		v->bundle = init->v->bundle;
		v->dtype = init->v->dtype;
		v->flat = init->v->flat;
		v->pend = init->v->pend;
	}
	v->slot = c->slot[i].slot;
	v->slot_indexed = c->slot[i].slot_indexed;
	v->slot_index = c->slot[i].slot_index;
	op->carry[i] = v;
}

/* Results: a carry's type with the variable at the loop's end. */
static void
for_results(struct reader *r, struct stmt *s, struct op *op)
{
	uint64_t end = op->rev ? bound_eval(r->m, &op->lo) :
				 bound_eval(r->m, &op->hi);

	if (op->nout != op->nin || op->has_target) {
		fail_at(r, op->at, "%d carries and %d results", op->nin,
		    op->nout);
		return;
	}
	for (int i = 0; i < op->nout; i++) {
		const struct type *t = op->carry[i]->type;

		if (t)
			t = type_substitute(r->m, t, r->nloop, end);
		add_result(r, s, op, i, t);
		op->out[i]->bundle = op->carry[i]->bundle;
		op->out[i]->dtype = op->carry[i]->dtype;
		op->out[i]->flat = op->carry[i]->flat;
		op->out[i]->pend = op->carry[i]->pend;
	}
}

void
read_for(struct reader *r, struct stmt *s, struct region *out)
{
	struct op head = {0}, *op;
	struct scratch *c;

	read_for_head(r, &head);
	if (r->failed || !enter(r))
		return;
	r->loop[r->nloop++] = head.var;
	c = read_carries(r);
	s->in = c->in; /* make_op copies them */
	s->nin = c->n;
	op = make_op(r, s, OP_FOR);
	if (!op)
		return;
	op->var = head.var;
	op->lo = head.lo;
	op->hi = head.hi;
	op->rev = head.rev;
	op->carry = NEW_N(r->m->mem, struct value *, (size_t)c->n);
	for (int i = 0; i < c->n; i++)
		define_carry(r, op, c, i);
	expect(r, "{");
	if (!r->failed)
		read_region(r, &op->body);
	r->nloop--;
	leave(r);
	if (!r->failed)
		for_results(r, s, op);
	if (r->failed)
		return;
	region_append(r->m, out, op);
	read_tail(r, op);
}
