/*
 * Control flow of the interpreter: functions, loops, and who is shown a value.
 *
 * An op is done on every rank before the next one starts.  Ops of the flow
 * group run once, for all ranks: they move whole tensors.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/rules.h"

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
		step_run(&s);
	else
		step_compute(in, f, op);
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
	struct tensor **carried = operand_tensors(in, f, op);

	f->var[f->nvar++] = op->var;
	f->depth++;
	for (int64_t i = 0; i < n && !in->failed; i++) {
		iterate(s, lo + (op->rev ? n - 1 - i : i), carried);
		free(carried);
		carried = operand_tensors(in, f, region_last(&op->body));
	}
	f->nvar--;
	f->depth--;
	in->micro = micro;
	for (int j = 0; j < op->nout && !in->failed; j++)
		frame_bind(in, f, op->out[j], tensor_ref(carried[j]));
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
	result = operand_tensors(in, &frame, region_last(&f->body));
	for (int i = 0; i < f->nvalue; i++)
		tensor_unref(in, frame.val[i]);
	free(frame.val);
	return result;
}

void
interp_CALL(struct step *s)
{
	struct op *op = s->op;
	struct tensor **arg = operand_tensors(s->in, s->frame, op), **result;

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
