/* Traces of communication: functions rolled out. */
#include "config.h"

#include "ir/trace.h"

#include <string.h>

enum { MAX_DEPTH = 16 };

struct walk {
	struct module *m;
	struct trace *t;
	const struct func *func;
	const char *var[MAX_DEPTH];
	int64_t val[MAX_DEPTH];
	int nvar;
};

uint32_t
mesh_ranks(const struct module *m)
{
	uint32_t n = 1;

	for (int i = 0; i < m->naxis; i++)
		n *= m->axis[i].size;
	return n;
}

void
mesh_coord(const struct module *m, uint32_t rank, int *coord)
{
	for (int i = m->naxis - 1; i >= 0; i--) {
		coord[i] = (int)(rank % m->axis[i].size);
		rank /= m->axis[i].size;
	}
}

uint32_t
mesh_rank(const struct module *m, const int *coord)
{
	uint32_t rank = 0;

	for (int i = 0; i < m->naxis; i++)
		rank = rank * m->axis[i].size + (uint32_t)coord[i];
	return rank;
}

/* ---- one op ---- */

/* A layer's image, padded for so many blocks. */
static uint64_t
image(const struct module *m, const struct bundle *b,
    const struct axis_list *flat)
{
	struct bundle like = *b;

	like.flat = *flat;
	return bundle_image(m, &like);
}

static uint64_t
block(const struct module *m, const struct bundle *b)
{
	return bundle_image(m, b) / axis_list_blocks(m, &b->flat);
}

static uint64_t
layers(const struct module *m, const struct bundle *b)
{
	return b->stack ? module_dim(m, b->stack)->size : 1;
}

/* A bundle value: cut already, or about to be, as its result says. */
static uint64_t
value_elements(const struct module *m, const struct op *op,
    const struct value *v)
{
	const struct value *out = op->nout ? op->out[0] : NULL;

	if (!v->bundle)
		return type_local_count(m, v->type);
	if (v->flat.n || !out || !out->bundle)
		return image(m, v->bundle, &v->flat) /
		    axis_list_blocks(m, &v->flat);
	return image(m, v->bundle, &out->flat);
}

uint64_t
trace_elements(const struct module *m, const struct op *op, int i)
{
	const struct arg *a = &op->in[i];

	switch (a->kind) {
	case ARG_VALUE:
		return value_elements(m, op, a->v);
	case ARG_BUNDLE:
		return block(m, a->b) * (a->indexed ? 1 : layers(m, a->b));
	default:
		return type_local_count(m, arg_type(m, a));
	}
}

enum dtype
trace_dtype(const struct op *op, int i)
{
	const struct arg *a = &op->in[i];

	if (op->code == OP_GATHER && op->nout && op->out[0]->bundle)
		return (enum dtype)op->out[0]->dtype;
	if (a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD)
		return (enum dtype)a->b->dtype;
	if (a->kind == ARG_VALUE && !a->v->bundle)
		return (enum dtype)a->v->type->dtype;
	return (enum dtype)a->v->dtype;
}

static struct trace_op *
append(struct module *m, struct trace *t)
{
	if (t->n == t->cap) {
		int cap = 2 * t->cap + 64;
		struct trace_op *op = NEW_N(m->mem, struct trace_op,
		    (size_t)cap);

		if (t->n)
			memcpy(op, t->op, (size_t)t->n * sizeof *op);
		t->op = op;
		t->cap = cap;
	}
	return memset(&t->op[t->n++], 0, sizeof *t->op);
}

static void
post(struct walk *w, const struct op *op, int part)
{
	struct trace_op *t = append(w->m, w->t);

	t->op = op;
	t->func = w->func;
	for (int i = 0; i < w->nvar && i < TRACE_ITERS; i++)
		t->iter[t->niter++] = (int32_t)w->val[i];
	t->lane = op->lane;
	t->kind = (uint8_t)op->code;
	t->dtype = (uint8_t)trace_dtype(op, part);
	t->part = (uint8_t)part;
	t->group = op_axes(op);
	for (int i = 0; i < op->nhop; i++)
		t->by[op->hop[i].axis] = (int8_t)op->hop[i].by;
	t->count = trace_elements(w->m, op, part);
}

/* ---- flow ---- */

static void walk_region(struct walk *w, const struct region *r);

static bool
holds(const struct walk *w, const struct op *op)
{
	return cond_holds(w->m, &op->when, w->var, w->val, w->nvar);
}

/* Microbatches are alike: two or three, so that turns end as they would. */
static int64_t
trips(const struct op *op, int64_t n)
{
	bool mb = op->hi.dim && strcmp(op->hi.dim, "mb") == 0;

	return mb && n > 3 ? 2 + n % 2 : n;
}

static void
walk_for(struct walk *w, const struct op *op)
{
	int64_t lo = (int64_t)bound_eval(w->m, &op->lo);
	int64_t n = trips(op, (int64_t)bound_eval(w->m, &op->hi) - lo);

	if (w->nvar == MAX_DEPTH)
		return;
	w->var[w->nvar++] = op->var;
	for (int64_t i = 0; i < n; i++) {
		w->val[w->nvar - 1] = op->rev ? lo + n - 1 - i : lo + i;
		walk_region(w, &op->body);
	}
	w->nvar--;
}

static void
walk_func(struct module *m, struct trace *t, const struct func *f,
    int64_t index)
{
	struct walk w = {.m = m, .t = t, .func = f};

	if (f->index) {
		w.var[0] = f->index;
		w.val[0] = index;
		w.nvar = 1;
	}
	walk_region(&w, &f->body);
}

static void
walk_op(struct walk *w, const struct op *op)
{
	if (!holds(w, op))
		return;
	if (op->code == OP_FOR)
		walk_for(w, op);
	else if (op->code == OP_CALL)
		walk_func(w->m, w->t, op->callee, op->indexed ?
		    affine_eval(&op->index, w->var, w->val, w->nvar) : 0);
	else if (op_info[op->code].group == GROUP_COMM && op->code != OP_WAIT)
		for (int i = 0; i < op->nin; i++)
			post(w, op, i);
}

static void
walk_region(struct walk *w, const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		walk_op(w, r->op[i]);
}

struct trace *
trace_make(struct module *m, const struct func *f)
{
	struct trace *t = NEW(m->mem, struct trace);

	walk_func(m, t, f, 0);
	return t;
}

struct trace *
trace_copy(struct module *m, const struct trace *t)
{
	struct trace *c = NEW(m->mem, struct trace);

	for (int i = 0; i < t->n; i++)
		*append(m, c) = t->op[i];
	return c;
}

static bool
check_entry(struct module *m, const struct func *f, struct trace_sum *sum)
{
	uint32_t n = mesh_ranks(m);
	const struct trace **rank = NEW_N(m->mem, const struct trace *, n);
	const struct trace *t = trace_make(m, f);
	struct trace_sum one;

	for (uint32_t i = 0; i < n; i++)
		rank[i] = t;
	if (!trace_check(m, rank, &one))
		return false;
	sum->transfers += one.transfers;
	if (one.communicators > sum->communicators)
		sum->communicators = one.communicators;
	sum->traces = one.traces;
	return true;
}

bool
trace_check_module(struct module *m, struct trace_sum *sum)
{
	static const char *const entry[] = {"step", "eval", "logits"};

	*sum = (struct trace_sum){0};
	for (size_t i = 0; i < sizeof entry / sizeof *entry; i++) {
		const struct func *f = module_func(m, entry[i]);

		if (f && !check_entry(m, f, sum))
			return false;
	}
	return true;
}
