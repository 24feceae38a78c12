/*
 * Control flow of the interpreter: functions, loops, saved values.
 *
 * An op is done on every rank before the next one starts.  Ops of the flow
 * group run once, for all ranks: they move whole tensors.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/rules.h"

static void (*const interp_of[OP_COUNT])(struct step *s) = {
#define OP(code, text, nin, nout, group, rule, summary)                        \
	[OP_##code] = interp_##code,
#include "ir/ops.def"
};

void
step_error(struct step *s, const char *fmt, ...)
{
	char why[256];
	va_list args;

	if (s->in->failed)
		return;
	s->in->failed = true;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	diag_error(s->in->m->diag, s->op->at, "%s: %s",
	    op_info[s->op->code].name, why);
}

int64_t
frame_index(const struct frame *f, const struct affine *a)
{
	return affine_eval(a, f->var, f->value, f->nvar);
}

const int64_t *
frame_loops(const struct frame *f)
{
	return f->value + (f->nvar - f->depth);
}

void
frame_bind(struct interp *in, struct frame *f, const struct value *v,
    struct tensor *t)
{
	tensor_unref(in, f->val[v->id]);
	f->val[v->id] = t;
}

static struct tensor *
share(struct tensor *t)
{
	if (t)
		t->refs++;
	return t;
}

/* Shows a value to the caller, as a global tensor.  What is on its way is none
 * yet: its name means nothing. */
static void
show(struct interp *in, struct frame *f, const struct value *v,
    const struct op *op)
{
	const struct tensor *t = f->val[v->id];
	struct interp_value shown = {.func = f->f, .value = v, .op = op,
	    .iter = f->value, .niter = f->nvar};
	double *global;
	bool agree;

	if (!t || !t->type || t->undefined || !v->name || v->future ||
	    (!in->opt.on_value && in->ranks == 1))
		return;
	shown.count = type_global_count(in->m, t->type);
	global = calloc(shown.count ? shown.count : 1, sizeof *global);
	if (!global)
		abort();
	agree = tensor_global(in, t->type, t->loop, t->local, global);
	shown.global = global;
	if (agree && in->opt.on_value)
		in->opt.on_value(&shown, in->opt.arg);
	else if (!agree) {
		in->failed = true;
		diag_error(in->m->diag, op ? op->at : f->f->at, "fn %s: ranks "
		    "disagree about %s, which they should all have",
		    f->f->name, v->name);
	}
	free(global);
}

/* ------------------------------------------------------------ one op */

static double *
layer_at(const struct step *s, const struct bundle *b, int field,
    bool indexed, const struct affine *index)
{
	struct store *t = store_of(s->in, b, field);

	return t->local[s->rank] +
	    (indexed ? (uint64_t)frame_index(s->frame, index) : 0) * t->count;
}

/* A field of a `params` value, as it reads in that value's dtype. */
static const double *
read_field(struct step *s, const struct arg *a)
{
	const struct tensor *t = s->frame->val[a->v->id];
	const struct arg *from;
	const double *x;
	double *copy;
	uint64_t n;

	if (t) /* gathered, or local */
		return t->local[s->rank] +
		    bundle_image_at(s->in->m, a->v->bundle, a->field);
	if (!a->v->def || a->v->def->code != OP_PARAMS) {
		step_error(s, "%s has no value", a->v->name);
		return NULL;
	}
	from = &a->v->def->in[0];
	x = layer_at(s, a->v->bundle, a->field, from->indexed, &from->index);
	n = store_of(s->in, a->v->bundle, a->field)->count;
	if (!s->in->opt.round || a->v->dtype == a->v->bundle->dtype)
		return x;
	copy = NEW_N(&s->in->scratch, double, n + 1);
	for (uint64_t i = 0; i < n; i++)
		copy[i] = interp_round(x[i], (enum dtype)a->v->dtype);
	return copy;
}

