/*
 * module_verify: everything that must hold between two passes.
 *
 * Sizes and bundles first (verify_type.c), then each function by one walk in
 * program order: names are defined once and before use, results have the types
 * their rules give, loops carry what they yield, consumed values stay
 * consumed, indices stay in range, twins agree.  One error per broken op.
 */
#include "config.h"

#include "ir/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum value_state { UNDEFINED, LIVE, CONSUMED, GONE };

struct loop {
	const char *var;
	int64_t lo, hi; /* values of var: lo..hi-1 */
};

struct walk {
	struct module *m;
	struct func *f;
	uint8_t *state;    /* enum value_state, by value id */
	int *born;         /* loop depth of the definition, by value id */
	const char **name; /* open addressing set of names */
	size_t cap;
	struct loop loop[MAX_LOOPS + 1]; /* layer index, then loops */
	int nloop, depth;
};

static bool PRINTF_LIKE(3, 4)
bad(struct walk *w, struct span at, const char *fmt, ...)
{
	char why[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	diag_error(w->m->diag, at, "fn %s: %s", w->f->name, why);
	return false;
}

/* ---------------------------------------------------- values and operands */

static const char *
name_of(const struct value *v)
{
	return v->name ? v->name : "(unnamed)";
}

/* False if the function had the name before; names are interned. */
static bool
new_name(struct walk *w, const char *name)
{
	size_t i = (size_t)((uintptr_t)name >> 4) & (w->cap - 1);

	while (w->name[i] && w->name[i] != name)
		i = (i + 1) & (w->cap - 1);
	if (w->name[i])
		return false;
	w->name[i] = name;
	return true;
}

static bool
define(struct walk *w, struct value *v, struct span at)
{
	if (v->id < 0 || v->id >= w->f->nvalue || w->f->value[v->id] != v)
		return bad(w, at, "value %s is not one of the function",
		    name_of(v));
	if (w->state[v->id] != UNDEFINED)
		return bad(w, at, "value %s is defined twice", name_of(v));
	w->state[v->id] = LIVE;
	w->born[v->id] = w->depth;
	if (v->name && !new_name(w, v->name))
		return bad(w, at, "name %s is used twice", v->name);
	if (v->slot && w->m->stage != 'e')
		return bad(w, at, "%s has a slot before stage e", name_of(v));
	if (v->slot && !module_slot(w->m, v->slot))
		return bad(w, at, "%s lives in unknown slot %s", name_of(v),
		    v->slot);
	if (v->future && w->m->stage < 'c')
		return bad(w, at, "%s is in flight before stage c",
		    name_of(v));
	if (!v->bundle && !v->type)
		return bad(w, at, "value %s has no type", name_of(v));
	return v->bundle || verify_type(w->m, v->type, at);
}

static bool
usable(struct walk *w, const struct value *v, struct span at)
{
	bool own = v->id >= 0 && v->id < w->f->nvalue &&
	    w->f->value[v->id] == v;

	if (!own || w->state[v->id] == UNDEFINED)
		return bad(w, at, "%s is used before it is defined",
		    name_of(v));
	if (w->state[v->id] == CONSUMED)
		return bad(w, at, "%s is used after its buffer was given away",
		    name_of(v));
	if (w->state[v->id] == GONE)
		return bad(w, at, "%s was defined in a loop that has ended",
		    name_of(v));
	return true;
}

static const struct loop *
find_loop(const struct walk *w, const char *var)
{
	for (int i = w->nloop - 1; i >= 0; i--)
		if (w->loop[i].var && strcmp(w->loop[i].var, var) == 0)
			return &w->loop[i];
	return NULL;
}

/* Every value of the index lies in 0..size-1. */
static bool
index_fits(struct walk *w, const struct affine *a, uint64_t size,
    const char *what, struct span at)
{
	int64_t lo = a->k, hi = a->k;

	for (int i = 0; i < a->n; i++) {
		const struct loop *l = find_loop(w, a->var[i]);
		int64_t x, y;

		if (!l)
			return bad(w, at, "index of %s: no loop counts %s",
			    what, a->var[i]);
		x = a->coef[i] * l->lo;
		y = a->coef[i] * (l->hi - 1);
		lo += x < y ? x : y;
		hi += x < y ? y : x;
	}
	if (a->mod > 0) {
		lo = 0;
		hi = a->mod - 1;
	}
	if (lo < 0 || (uint64_t)hi >= size)
		return bad(w, at, "index of %s goes from %lld to %lld, allowed "
		    "are 0 to %lld", what, (long long)lo, (long long)hi,
		    (long long)size - 1);
	return true;
}

/* An index that a bundle's stacking asks for, and only then. */
static bool
bundle_index(struct walk *w, const struct arg *a, bool needed, struct span at)
{
	const struct bundle *b = a->b;

	if (b->stack && needed && !a->indexed)
		return bad(w, at, "@%s is stacked along %s: which one?",
		    b->name, b->stack);
	if (!a->indexed)
		return true;
	if (!b->stack)
		return bad(w, at, "@%s is not stacked", b->name);
	return index_fits(w, &a->index, module_dim(w->m, b->stack)->size,
	    b->name, at);
}

static bool
known_bundle(struct walk *w, const struct bundle *b, int field, struct span at)
{
	for (int i = 0; i < w->m->nbundle; i++)
		if (w->m->bundle[i] == b)
			return field < b->nfield ||
			    bad(w, at, "@%s has no field %d", b->name, field);
	return bad(w, at, "unknown bundle");
}

static bool
takes_futures(const struct op *op)
{
	return op->code == OP_WAIT || op->code == OP_YIELD ||
	    op->code == OP_RETURN || op->code == OP_FOR ||
	    op->code == OP_CALL;
}

/* Ops on whole layers; all others name a field. */
static bool
takes_bundles(const struct op *op)
{
	return takes_futures(op) || op->code == OP_ACCUM ||
	    op_info[op->code].group == GROUP_COMM;
}

static bool
check_arg(struct walk *w, struct arg *a, const struct op *op)
{
	if (a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD)
		return known_bundle(w, a->b,
		    a->kind == ARG_BUNDLE ? -1 : a->field, op->at) &&
		    bundle_index(w, a, op->code == OP_PARAMS, op->at);
	if (!usable(w, a->v, op->at))
		return false;
	if (a->kind == ARG_FIELD)
		return a->v->bundle
		    ? known_bundle(w, a->v->bundle, a->field, op->at)
		    : bad(w, op->at, "%s has no fields", name_of(a->v));
	if (a->v->future && !takes_futures(op))
		return bad(w, op->at, "%s is in flight: wait for it first",
		    name_of(a->v));
	if (a->v->bundle && !takes_bundles(op))
		return bad(w, op->at, "%s is a bundle: name a field of it",
		    name_of(a->v));
	return true;
}

static bool
consume(struct walk *w, struct arg *a, const struct op *op)
{
	if (!a->consume)
		return true;
	if (a->kind != ARG_VALUE)
		return bad(w, op->at, "only values can be consumed");
	if (w->born[a->v->id] < w->depth)
		return bad(w, op->at, "%s is consumed in a loop but defined "
		    "before it", name_of(a->v));
	w->state[a->v->id] = CONSUMED;
	return true;
}

/* -------------------------------------------------------------------- ops */

/* A field of a `local` image. */
static bool
check_field_target(struct walk *w, struct op *op)
{
	const struct value *v = op->target.v;
	const struct type *x = op->out[0]->type, *f;

	if (!usable(w, v, op->at))
		return false;
	if (!v->bundle || v->flat.n || v->bundle->role != ROLE_GRAD)
		return bad(w, op->at, "%s is no local image of a gradient",
		    name_of(v));
	f = arg_type(w->m, &op->target);
	return x == type_with_dtype(w->m, f, (enum dtype)x->dtype) ||
	    bad(w, op->at, "%s: the result is not what %s.%s collects",
	    op_info[op->code].name, name_of(v),
	    v->bundle->field[op->target.field].name);
}

static bool
check_target(struct walk *w, struct op *op)
{
	struct arg *t = &op->target;
	struct bundle *b = t->b;
	const struct type *x, *f;

	if (!op->has_target)
		return true;
	if (t->kind == ARG_VALUE || op->nout != 1 || op->out[0]->name)
		return bad(w, op->at, "%s: a target is one bundle or one "
		    "field", op_info[op->code].name);
	if (t->kind == ARG_FIELD)
		return check_field_target(w, op);
	if (t->kind == ARG_BUNDLE)
		return known_bundle(w, b, -1, op->at) &&
		    bundle_index(w, t, false, op->at);
	if (!known_bundle(w, b, t->field, op->at) ||
	    !bundle_index(w, t, true, op->at))
		return false;
	if (b->role != ROLE_GRAD && b->role != ROLE_PARAM)
		return bad(w, op->at, "only parameters and gradients can be "
		    "written, not @%s", b->name);
	x = op->out[0]->type;
	f = type_with_dtype(w->m, b->field[t->field].type,
	    (enum dtype)x->dtype);
	if (x->rank != f->rank || !dims_at(x, f, 0))
		return bad(w, op->at, "%s: the result has not the dims of "
		    "@%s.%s", op_info[op->code].name, b->name,
		    b->field[t->field].name);
	if (x->pend != b->pend)
		return bad(w, op->at, "%s: @%s.%s collects sums over other "
		    "mesh axes than the result", op_info[op->code].name,
		    b->name, b->field[t->field].name);
	return x->dtype == b->dtype ||
	    bad(w, op->at, "%s: the result is %s but @%s is %s",
	    op_info[op->code].name, dtype_name[x->dtype], b->name,
	    dtype_name[b->dtype]);
}

static bool check_region(struct walk *w, struct region *r, enum opcode end);

static bool
carry_type(struct walk *w, const struct op *op, int i, const char *what,
    const struct type *got, const struct type *want)
{
	return got == want || bad(w, op->at, "for %s: the %s of carry %s has "
	    "not its type", op->var, what, name_of(op->carry[i]));
}

static bool
same_storage(const struct value *a, const struct value *b)
{
	return a->bundle == b->bundle && a->dtype == b->dtype &&
	    a->pend == b->pend && axis_list_equal(&a->flat, &b->flat);
}

/* A carried bundle value keeps its storage. */
static bool
carries_storage(struct walk *w, const struct op *op, int i)
{
	const struct op *y = region_last(&op->body);
	const struct value *c = op->carry[i];

	return (op->in[i].kind == ARG_VALUE && y->in[i].kind == ARG_VALUE &&
	    same_storage(op->in[i].v, c) && same_storage(y->in[i].v, c) &&
	    same_storage(op->out[i], c)) || bad(w, op->at, "for %s: carry %s "
	    "changes how it is stored", op->var, name_of(c));
}

/* Skewed coordinates follow the loop variable: T, T[v+1], T[hi]. */
static bool
carries_agree(struct walk *w, const struct op *op, int64_t lo, int64_t hi)
{
	const struct op *y = region_last(&op->body);
	int d = w->depth;
	bool ok = true;

	if (y->nin != op->nin)
		return bad(w, y->at, "yields %d values, the loop carries %d",
		    y->nin, op->nin);
	for (int i = 0; i < op->nin; i++) {
		const struct type *t = op->carry[i]->type;
		const struct type *in = arg_type(w->m, &op->in[i]);
		const struct type *out = arg_type(w->m, &y->in[i]);

		if (!t) {
			ok &= carries_storage(w, op, i);
			continue;
		}
		ok &= carry_type(w, op, i, "start", in,
		    type_subst(w->m, t, d, lo, 0));
		ok &= carry_type(w, op, i, "next value", out,
		    type_subst(w->m, t, d, op->rev ? -1 : 1, 1));
		ok &= carry_type(w, op, i, "result", op->out[i]->type,
		    type_subst(w->m, t, d, hi, 0));
	}
	return ok;
}

static bool
loop_bound(struct walk *w, const struct op *op, const struct bound *b)
{
	bool known = !b->dim || module_dim(w->m, b->dim);

	for (int i = 0; b->dim && i < w->m->naxis; i++)
		known |= strcmp(w->m->axis[i].name, b->dim) == 0;
	return known || bad(w, op->at, "%s: no dim or axis is called %s",
	    op_info[op->code].name, b->dim);
}

/* Values born inside cannot be used once the loop has ended. */
static void
close_scope(struct walk *w)
{
	for (int i = 0; i < w->f->nvalue; i++)
		if (w->state[i] != UNDEFINED && w->born[i] > w->depth)
			w->state[i] = GONE;
}

static bool
check_loop(struct walk *w, struct op *op)
{
	bool ok = true;
	int64_t lo, hi;

	if (!loop_bound(w, op, &op->lo) || !loop_bound(w, op, &op->hi))
		return false;
	lo = (int64_t)bound_eval(w->m, &op->lo);
	hi = (int64_t)bound_eval(w->m, &op->hi);
	if (lo < 0 || hi <= lo)
		return bad(w, op->at, "for %s: runs from %lld to %lld, never",
		    op->var, (long long)lo, (long long)hi);
	if (w->depth == MAX_LOOPS || find_loop(w, op->var))
		return bad(w, op->at, "for %s: at most %d nested loops, each "
		    "with its own name", op->var, MAX_LOOPS);
	w->loop[w->nloop++] = (struct loop){op->var, lo, hi};
	w->depth++;
	for (int i = 0; i < op->nin; i++)
		ok &= define(w, op->carry[i], op->at);
	ok = ok && check_region(w, &op->body, OP_YIELD);
	w->depth--;
	w->nloop--;
	close_scope(w);
	return ok && (op->rev ? carries_agree(w, op, hi - 1, lo - 1)
			      : carries_agree(w, op, lo, hi));
}

/* Callees come first in the module, so calls cannot be circular. */
static bool
check_call(struct walk *w, const struct op *op)
{
	const struct func *f = op->callee;

	for (int i = 0; w->m->func[i] != w->f; i++)
		if (w->m->func[i] == f)
			return !f->index || index_fits(w, &op->index,
			    module_dim(w->m, f->index_dim)->size, f->name,
			    op->at);
	return bad(w, op->at, "call: %s is not defined before",
	    f ? f->name : "the function");
}

static void
find_saves(struct op *op, void *arg)
{
	struct op **found = arg;

	if (op->code == OP_SAVE)
		*found = op;
}

/* What .bwd loads is what its twin saves, by name and type. */
static bool
check_load(struct walk *w, const struct op *op)
{
	struct op *save = NULL;
	bool ok = true;

	if (!w->f->twin)
		return bad(w, op->at, "load: there is no forward twin");
	region_walk(&w->f->twin->body, find_saves, &save);
	for (int i = 0; i < op->nout; i++) {
		const struct value *v = op->out[i], *s = NULL;

		for (int j = 0; save && j < save->nin; j++)
			if (save->in[j].kind == ARG_VALUE &&
			    save->in[j].v->name == v->name)
				s = save->in[j].v;
		if (!s || s->type != v->type)
			ok = bad(w, op->at, s ? "load: %s has another type in "
			    "%s" : "load: %s is not saved by %s",
			    name_of(v), w->f->twin->name);
	}
	return ok;
}

/* Only loop variables and sizes: every rank decides alike. */
static bool
check_when(struct walk *w, const struct op *op)
{
	const struct cond *c = &op->when;

	for (int i = 0; c->set && i < c->a.n; i++)
		if (!find_loop(w, c->a.var[i]))
			return bad(w, op->at, "when: no loop counts %s",
			    c->a.var[i]);
	return !c->set || loop_bound(w, op, &c->b);
}

/* What a communication op starts is all in flight, or it is done at once. */
static bool
check_futures(struct walk *w, const struct op *op)
{
	bool may = takes_futures(op) && op->code != OP_WAIT;

	for (int i = 0; i < op->nout; i++) {
		const struct value *v = op->out[i];

		if (v->future == op->out[0]->future && op->code != OP_WAIT &&
		    op_info[op->code].group == GROUP_COMM)
			continue;
		if (v->future && !may)
			return bad(w, op->at, "%s: %s cannot be in flight",
			    op_info[op->code].name, name_of(v));
	}
	return true;
}

static bool
check_op(struct walk *w, struct op *op)
{
	bool ok = true;

	for (int i = 0; i < op->nin; i++)
		ok &= check_arg(w, &op->in[i], op);
	if (!ok || !op_infer(w->m, op))
		ok = false;
	for (int i = 0; i < op->nin && ok; i++)
		ok = consume(w, &op->in[i], op);
	if (op->lane != LANE_C && w->m->stage < 'c')
		ok = bad(w, op->at, "lanes come with stage c");
	if (op->nhop && w->m->stage == 'a')
		ok = bad(w, op->at, "stage a is one device: it has no axes");
	ok = ok && check_when(w, op) && check_futures(w, op);
	if (ok && op->code == OP_TAKE)
		ok = index_fits(w, &op->index, module_dim(w->m,
		    arg_type(w->m, &op->in[0])->d[0].name)->size,
		    name_of(op->in[0].v), op->at);
	if (ok && op->code == OP_CALL)
		ok = check_call(w, op);
	if (ok && op->code == OP_LOAD)
		ok = check_load(w, op);
	for (int i = 0; i < op->nout; i++)
		ok &= define(w, op->out[i], op->at);
	if (ok && op->code == OP_FOR)
		ok = check_loop(w, op);
	return ok && check_target(w, op);
}

static bool
check_region(struct walk *w, struct region *r, enum opcode end)
{
	bool ok = true;

	for (int i = 0; i < r->n; i++) {
		int code = r->op[i]->code;

		if ((code == OP_RETURN || code == OP_YIELD) &&
		    (i + 1 < r->n || code != (int)end))
			ok = bad(w, r->op[i]->at, "%s only ends a %s",
			    op_info[code].name,
			    code == OP_RETURN ? "function" : "loop");
		else
			ok &= check_op(w, r->op[i]);
	}
	if (!r->n || region_last(r)->code != end)
		ok = bad(w, r->n ? region_last(r)->at : w->f->at,
		    "ends without %s", op_info[end].name);
	return ok;
}

/* -------------------------------------------------------------- functions */

static size_t
power_above(int n)
{
	size_t p = 16;

	while (p < 2 * (size_t)n)
		p *= 2;
	return p;
}

static bool
returns_complete(struct walk *w)
{
	const struct op *ret = region_last(&w->f->body);
	bool ok = true;

	for (int i = 0; i < ret->nin; i++)
		if (arg_type(w->m, &ret->in[i]) &&
		    arg_type(w->m, &ret->in[i])->pend)
			ok = bad(w, ret->at, "result %d is pending: the host "
			    "would see one rank's share of it", i + 1);
	return ok;
}

static bool
verify_func(struct module *m, struct func *f)
{
	size_t n = (size_t)f->nvalue;
	struct walk w = {.m = m, .f = f};
	bool ok = true;

	w.cap = power_above(f->nvalue);
	w.state = NEW_N(m->mem, uint8_t, n + 1);
	w.born = NEW_N(m->mem, int, n + 1);
	w.name = NEW_N(m->mem, const char *, w.cap);
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i] != f && strcmp(m->func[i]->name, f->name) == 0)
			return bad(&w, f->at, "there are two of this name");
	if (f->twin && f->twin->twin != f)
		return bad(&w, f->at, "the twin has another twin");
	if (f->index) {
		const struct dimdef *d = module_dim(m, f->index_dim);

		if (!d)
			return bad(&w, f->at, "no dim is called %s",
			    f->index_dim);
		w.loop[w.nloop++] = (struct loop){f->index, 0,
		    (int64_t)d->size};
	}
	for (int i = 0; i < f->nparam; i++)
		ok &= define(&w, f->param[i], f->at);
	ok = ok && check_region(&w, &f->body, OP_RETURN);
	return ok && (strcmp(f->name, "step") || returns_complete(&w));
}

int
module_verify(struct module *m)
{
	int before = m->diag->errors;

	if (!verify_header(m))
		return m->diag->errors - before;
	for (int i = 0; i < m->nfunc; i++)
		verify_func(m, m->func[i]);
	return m->diag->errors - before;
}
