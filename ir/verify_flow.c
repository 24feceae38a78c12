/* The part of module_verify about loops, calls, saved values and futures. */
#include "config.h"

#include <string.h>

#include "ir/verify.h"
#include "ir/verify_walk.h"

static bool
carry_type(struct walk *w, const struct op *op, int i, const char *what,
    const struct type *got, const struct type *want)
{
	return got == want || walk_error(w, op->at, "for %s: the %s of carry %s has "
	    "not its type", op->var, what, walk_name(op->carry[i]));
}

static bool
same_storage(const struct value *a, const struct value *b)
{
	return a->bundle == b->bundle && a->dtype == b->dtype &&
	    a->pend == b->pend && axis_list_equal(&a->flat, &b->flat);
}

static bool
arg_flies(const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->future;
}

/* A carried bundle value keeps its storage. */
static bool
carries_storage(struct walk *w, const struct op *op, int i)
{
	const struct op *y = region_last(&op->body);
	const struct value *c = op->carry[i];

	return (op->in[i].kind == ARG_VALUE && y->in[i].kind == ARG_VALUE &&
	    same_storage(op->in[i].v, c) && same_storage(y->in[i].v, c) &&
	    same_storage(op->out[i], c)) || walk_error(w, op->at, "for %s: carry %s "
	    "changes how it is stored", op->var, walk_name(c));
}

/* A carry is in flight on every trip and behind the loop, or never. */
static bool
carries_flight(struct walk *w, const struct op *op, const struct op *yield,
    int i)
{
	bool flies = op->carry[i]->future;

	return (arg_flies(&op->in[i]) == flies &&
	    arg_flies(&yield->in[i]) == flies && op->out[i]->future == flies) ||
	    walk_error(w, op->at, "for %s: carry %s is in flight on some trips "
	    "and not on others", op->var, walk_name(op->carry[i]));
}

