/*
 * The end of a step: complete gradients, each rank its share of them, and a
 * norm that counts every element once.
 *
 *   @RW = allreduce @GW on dp,hp,ci       gradients over hp,ci like the state:
 *                                           @RW = allreduce @GW on dp
 *                                         over hp only, the state over hp,ci:
 *                                           @SW = rscatter @GW on ci
 *                                           @RW = allreduce @SW on dp
 *   ss = sumsq @RW, @RE                     ss1 = sumsq @RW : f32[] +(hp,ci)
 *                                           ss2 = allreduce ss1 on hp,ci
 *                                           ss3 = sumsq @RE : f32[]
 *                                           ss = add ss2, ss3
 */
#include "config.h"

#include "passes/rewrite.h"
#include "passes/zero.h"

#include <string.h>

static struct axis_list
list_of(axis_set set)
{
	struct axis_list l = {0};

	for (int i = 0; i < MAX_AXES; i++)
		if (set >> i & 1)
			l.axis[l.n++] = (uint8_t)i;
	return l;
}

/* --------------------------------------------------------------- gradients */

static const char *
sum_name(struct module *m, const struct bundle *of)
{
	const char *name = module_namez(m, arena_printf(m->mem, "S%s",
	    of->name));

	for (int i = 1; module_bundle(m, name); i++)
		name = module_namez(m, arena_printf(m->mem, "S%s%d", of->name,
		    i));
	return name;
}

/*
 * A bundle for the shares of sums that are pending still.  Bundles are written
 * down in order, and RW names it: it takes RW's place in the list.
 */
static struct bundle *
shares_of(struct zero *z, struct bundle *full, struct bundle *done)
{
	struct module *m = z->m;
	struct bundle *b = module_derive_bundle(m, sum_name(m, full->of),
	    full->of, ROLE_GRAD, (enum dtype)full->dtype);
	int at = 0;

	b->flat = done->flat;
	b->pend = full->pend & (axis_set)~axis_list_set(&b->flat);
	while (m->bundle[at] != done)
		at++;
	memmove(m->bundle + at + 1, m->bundle + at,
	    sizeof(struct bundle *) * (size_t)(m->nbundle - at - 1));
	m->bundle[at] = b;
	return b;
}

/* @done = op, and done is stored in the place of `over`, or has its own. */
static struct op *
complete(struct zero *z, struct func *f, struct op *op, struct bundle *done,
    struct bundle *over)
{
	done->over = over;
	zero_into(z->m, f, op, arg_bundle(done));
	return op;
}

/* r->op[at] is `@done = allreduce @full on ..`. */
static void
reduce_one(struct zero *z, struct func *f, struct region *r, int at)
{
	struct op *op = r->op[at];
	struct bundle *full = op->in[0].b, *done = op->target.b, *part = full;
	struct axis_list more = zero_behind(&done->flat, &full->flat), rest;
	struct op *last = NULL;

	if (more.n) {
		rest = list_of(full->pend & (axis_set)~axis_list_set(&more));
		last = zero_move(z->m, OP_RSCATTER, arg_bundle(full), &more,
		    op->at);
		part = rest.n ? shares_of(z, full, done) : done;
		if (rest.n)
			zero_into(z->m, f, last, arg_bundle(part));
		else
			complete(z, f, last, done, NULL);
		r->op[at++] = last;
		if (!rest.n)
			return;
	} else {
		rest = list_of(full->pend);
	}
	last = rest.n ? zero_move(z->m, OP_ALLREDUCE, arg_bundle(part), &rest,
	    op->at) : op_make(z->m, OP_ACCUM, (struct arg[]){arg_bundle(part)},
	    1, 1, op->at);
	complete(z, f, last, done, part);
	if (part != full)
		region_insert(z->m, r, at, last);
	else
		r->op[at] = last;
}

/* -------------------------------------------------------------------- norm */

/* sumsq of those of op's bundles that are cut over the axes of the first. */
static struct op *
take_alike(struct zero *z, struct op *op, axis_set flat)
{
	struct op *same = op_make(z->m, OP_SUMSQ, op->in, op->nin, 1, op->at);
	int n = 0, left = 0;

	for (int i = 0; i < op->nin; i++)
		if (axis_list_set(&op->in[i].b->flat) == flat)
			same->in[n++] = op->in[i];
		else
			op->in[left++] = op->in[i];
	same->nin = n;
	op->nin = left;
	return same;
}

/* One group of bundles: its part of the norm, complete on all ranks. */
static struct value *
add_group(struct zero *z, struct func *f, struct region *r, int *at,
    struct op *op)
{
	axis_set flat = axis_list_set(&op->in[0].b->flat);
	struct axis_list on = list_of(flat);
	struct op *same = take_alike(z, op, flat), *sum;
	struct type t = *type_scalar(z->m, DT_F32);
	struct value *v;

	t.pend = flat;
	t.pend_op = flat ? PEND_SUM : 0;
	v = op_result(z->m, f, same, 0, "ss", type_intern(z->m, &t));
	region_insert(z->m, r, (*at)++, same);
	if (!flat)
		return v;
	sum = zero_move(z->m, OP_ALLREDUCE, arg_value(v), &on, op->at);
	v = op_result(z->m, f, sum, 0, "ss", type_scalar(z->m, DT_F32));
	region_insert(z->m, r, (*at)++, sum);
	return v;
}

/* r->op[at] is a sumsq: replaced by the sum of its groups. */
static void
norm_of(struct zero *z, struct func *f, struct region *r, int at)
{
	struct op *op = r->op[at];
	struct value *sum = NULL;
	int to = at;

	while (op->nin) {
		struct value *v = add_group(z, f, r, &to, op);
		struct op *add;

		if (!sum) {
			sum = v;
			continue;
		}
		add = op_make(z->m, OP_ADD, (struct arg[]){arg_value(sum),
		    arg_value(v)}, 2, 1, op->at);
		sum = op_result(z->m, f, add, 0, "ss",
		    type_scalar(z->m, DT_F32));
		region_insert(z->m, r, to++, add);
	}
	memmove(r->op + to, r->op + to + 1,
	    sizeof(struct op *) * (size_t)(r->n - to - 1));
	r->n--;
	/* its name stays the name of the whole sum */
	op->out[0]->def = sum->def;
	for (int i = 0; i < sum->def->nout; i++)
		if (sum->def->out[i] == sum)
			sum->def->out[i] = op->out[0];
}

static bool
reduces_bundle(const struct op *op)
{
	return op->code == OP_ALLREDUCE && op->in[0].kind == ARG_BUNDLE &&
	    op->has_target && op->target.kind == ARG_BUNDLE &&
	    op->target.b->flat.n;
}

static bool
any_flat(const struct op *op)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].b->flat.n)
			return true;
	return false;
}

void
zero_reduce(struct zero *z)
{
	struct func *f = module_func(z->m, module_namez(z->m, "step"));
	struct region *r = &f->body;

	for (int i = r->n - 1; i >= 0; i--)
		if (reduces_bundle(r->op[i]))
			reduce_one(z, f, r, i);
		else if (r->op[i]->code == OP_SUMSQ && any_flat(r->op[i]))
			norm_of(z, f, r, i);
}