static const double *
operand(struct step *s, int i)
{
	const struct arg *a = &s->op->in[i];
	const struct tensor *t;

	if (s->wide && s->wide[i])
		return s->wide[i]->local[s->rank];
	if (a->kind == ARG_FIELD)
		return read_field(s, a);
	if (a->kind != ARG_VALUE || a->v->bundle)
		return NULL;
	t = s->frame->val[a->v->id];
	if (!t) {
		step_error(s, "%s has no value", a->v->name);
		return NULL;
	}
	return t->local[s->rank];
}

static double *
target_at(struct step *s, const struct arg *a)
{
	struct tensor *t;

	if (a->kind == ARG_BUNDLE_FIELD)
		return layer_at(s, a->b, a->field, a->indexed, &a->index);
	t = s->frame->val[a->v->id];
	if (!t) {
		step_error(s, "%s has no value", a->v->name);
		return NULL;
	}
	return t->local[s->rank] +
	    bundle_image_at(s->in->m, a->v->bundle, a->field);
}

/* target = result, or target += result. */
static void
put_target(struct step *s)
{
	const struct arg *a = &s->op->target;
	uint64_t n = local_count(s, s->yt[0]);
	double *x = target_at(s, a);

	for (uint64_t i = 0; x && i < n; i++) {
		x[i] = (s->op->target_add ? x[i] : 0) + s->y[0][i];
		if (s->in->opt.round)
			x[i] = interp_round(x[i],
			    (enum dtype)s->yt[0]->dtype);
	}
}

static void
finish(struct step *s)
{
	for (int i = 0; i < s->op->nout && s->in->opt.round; i++)
		for (uint64_t j = 0; s->yt[i] &&
		    j < local_count(s, s->yt[i]); j++)
			s->y[i][j] = interp_round(s->y[i][j],
			    (enum dtype)s->yt[i]->dtype);
	if (s->op->has_target)
		put_target(s);
}

static void
on_rank(struct step *s, struct tensor **out)
{
	for (int i = 0; i < s->op->nin + (s->wide != NULL); i++)
		s->x[i] = i < s->op->nin ? operand(s, i) :
		    s->wide[i] ? s->wide[i]->local[s->rank] : NULL;
	for (int i = 0; i < s->op->nout; i++)
		s->y[i] = out[i] ? out[i]->local[s->rank] : NULL;
	if (s->in->failed)
		return;
	interp_of[s->op->code](s);
	finish(s);
}

/* t with no shards over these axes. */
static const struct type *
whole_type(struct module *m, const struct type *t, axis_set axes)
{
	struct type w = *t;

	for (int i = 0; i < w.rank; i++)
		if (dim_axes(&w.d[i]) & axes) {
			memset(w.d[i].s, 0, sizeof w.d[i].s);
			w.d[i].n = 0;
		}
	return type_intern(m, &w);
}

/*
 * attn over axes: k, v and the keys' documents of all ranks are there, dk and
 * dv are what this rank adds to all of them.  Operand nin: documents of keys.
 */
static void
widen(struct step *s)
{
	int at = s->op->code == OP_ATTN ? 1 : 2, n = s->op->nin;
	axis_set axes = op_axes(s->op);

	s->wide = NEW_N(&s->in->scratch, struct tensor *, (size_t)n + 1);
	for (int i = at; i < n && !s->in->failed; i++) {
		bool doc = i == at + (at == 1 ? 2 : 4);
		struct tensor *x;

		if (i > at + 1 && !doc)
			continue;
		x = operand_tensor(s->in, s->frame, s->op, i);
		if (s->in->failed)
			return;
		s->xt[doc ? n : i] = whole_type(s->in->m, s->xt[i], axes);
		s->wide[doc ? n : i] = tensor_regroup(s->in, x,
		    s->xt[doc ? n : i], s->loop, axes, false);
		tensor_unref(s->in, x);
	}
	for (int i = 1; i < s->op->nout && at == 2; i++)
		s->yt[i] = whole_type(s->in->m, s->yt[i], axes);
}

