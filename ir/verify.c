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
#include "ir/verify_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
walk_error(struct walk *w, struct span at, const char *fmt, ...)
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

const char *
walk_name(const struct value *v)
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

bool
walk_define(struct walk *w, struct value *v, struct span at)
{
	if (v->id < 0 || v->id >= w->f->nvalue || w->f->value[v->id] != v)
		return walk_error(w, at, "value %s is not one of the function",
		    walk_name(v));
	if (w->state[v->id] != UNDEFINED)
		return walk_error(w, at, "value %s is defined twice", walk_name(v));
	w->state[v->id] = LIVE;
	w->born[v->id] = w->depth;
	if (v->name && !new_name(w, v->name))
		return walk_error(w, at, "name %s is used twice", v->name);
	if (v->slot && w->m->stage != 'e')
		return walk_error(w, at, "%s has a slot before stage e", walk_name(v));
	if (v->slot && !module_slot(w->m, v->slot))
		return walk_error(w, at, "%s lives in unknown slot %s", walk_name(v),
		    v->slot);
	if (v->future && w->m->stage < 'c' && w->m->naxis)
		return walk_error(w, at, "%s is in flight before stage c",
		    walk_name(v));
	if (!v->bundle && !v->type)
		return walk_error(w, at, "value %s has no type", walk_name(v));
	return v->bundle || verify_type(w->m, v->type, at);
}

static bool
usable(struct walk *w, const struct value *v, struct span at)
{
	bool own = v->id >= 0 && v->id < w->f->nvalue &&
	    w->f->value[v->id] == v;

	if (!own || w->state[v->id] == UNDEFINED)
		return walk_error(w, at, "%s is used before it is defined",
		    walk_name(v));
	if (w->state[v->id] == CONSUMED)
		return walk_error(w, at, "%s is used after its buffer was given away",
		    walk_name(v));
	if (w->state[v->id] == GONE)
		return walk_error(w, at, "%s was defined in a loop that has ended",
		    walk_name(v));
	return true;
}

const struct loop *
walk_loop(const struct walk *w, const char *var)
{
	for (int i = w->nloop - 1; i >= 0; i--)
		if (w->loop[i].var && strcmp(w->loop[i].var, var) == 0)
			return &w->loop[i];
	return NULL;
}

/* The loop's range where the op runs: `when l+1<L` keeps l below L-1. */
static struct loop
guarded(const struct walk *w, struct loop l)
{
	const struct cond *c = w->when;
	int64_t limit;

	if (!c || !c->set || c->a.n != 1 || c->a.coef[0] != 1 || c->a.mod ||
	    strcmp(c->a.var[0], l.var) != 0)
		return l;
	limit = (int64_t)bound_eval(w->m, &c->b) - c->a.k;
	if (c->cmp == '<' && limit < l.hi)
		l.hi = limit;
	if (c->cmp == '>' && limit + 1 > l.lo)
		l.lo = limit + 1;
	return l;
}

