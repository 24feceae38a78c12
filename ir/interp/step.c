/*
 * One op that computes: its operands as local arrays, its results rounded and
 * put where they belong, the same on every rank.
 */
#include "config.h"

#include "ir/interp/state.h"

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

void
step_run(struct step *s)
{
	interp_of[s->op->code](s);
}

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
	step_run(s);
	finish(s);
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
		step_widen(s);
}

/* An op that computes: the same on every rank. */
void
step_compute(struct interp *in, struct frame *f, struct op *op)
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
		step_narrow(&s, out);
	for (int i = 0; i < op->nout; i++)
		frame_bind(in, f, op->out[i], out[i]);
	arena_free(&in->scratch);
	in->scratch = (struct arena){0};
}

struct tensor *
operand_tensor(struct interp *in, struct frame *f, struct op *op, int i)
{
	struct step s = {.in = in, .frame = f, .op = op};
	const struct arg *a = &op->in[i];
	const struct type *t = arg_type(in->m, a);
	struct tensor *x;

	if (a->kind == ARG_VALUE && f->val[a->v->id])
		return tensor_ref(f->val[a->v->id]);
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

/* The results of a region are the operands of its last op. */
struct tensor **
operand_tensors(struct interp *in, struct frame *f, struct op *last)
{
	struct tensor **t = calloc((size_t)last->nin + 1, sizeof *t);

	if (!t)
		abort();
	for (int i = 0; i < last->nin && !in->failed; i++)
		t[i] = operand_tensor(in, f, last, i);
	return t;
}
