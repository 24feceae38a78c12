/*
 * Communication, by what it means: the group's ranks put what they hold where
 * it belongs in the logical tensor, sums where the op sums, and each takes out
 * what its new type says.  No block is counted here: a wrong type gives wrong
 * numbers or holes, which stay NaN.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* First rank of the group that differs in these axes only. */
static bool
same_group(const struct interp *in, int a, int b, axis_set axes)
{
	for (int i = 0; i < in->m->naxis; i++)
		if (!(axes >> i & 1) && in->coord[a][i] != in->coord[b][i])
			return false;
	return true;
}

static bool
first_of_group(const struct interp *in, int rank, axis_set axes)
{
	for (int i = 0; i < in->m->naxis; i++)
		if (axes >> i & 1 && in->coord[rank][i] != 0)
			return false;
	return true;
}

static void
put(struct interp *in, const struct tensor *x, int rank, bool sum,
    double *global)
{
	uint64_t *at = global_offsets(in, x->type, x->loop, rank);

	for (uint64_t i = 0; i < x->count; i++) {
		double *g = &global[at[i]], v = x->local[rank][i];
		bool first = !sum || isnan(*g);

		if (first || x->type->pend_op == PEND_SUM)
			*g = v + (first ? 0 : *g);
		else
			*g = fmax(v, *g);
	}
	free(at);
}

static void
take(struct interp *in, struct tensor *y, int rank, const double *global)
{
	uint64_t *at = global_offsets(in, y->type, y->loop, rank);

	for (uint64_t i = 0; i < y->count; i++)
		y->local[rank][i] = global[at[i]];
	free(at);
}

struct tensor *
tensor_regroup(struct interp *in, const struct tensor *x,
    const struct type *to, const int64_t *loop, axis_set axes, bool sum)
{
	struct tensor *y = tensor_new(in, to, loop);
	uint64_t n = type_global_count(in->m, to);
	double *global = calloc(n ? n : 1, sizeof *global);

	if (!global)
		abort();
	for (int r = 0; r < in->ranks; r++) {
		if (!first_of_group(in, r, axes))
			continue;
		for (uint64_t i = 0; i < n; i++)
			global[i] = NAN;
		for (int p = r; p < in->ranks; p++)
			if (same_group(in, r, p, axes))
				put(in, x, p, sum, global);
		for (int p = r; p < in->ranks; p++)
			if (same_group(in, r, p, axes))
				take(in, y, p, global);
	}
	free(global);
	y->undefined = x->undefined;
	return y;
}

static void
round_all(struct interp *in, struct tensor *y)
{
	for (int r = 0; r < in->ranks && in->opt.round; r++)
		for (uint64_t i = 0; i < y->count; i++)
			y->local[r][i] = interp_round(y->local[r][i],
			    (enum dtype)y->type->dtype);
}

static void
regroup(struct step *s, bool sum)
{
	struct op *op = s->op;
	struct tensor *x = operand_tensor(s->in, s->frame, op, 0), *y;

	if (s->in->failed)
		return;
	y = tensor_regroup(s->in, x, op->out[0]->type,
	    frame_loops(s->frame), op_axes(op), sum);
	round_all(s->in, y);
	tensor_unref(s->in, x);
	frame_bind(s->in, s->frame, op->out[0], y);
}

/* A reduction of bundles has a bundle as operand. */
static bool
on_bundle(const struct op *op)
{
	const struct arg *a = &op->in[0];

	return a->kind == ARG_BUNDLE || (a->kind == ARG_VALUE && a->v->bundle);
}

void
interp_ALLREDUCE(struct step *s)
{
	if (on_bundle(s->op))
		image_move(s, true);
	else
		regroup(s, true);
}

void
interp_GATHER(struct step *s)
{
	if (on_bundle(s->op))
		image_move(s, false);
	else
		regroup(s, false);
}

void
interp_RSCATTER(struct step *s)
{
	if (on_bundle(s->op))
		image_move(s, true);
	else
		regroup(s, true);
}

void
interp_A2A(struct step *s)
{
	regroup(s, false);
}

/* The rank whose value comes to this one: its coordinates minus the hops. */
static int
source(const struct interp *in, const struct op *op, int rank)
{
	int at = 0;

	for (int i = 0; i < in->m->naxis; i++) {
		int n = (int)in->m->axis[i].size, c = in->coord[rank][i];

		for (int j = 0; j < op->nhop; j++)
			if (op->hop[j].axis == i)
				c -= op->hop[j].by;
		at = at * n + (c % n + n) % n;
	}
	return at;
}

void
interp_SHIFT(struct step *s)
{
	struct interp *in = s->in;

	for (int i = 0; i < s->op->nin && !in->failed; i++) {
		struct tensor *x = operand_tensor(in, s->frame, s->op, i), *y;

		if (in->failed)
			return;
		y = tensor_new(in, s->op->out[i]->type,
		    frame_loops(s->frame));
		y->undefined = x->undefined;
		for (int r = 0; r < in->ranks; r++)
			memcpy(y->local[r], x->local[source(in, s->op, r)],
			    x->count * sizeof(double));
		tensor_unref(in, x);
		frame_bind(in, s->frame, s->op->out[i], y);
	}
}

void
interp_WAIT(struct step *s)
{
	for (int i = 0; i < s->op->nin && !s->in->failed; i++)
		frame_bind(s->in, s->frame, s->op->out[i],
		    operand_tensor(s->in, s->frame, s->op, i));
}