/* Every value of the index lies in 0..size-1; an op that never runs is fine. */
bool
walk_index(struct walk *w, const struct affine *a, uint64_t size,
    const char *what, struct span at)
{
	int64_t lo = a->k, hi = a->k;

	for (int i = 0; i < a->n; i++) {
		const struct loop *around = walk_loop(w, a->var[i]);
		struct loop l;
		int64_t x, y;

		if (!around)
			return walk_error(w, at, "index of %s: no loop counts %s",
			    what, a->var[i]);
		l = guarded(w, *around);
		if (l.hi <= l.lo)
			return true;
		x = a->coef[i] * l.lo;
		y = a->coef[i] * (l.hi - 1);
		lo += x < y ? x : y;
		hi += x < y ? y : x;
	}
	if (a->mod > 0) {
		lo = 0;
		hi = a->mod - 1;
	}
	if (lo < 0 || (uint64_t)hi >= size)
		return walk_error(w, at, "index of %s goes from %lld to %lld, allowed "
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
		return walk_error(w, at, "@%s is stacked along %s: which one?",
		    b->name, b->stack);
	if (!a->indexed)
		return true;
	if (!b->stack)
		return walk_error(w, at, "@%s is not stacked", b->name);
	return walk_index(w, &a->index, module_dim(w->m, b->stack)->size,
	    b->name, at);
}

static bool
known_bundle(struct walk *w, const struct bundle *b, int field, struct span at)
{
	if (!bundle_set_find(w->bundles, b))
		return walk_error(w, at, "unknown bundle");
	return field < b->nfield ||
	       walk_error(w, at, "@%s has no field %d", b->name, field);
}

bool
walk_takes_futures(const struct op *op)
{
	return op->code == OP_WAIT || op->code == OP_YIELD ||
	    op->code == OP_RETURN || op->code == OP_FOR ||
	    op->code == OP_CALL;
}

/* Ops on whole layers; all others name a field. */
static bool
takes_bundles(const struct op *op)
{
	return walk_takes_futures(op) || op->code == OP_ACCUM ||
	    op_info[op->code].group == GROUP_COMM;
}

/*
 * What lies over sums of single ranks is complete only once it is written, and
 * so is what the optimizer of several ranks takes for the gradient.
 */
static bool
is_written(struct walk *w, const struct bundle *b, const struct op *op)
{
	bool grad = op->code == OP_ADAMW && b->role == ROLE_GRAD &&
	    w->m->naxis > 0;

	return (!b->over && !grad) || bundle_set_find(w->bundles, b)->written ||
	       walk_error(w, op->at, "@%s is read but never written",
		   b->name);
}

static bool
check_arg(struct walk *w, struct arg *a, const struct op *op)
{
	if (a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD)
		return known_bundle(w, a->b,
			   a->kind == ARG_BUNDLE ? -1 : a->field, op->at) &&
		       is_written(w, a->b, op) &&
		       bundle_index(w, a, op->code == OP_PARAMS, op->at);
	if (!usable(w, a->v, op->at))
		return false;
	if (a->v->future && (a->kind == ARG_FIELD || !walk_takes_futures(op)))
		return walk_error(w, op->at, "%s is in flight: wait for it first",
		    walk_name(a->v));
	if (a->kind == ARG_FIELD)
		return a->v->bundle
		    ? known_bundle(w, a->v->bundle, a->field, op->at)
		    : walk_error(w, op->at, "%s has no fields", walk_name(a->v));
	if (value_on_host(a->v) && op->code != OP_WAIT && op->code != OP_SAVE)
		return walk_error(w, op->at, "%s is on the host: it can only be "
		    "saved, for a fetch", walk_name(a->v));
	if (a->v->bundle && !takes_bundles(op))
		return walk_error(w, op->at, "%s is a bundle: name a field of it",
		    walk_name(a->v));
	return true;
}

static bool
consume(struct walk *w, struct arg *a, const struct op *op)
{
	if (!a->consume)
		return true;
	if (a->kind != ARG_VALUE)
		return walk_error(w, op->at, "only values can be consumed");
	if (w->born[a->v->id] < w->depth)
		return walk_error(w, op->at, "%s is consumed in a loop but defined "
		    "before it", walk_name(a->v));
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
		return walk_error(w, op->at, "%s is no local image of a gradient",
		    walk_name(v));
	f = arg_type(w->m, &op->target);
	return x == type_with_dtype(w->m, f, (enum dtype)x->dtype) ||
	    walk_error(w, op->at, "%s: the result is not what %s.%s collects",
	    op_info[op->code].name, walk_name(v),
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
		return walk_error(w, op->at, "%s: a target is one bundle or one "
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
		return walk_error(w, op->at, "only parameters and gradients can be "
		    "written, not @%s", b->name);
	x = op->out[0]->type;
	f = type_with_dtype(w->m, b->field[t->field].type,
	    (enum dtype)x->dtype);
	if (x->rank != f->rank || !dims_at(x, f, 0))
		return walk_error(w, op->at, "%s: the result has not the dims of "
		    "@%s.%s", op_info[op->code].name, b->name,
		    b->field[t->field].name);
	if (x->pend != b->pend)
		return walk_error(w, op->at, "%s: @%s.%s collects sums over other "
		    "mesh axes than the result", op_info[op->code].name,
		    b->name, b->field[t->field].name);
	return x->dtype == b->dtype ||
	    walk_error(w, op->at, "%s: the result is %s but @%s is %s",
	    op_info[op->code].name, dtype_name[x->dtype], b->name,
	    dtype_name[b->dtype]);
}

static bool
check_op(struct walk *w, struct op *op)
{
	bool ok = true;

	w->when = &op->when;
	for (int i = 0; i < op->nin; i++)
		ok &= check_arg(w, &op->in[i], op);
	if (!ok || !op_infer(w->m, op))
		ok = false;
	for (int i = 0; i < op->nin && ok; i++)
		ok = consume(w, &op->in[i], op);
	if (op->lane != LANE_C && w->m->stage < 'c' && w->m->naxis)
		ok = walk_error(w, op->at, "lanes come with stage c");
	if (op->nhop && w->m->stage == 'a')
		ok = walk_error(w, op->at, "stage a is one device: it has no axes");
	ok = ok && walk_check_when(w, op) && walk_check_futures(w, op);
	if (ok && op->code == OP_TAKE)
		ok = walk_index(w, &op->index, module_dim(w->m,
		    arg_type(w->m, &op->in[0])->d[0].name)->size,
		    walk_name(op->in[0].v), op->at);
	if (ok && op->code == OP_CALL)
		ok = walk_check_call(w, op);
	if (ok && op->code == OP_LOAD)
		ok = walk_check_load(w, op);
	if (ok && op->code == OP_FETCH)
		ok = walk_check_fetch(w, op);
	for (int i = 0; i < op->nout; i++)
		ok &= walk_define(w, op->out[i], op->at);
	ok = ok && check_target(w, op);
	w->when = NULL;
	return ok && (op->code != OP_FOR || walk_check_loop(w, op));
}

bool
walk_region(struct walk *w, struct region *r, enum opcode end)
{
	bool ok = true;

	for (int i = 0; i < r->n; i++) {
		int code = r->op[i]->code;

		if ((code == OP_RETURN || code == OP_YIELD) &&
		    (i + 1 < r->n || code != (int)end))
			ok = walk_error(w, r->op[i]->at, "%s only ends a %s",
			    op_info[code].name,
			    code == OP_RETURN ? "function" : "loop");
		else
			ok &= check_op(w, r->op[i]);
	}
	if (!r->n || region_last(r)->code != end)
		ok = walk_error(w, r->n ? region_last(r)->at : w->f->at,
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
			ok = walk_error(w, ret->at, "result %d is pending: the host "
			    "would see one rank's share of it", i + 1);
	return ok;
}

static bool
verify_func(struct module *m, const struct bundle_set *bundles,
    struct func *f)
{
	size_t n = (size_t)f->nvalue;
	struct walk w = {.m = m, .f = f, .bundles = bundles};
	bool ok = true;

	w.cap = power_above(f->nvalue);
	w.state = NEW_N(m->mem, uint8_t, n + 1);
	w.born = NEW_N(m->mem, int, n + 1);
	w.name = NEW_N(m->mem, const char *, w.cap);
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i] != f && strcmp(m->func[i]->name, f->name) == 0)
			return walk_error(&w, f->at, "there are two of this name");
	if (f->twin && f->twin->twin != f)
		return walk_error(&w, f->at, "the twin has another twin");
	if (f->index) {
		const struct dimdef *d = module_dim(m, f->index_dim);

		if (!d)
			return walk_error(&w, f->at, "no dim is called %s",
			    f->index_dim);
		w.loop[w.nloop++] = (struct loop){f->index, 0,
		    (int64_t)d->size};
	}
	for (int i = 0; i < f->nparam; i++)
		ok &= walk_define(&w, f->param[i], f->at);
	ok = ok && walk_region(&w, &f->body, OP_RETURN);
	return ok && (strcmp(f->name, "step") || returns_complete(&w));
}

int
module_verify(struct module *m)
{
	int before = m->diag->errors;
	struct bundle_set bundles;

	if (!verify_header(m))
		return m->diag->errors - before;
	bundles = bundle_set_of(m);
	for (int i = 0; i < m->nfunc; i++)
		verify_func(m, &bundles, m->func[i]);
	return m->diag->errors - before;
}