/* The ranks' shares of dk and dv are added, and each takes its own. */
static void
narrow(struct step *s, struct tensor **out)
{
	for (int i = 0; i < s->op->nout; i++) {
		const struct type *want = s->op->out[i]->type;
		struct tensor *x = out[i];

		if (s->yt[i] == want)
			continue;
		out[i] = tensor_regroup(s->in, x, want, s->loop,
		    op_axes(s->op), true);
		tensor_unref(s->in, x);
	}
	for (int i = 0; i <= s->op->nin; i++)
		tensor_unref(s->in, s->wide[i]);
}

static void
step_new(struct step *s)
{
	struct arena *mem = &s->in->scratch;
	size_t nin = (size_t)s->op->nin + 1, nout = (size_t)s->op->nout + 1;

	s->xt = NEW_N(mem, const struct type *, nin);
	s->x = NEW_N(mem, const double *, nin);
	s->yt = NEW_N(mem, const struct type *, nout);
	s->y = NEW_N(mem, double *, nout);
	s->loop = frame_loops(s->frame);
	for (int i = 0; i < s->op->nin; i++)
		s->xt[i] = arg_type(s->in->m, &s->op->in[i]);
	for (int i = 0; i < s->op->nout; i++)
		s->yt[i] = s->op->out[i]->bundle ? NULL : s->op->out[i]->type;
	if (s->op->nhop)
		widen(s);
}

/* An op that computes: the same on every rank. */
static void
compute(struct interp *in, struct frame *f, struct op *op)
{
	struct step s = {.in = in, .frame = f, .op = op};
	struct tensor **out;

	step_new(&s);
	out = NEW_N(&in->scratch, struct tensor *, (size_t)op->nout + 1);
	for (int i = 0; i < op->nout; i++)
		out[i] = s.yt[i] ? tensor_new(in, s.yt[i], s.loop) : NULL;
	for (s.rank = 0; s.rank < in->ranks && !in->failed; s.rank++)
		on_rank(&s, out);
	if (s.wide)
		narrow(&s, out);
	for (int i = 0; i < op->nout; i++)
		frame_bind(in, f, op->out[i], out[i]);
	arena_free(&in->scratch);
	in->scratch = (struct arena){0};
}

/* Ops that run once for all ranks. */
static bool
moves_whole(const struct op *op)
{
	return op_info[op->code].group == GROUP_FLOW ||
	    op_info[op->code].group == GROUP_COMM ||
	    op_info[op->code].group == GROUP_HOST || op->code == OP_LOCAL ||
	    (op->code == OP_ACCUM && op->target.kind == ARG_BUNDLE);
}

/* Whoever uses these after all computes with NaN. */
static void
leave_undefined(struct interp *in, struct frame *f, struct op *op)
{
	for (int i = 0; i < op->nout; i++) {
		struct value *v = op->out[i];
		struct tensor *t = v->bundle
		    ? image_new(in, v->bundle, &v->flat)
		    : tensor_new(in, v->type, frame_loops(f));

		t->undefined = true;
		for (int r = 0; r < in->ranks; r++)
			for (uint64_t j = 0; j < t->count; j++)
				t->local[r][j] = NAN;
		frame_bind(in, f, v, t);
	}
}

static void
run_op(struct interp *in, struct frame *f, struct op *op)
{
	struct step s = {.in = in, .frame = f, .op = op};

	if (!cond_holds(in->m, &op->when, f->var, f->value, f->nvar))
		leave_undefined(in, f, op);
	else if (moves_whole(op))
		interp_of[op->code](&s);
	else
		compute(in, f, op);
	for (int i = 0; i < op->nin && !in->failed; i++)
		if (op->in[i].consume)
			frame_bind(in, f, op->in[i].v, NULL);
	for (int i = 0; i < op->nout && !in->failed; i++)
		show(in, f, op->out[i], op);
}