/* Skewed coordinates follow the loop variable: T, T[v+1], T[hi]. */
static bool
carries_agree(struct walk *w, const struct op *op, int64_t lo, int64_t hi)
{
	const struct op *y = region_last(&op->body);
	int d = w->depth;
	bool ok = true;

	if (y->nin != op->nin)
		return walk_error(w, y->at, "yields %d values, the loop carries %d",
		    y->nin, op->nin);
	for (int i = 0; i < op->nin; i++) {
		const struct type *t = op->carry[i]->type;
		const struct type *in = arg_type(w->m, &op->in[i]);
		const struct type *out = arg_type(w->m, &y->in[i]);

		ok &= carries_flight(w, op, y, i);
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
	return known || walk_error(w, op->at, "%s: no dim or axis is called %s",
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

bool
walk_check_loop(struct walk *w, struct op *op)
{
	bool ok = true;
	int64_t lo, hi;

	if (!loop_bound(w, op, &op->lo) || !loop_bound(w, op, &op->hi))
		return false;
	lo = (int64_t)bound_eval(w->m, &op->lo);
	hi = (int64_t)bound_eval(w->m, &op->hi);
	if (lo < 0 || hi <= lo)
		return walk_error(w, op->at, "for %s: runs from %lld to %lld, never",
		    op->var, (long long)lo, (long long)hi);
	if (w->depth == MAX_LOOPS || walk_loop(w, op->var))
		return walk_error(w, op->at, "for %s: at most %d nested loops, each "
		    "with its own name", op->var, MAX_LOOPS);
	w->loop[w->nloop++] = (struct loop){op->var, lo, hi};
	w->depth++;
	for (int i = 0; i < op->nin; i++)
		ok &= walk_define(w, op->carry[i], op->at);
	ok = ok && walk_region(w, &op->body, OP_YIELD);
	w->depth--;
	w->nloop--;
	close_scope(w);
	return ok && (op->rev ? carries_agree(w, op, hi - 1, lo - 1)
			      : carries_agree(w, op, lo, hi));
}

/* What is in flight here is so there. */
static bool
call_flight(struct walk *w, const struct op *op)
{
	const struct func *f = op->callee;
	const struct op *ret = region_last(&f->body);
	bool same = true;

	for (int i = 0; i < op->nin && i < f->nparam; i++)
		same &= arg_flies(&op->in[i]) == f->param[i]->future;
	for (int i = 0; i < op->nout && i < ret->nin; i++)
		same &= op->out[i]->future == arg_flies(&ret->in[i]);
	return same || walk_error(w, op->at, "call %s: what is in flight here "
	    "is not there, or the other way round", f->name);
}

/* Callees come first in the module, so calls cannot be circular. */
bool
walk_check_call(struct walk *w, const struct op *op)
{
	const struct func *f = op->callee;

	for (int i = 0; w->m->func[i] != w->f; i++)
		if (w->m->func[i] == f)
			return call_flight(w, op) && (!f->index ||
			    walk_index(w, &op->index,
			    module_dim(w->m, f->index_dim)->size, f->name,
			    op->at));
	return walk_error(w, op->at, "call: %s is not defined before",
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
bool
walk_check_load(struct walk *w, const struct op *op)
{
	struct op *save = NULL;
	bool ok = true;

	if (!w->f->twin)
		return walk_error(w, op->at, "load: there is no forward twin");
	region_walk(&w->f->twin->body, find_saves, &save);
	for (int i = 0; i < op->nout; i++) {
		const struct value *v = op->out[i], *s = NULL;

		for (int j = 0; save && j < save->nin; j++)
			if (save->in[j].kind == ARG_VALUE &&
			    save->in[j].v->name == v->name)
				s = save->in[j].v;
		if (!s || s->type != v->type)
			ok = walk_error(w, op->at, s ? "load: %s has another type in "
			    "%s" : "load: %s is not saved by %s",
			    walk_name(v), w->f->twin->name);
		else if (value_on_host(s))
			ok = walk_error(w, op->at, "load: %s is on the host: "
			    "fetch it", walk_name(v));
	}
	return ok;
}

static bool
saves_value(struct func *f, const struct value *v)
{
	struct op *save = NULL;

	region_walk(&f->body, find_saves, &save);
	for (int i = 0; save && i < save->nin; i++)
		if (save->in[i].v == v)
			return true;
	return false;
}

/* From a layer of a block, or of its twin, and what that saves on the host. */
bool
walk_check_fetch(struct walk *w, const struct op *op)
{
	const struct value *v = fetch_source(op);
	struct func *f = op->callee;
	bool before = false;

	for (int i = 0; w->m->func[i] != w->f; i++)
		before |= w->m->func[i] == f;
	if (!before || !f->index)
		return walk_error(w, op->at, "fetch: %s is no block before this "
		    "function", f ? f->name : "?");
	if (!v || !value_on_host(v) || !saves_value(f, v))
		return walk_error(w, op->at, "fetch: %s does not save %s on the "
		    "host", f->name, op->kept);
	if (v->type != op->out[0]->type)
		return walk_error(w, op->at, "fetch: %s has another type in %s",
		    op->kept, f->name);
	return op->indexed ? walk_index(w, &op->index,
	    module_dim(w->m, f->index_dim)->size, f->name, op->at) :
	    walk_error(w, op->at, "fetch: at which layer of %s?", f->name);
}

/* Only loop variables and sizes: every rank decides alike. */
bool
walk_check_when(struct walk *w, const struct op *op)
{
	const struct cond *c = &op->when;

	for (int i = 0; c->set && i < c->a.n; i++)
		if (!walk_loop(w, c->a.var[i]))
			return walk_error(w, op->at, "when: no loop counts %s",
			    c->a.var[i]);
	return !c->set || loop_bound(w, op, &c->b);
}

/* What a communication op starts is all in flight, or it is done at once. */
bool
walk_check_futures(struct walk *w, const struct op *op)
{
	bool may = op->code == OP_LOCAL ||
	    (walk_takes_futures(op) && op->code != OP_WAIT);

	for (int i = 0; i < op->nout; i++) {
		const struct value *v = op->out[i];

		if (v->future == op->out[0]->future && op->code != OP_WAIT &&
		    (op_info[op->code].group == GROUP_COMM ||
		    op_info[op->code].group == GROUP_HOST))
			continue;
		if (v->future && !may)
			return walk_error(w, op->at, "%s: %s cannot be in flight",
			    op_info[op->code].name, walk_name(v));
	}
	return true;
}