static void
run_region(struct interp *in, struct frame *f, struct region *r)
{
	for (int i = 0; i < r->n && !in->failed; i++)
		run_op(in, f, r->op[i]);
}

struct tensor *
operand_tensor(struct interp *in, struct frame *f, struct op *op, int i)
{
	struct step s = {.in = in, .frame = f, .op = op};
	const struct arg *a = &op->in[i];
	const struct type *t = arg_type(in->m, a);
	struct tensor *x;

	if (a->kind == ARG_VALUE && f->val[a->v->id])
		return share(f->val[a->v->id]);
	if (!t) {
		step_error(&s, "operand %d has no value", i + 1);
		return NULL;
	}
	x = tensor_new(in, t, frame_loops(f));
	for (s.rank = 0; s.rank < in->ranks; s.rank++) {
		const double *from = operand(&s, i);

		if (from)
			memcpy(x->local[s.rank], from,
			    x->count * sizeof(double));
	}
	return x;
}

/* ------------------------------------------------------------ structure */

/* The results of a region are the operands of its last op. */
static struct tensor **
collect(struct interp *in, struct frame *f, struct op *last)
{
	struct tensor **t = calloc((size_t)last->nin + 1, sizeof *t);

	if (!t)
		abort();
	for (int i = 0; i < last->nin && !in->failed; i++)
		t[i] = operand_tensor(in, f, last, i);
	return t;
}

void
interp_YIELD(struct step *s)
{
	(void)s; /* interp_FOR collects the operands */
}

void
interp_RETURN(struct step *s)
{
	(void)s; /* call collects the operands */
}

static void
iterate(struct step *s, int64_t i, struct tensor **carried)
{
	struct frame *f = s->frame;
	struct op *op = s->op;

	f->value[f->nvar - 1] = i;
	if (op->hi.dim && strcmp(op->hi.dim, "mb") == 0)
		s->in->micro = i;
	for (int j = 0; j < op->nin; j++) {
		frame_bind(s->in, f, op->carry[j], carried[j]);
		carried[j] = NULL;
		show(s->in, f, op->carry[j], op);
	}
	run_region(s->in, f, &op->body);
}

void
interp_FOR(struct step *s)
{
	struct interp *in = s->in;
	struct frame *f = s->frame;
	struct op *op = s->op;
	int64_t lo = (int64_t)bound_eval(in->m, &op->lo);
	int64_t n = (int64_t)bound_eval(in->m, &op->hi) - lo;
	int64_t micro = in->micro;
	struct tensor **carried = collect(in, f, op);

	f->var[f->nvar++] = op->var;
	f->depth++;
	for (int64_t i = 0; i < n && !in->failed; i++) {
		iterate(s, lo + (op->rev ? n - 1 - i : i), carried);
		free(carried);
		carried = collect(in, f, region_last(&op->body));
	}
	f->nvar--;
	f->depth--;
	in->micro = micro;
	for (int j = 0; j < op->nout && !in->failed; j++)
		frame_bind(in, f, op->out[j], share(carried[j]));
	for (int j = 0; j < op->nout; j++)
		tensor_unref(in, carried[j]);
	free(carried);
}

/*
 * Runs f on args, whose references it takes over; results in a list that the
 * caller frees, after its tensors.
 */
static struct tensor **
call(struct interp *in, struct func *f, int64_t index, struct tensor **arg)
{
	struct frame frame = {.f = f, .index = index};
	struct tensor **result;

	frame.val = calloc((size_t)f->nvalue + 1, sizeof *frame.val);
	if (!frame.val)
		abort();
	if (f->index) {
		frame.var[0] = f->index;
		frame.value[0] = index;
		frame.nvar = 1;
	}
	for (int i = 0; i < f->nparam; i++) {
		frame_bind(in, &frame, f->param[i], arg[i]);
		arg[i] = NULL;
		show(in, &frame, f->param[i], NULL);
	}
	run_region(in, &frame, &f->body);
	result = collect(in, &frame, region_last(&f->body));
	for (int i = 0; i < f->nvalue; i++)
		tensor_unref(in, frame.val[i]);
	free(frame.val);
	return result;
}

void
interp_CALL(struct step *s)
{
	struct op *op = s->op;
	struct tensor **arg = collect(s->in, s->frame, op), **result;

	if (!s->in->failed) {
		result = call(s->in, op->callee,
		    op->indexed ? frame_index(s->frame, &op->index) : 0, arg);
		for (int i = 0; i < op->nout; i++)
			frame_bind(s->in, s->frame, op->out[i], result[i]);
		free(result);
	}
	for (int i = 0; i < op->nin && s->in->failed; i++)
		tensor_unref(s->in, arg[i]);
	free(arg);
}

static struct saved *
saved_by(struct interp *in, const struct func *f, int64_t index)
{
	for (struct saved *s = in->saved; s; s = s->next)
		if (s->func == f && s->index == index)
			return s;
	return NULL;
}

void
interp_SAVE(struct step *s)
{
	struct saved *v = saved_by(s->in, s->frame->f, s->frame->index);

	if (!v) {
		v = calloc(1, sizeof *v);
		if (!v)
			abort();
		*v = (struct saved){s->frame->f, s->frame->index, s->op, NULL,
		    s->in->saved};
		s->in->saved = v;
	}
	for (int i = 0; v->t && i < s->op->nin; i++)
		tensor_unref(s->in, v->t[i]);
	free(v->t);
	v->t = collect(s->in, s->frame, s->op);
}

static struct tensor *
saved_value(const struct saved *s, const char *name)
{
	for (int i = 0; s && i < s->save->nin; i++)
		if (s->save->in[i].kind == ARG_VALUE &&
		    s->save->in[i].v->name == name)
			return s->t[i];
	return NULL;
}

struct tensor *
saved_tensor(struct interp *in, const struct func *f, int64_t index,
    const char *name)
{
	struct tensor *t = saved_value(saved_by(in, f, index), name);

	return t ? share(t) : NULL;
}

void
interp_LOAD(struct step *s)
{
	const struct saved *v = saved_by(s->in, s->frame->f->twin,
	    s->frame->index);

	for (int i = 0; i < s->op->nout; i++) {
		struct value *x = s->op->out[i];
		struct tensor *t = saved_value(v, x->name);

		if (!t)
			step_error(s, "%s was not saved for layer %lld",
			    x->name, (long long)s->frame->index);
		else
			frame_bind(s->in, s->frame, x, share(t));
	}
}

/* --------------------------------------------------------------- callers */

bool
interp_run(struct interp *in, const char *func, int64_t index,
    const double *const *arg, double *const *result)
{
	struct func *f = module_func(in->m, func);
	struct tensor **in_t, **out_t;

	if (!f) {
		diag_error(in->m->diag, (struct span){0},
		    "there is no fn %s to run", func);
		return false;
	}
	in->failed = false;
	in->micro = 0;
	in_t = calloc((size_t)f->nparam + 1, sizeof *in_t);
	if (!in_t)
		abort();
	for (int i = 0; i < f->nparam; i++) {
		in_t[i] = tensor_new(in, f->param[i]->type, NULL);
		tensor_scatter(in, in_t[i]->type, arg[i], in_t[i]->local);
	}
	out_t = call(in, f, index, in_t);
	for (int i = 0; i < region_last(&f->body)->nin; i++) {
		if (out_t[i] && result && result[i])
			tensor_global(in, out_t[i]->type, out_t[i]->loop,
			    out_t[i]->local, result[i]);
		tensor_unref(in, out_t[i]);
	}
	free(in_t);
	free(out_t);
	return !in->failed;
}

bool
interp_refresh(struct interp *in)
{
	return !module_func(in->m, "refresh") ||
	    interp_run(in, "refresh", 0, NULL, NULL);
}
