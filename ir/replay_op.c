/* Single ops and kernels: what they read, and what they write over. */
#include "config.h"

#include "ir/replay_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ir/group.h"

/* ---- transfers in flight ---- */

/* Layers of a bundle, as a place. */
static struct race_place
layers_of(const struct frame *f, const struct arg *a)
{
	const struct bundle *b = a->b->over ? a->b->over : a->b;
	int64_t l;

	if (!a->indexed)
		return (struct race_place){ARENA_COUNT, 0, UINT64_MAX, b};
	l = affine_eval(&a->index, f->var, f->val, f->nvar);
	return (struct race_place){
	    ARENA_COUNT, (uint64_t)l, (uint64_t)l + 1, b};
}

static bool
of_bundle(const struct arg *a)
{
	return a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD;
}

static void
take_off(struct replay *p, const struct frame *f, const struct op *op)
{
	struct race_place *from = calloc((size_t)op->nin + 1, sizeof *from);
	int n = 0;

	if (!from)
		abort();
	for (int i = 0; i < op->nin; i++) {
		const struct arg *a = &op->in[i];
		struct spot at = {NO_PLACE, 0, 0};

		if (of_bundle(a)) {
			from[n++] = layers_of(f, a);
			continue;
		}
		at = f->held[a->v->id].at;
		if (at.arena != NO_PLACE)
			from[n++] =
			    (struct race_place){at.arena, at.lo, at.hi, NULL};
	}
	race_start(&p->race, op, f->held[op->out[0]->id].content, from, n);
	free(from);
}

/* Bundles that op writes to. */
static void
write_bundles(struct replay *p, const struct frame *f, const struct op *op)
{
	if (op->has_target && of_bundle(&op->target))
		replay_no_race(
		    p, layers_of(f, &op->target), op->target.b->name);
	for (int i = 0; i < op->nin; i++)
		if (of_bundle(&op->in[i]) &&
		    (op->code == OP_ZERO || (op->code == OP_ADAMW && i != 1)))
			replay_no_race(
			    p, layers_of(f, &op->in[i]), op->in[i].b->name);
}

/* ---- ops that compute ---- */

static void
use_scratch(struct replay *p, const struct frame *f, const struct op *op,
    uint64_t bytes)
{
	const struct slot *s =
	    op->scratch ? module_slot(p->m, op->scratch) : NULL;

	if (!bytes)
		return;
	if (!s || s->size < bytes)
		replay_fail(p, f, op,
		    "works in %" PRIu64 " bytes, its slot has %" PRIu64, bytes,
		    s ? s->size : 0);
	else
		replay_put(p,
		    (struct spot){s->arena, s->offset, s->offset + bytes},
		    replay_content(p, s->name));
}

/* Logits of one chunk in f32, which become their gradient, and a row each. */
static uint64_t
head_bytes(const struct module *m, const struct op *op)
{
	int h = op->code == OP_XENT_DOT_BWD;
	const struct type *w, *t;
	uint64_t tokens, chunk, vocab;

	if (op->code != OP_XENT_DOT && op->code != OP_XENT_DOT_BWD)
		return 0;
	t = arg_type(m, &op->in[h]);
	w = arg_type(m, &op->in[h + 1]);
	tokens = type_local_count(m, arg_type(m, &op->in[h + 2]));
	vocab = type_local_count(m, w) / (type_local_count(m, t) / tokens);
	chunk = (uint64_t)op_int(op, ATTR_CHUNK);
	chunk = chunk && chunk < tokens ? chunk : tokens;
	return chunk * (vocab * 4 + 4);
}

static void
read_operands(struct replay *p, struct frame *f, const struct op *op,
    struct op *const *group, int n)
{
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->in[i].v;
		bool inside = false;

		if (op->in[i].kind == ARG_FIELD)
			replay_field_holds(p, f, op, &op->in[i]);
		if (op->in[i].kind != ARG_VALUE ||
		    (v->def && v->def->code == OP_CONST))
			continue;
		for (int j = 0; j < n; j++)
			inside |= v->def == group[j];
		if (!inside)
			replay_holds(p, f, op, v, f->held[v->id]);
	}
	if (op->has_target && op->target_add && op->target.kind == ARG_FIELD)
		replay_field_holds(p, f, op, &op->target);
}

void
replay_skip(struct replay *p, struct frame *f, const struct op *op)
{
	for (int i = 0; i < op->nout; i++) {
		struct held *h = &f->held[op->out[i]->id];

		*h = (struct held){replay_spot(p, f, op, op->out[i]), 0, true};
	}
}

/* An image that fields are written to one by one; nothing is there yet. */
void
replay_local(struct replay *p, struct frame *f, const struct op *op)
{
	const struct value *v = op->out[0];

	if (v->future) { /* stands for a transfer that never was */
		replay_skip(p, f, op);
		return;
	}
	f->held[v->id] = (struct held){.at = replay_spot(p, f, op, v),
	    .part = NEW_N(p->m->mem, uint32_t, (size_t)v->bundle->nfield + 1)};
}

/* Does an operand of op lie in these bytes? */
static bool
on_operand(struct replay *p, const struct frame *f, const struct op *op,
    struct spot at)
{
	for (int i = 0; i < op->nin; i++) {
		const struct arg *a = &op->in[i];
		struct held h;

		if (a->kind != ARG_VALUE && a->kind != ARG_FIELD)
			continue;
		h = f->held[a->v->id];
		if (a->kind == ARG_FIELD && h.at.arena != NO_PLACE)
			h = replay_field(p, a->v, h, a->field);
		if (replay_overlap(h.at, at))
			return true;
	}
	return false;
}

/* target = or += result, in an image; maker: op, or the head before it. */
void
replay_write_field(struct replay *p, struct frame *f, const struct op *op,
    const struct op *maker)
{
	const struct arg *a = &op->target;
	struct held *h = a->kind == ARG_FIELD ? &f->held[a->v->id] : NULL;
	struct spot at;

	if (!h || !value_is_image(a->v) || p->failed)
		return;
	if (!h->part || h->at.arena == NO_PLACE) {
		replay_fail(p, f, op, "%s has no place to be written to",
		    replay_name(a->v));
		return;
	}
	at = replay_field(p, a->v, *h, a->field).at;
	if (on_operand(p, f, maker, at))
		replay_fail(p, f, op, "%s.%s lies over an operand",
		    replay_name(a->v), a->v->bundle->field[a->field].name);
	h->part[a->field] =
	    replay_content(p, a->v->bundle->field[a->field].name);
	replay_put(p, at, h->part[a->field]);
}

/* Results may not lie over anything that is read meanwhile. */
static void
write_result(struct replay *p, struct frame *f, const struct op *op, int out,
    struct op *const *group, int n)
{
	const struct value *v = op->out[out];
	struct held *h = &f->held[v->id];

	if (op->has_target && out == 0)
		replay_write_field(p, f, op, op);
	if ((op->has_target && out == 0) || (v->bundle && !value_is_image(v)))
		return;
	if (h->at.arena == NO_PLACE)
		h->at = replay_spot(p, f, op, v);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < group[i]->nin; j++) {
			const struct arg *a = &group[i]->in[j];
			bool sum =
			    group[i] == op && j == op->nin - op->into + out;

			if (a->kind == ARG_VALUE && a->v != v &&
			    replay_overlap(f->held[a->v->id].at, h->at) &&
			    !(sum &&
				replay_same_spot(f->held[a->v->id].at, h->at)))
				replay_fail(p, f, op,
				    "%s lies over the operand %s",
				    replay_name(v), replay_name(a->v));
		}
	h->content = replay_content(p, replay_name(v));
	replay_put(p, h->at, h->content);
}

void
replay_compute(
    struct replay *p, struct frame *f, struct op *const *group, int n)
{
	uint64_t bytes = group[0]->group >= 0 ? group_scratch(p->m, group, n)
					      : head_bytes(p->m, group[0]);

	use_scratch(p, f, group[0], bytes);
	for (int i = 0; i < n; i++) {
		read_operands(p, f, group[i], group, n);
		write_bundles(p, f, group[i]);
		replay_use_layers(p, f, group[i]);
	}
	for (int i = 0; i < n && !p->failed; i++)
		for (int j = 0; j < group[i]->nout; j++)
			write_result(p, f, group[i], j, group, n);
	for (int i = 0; i < n && !p->failed; i++)
		for (int j = 0; j < group[i]->nout; j++) {
			const struct value *v = group[i]->out[j];

			if (!group[i]->has_target &&
			    f->held[v->id].at.arena != NO_PLACE)
				replay_holds(p, f, group[i], v, f->held[v->id]);
		}
	if (bytes && !p->failed) { /* nothing made may lie in the scratch */
		const struct slot *s = module_slot(p->m, group[0]->scratch);
		struct spot t = {s->arena, s->offset, s->offset + bytes};

		for (int i = 0; i < n; i++)
			for (int j = 0; j < group[i]->nout; j++)
				if (replay_overlap(
					t, f->held[group[i]->out[j]->id].at))
					replay_fail(p, f, group[i],
					    "%s lies in "
					    "the scratch it is made with",
					    replay_name(group[i]->out[j]));
	}
	if (!p->failed && group[0]->nout && group[0]->out[0]->future)
		take_off(p, f, group[0]);
}

/* The copy on the host is read until the fetch has been awaited. */
void
replay_fetch(struct replay *p, struct frame *f, const struct op *op)
{
	const struct value *v = fetch_source(op);
	struct held *to = &f->held[op->out[0]->id], from = {.content = 0};
	struct frame at = {.f = op->callee, .var = {op->callee->index},
	    .nvar = 1};
	struct race_place place;

	at.val[0] = affine_eval(&op->index, f->var, f->val, f->nvar);
	from.at = replay_spot(p, &at, op, v);
	from.content = replay_kept(p, op->callee, at.val[0])[v->id];
	if (from.content == 0) {
		replay_fail(p, f, op, "layer %" PRId64 " has not sent %s to "
		    "the host", at.val[0], replay_name(v));
		return;
	}
	replay_holds(p, f, op, v, from);
	if (to->at.arena == NO_PLACE)
		to->at = replay_spot(p, f, op, op->out[0]);
	to->content = replay_content(p, replay_name(op->out[0]));
	replay_put(p, to->at, to->content);
	place = (struct race_place){from.at.arena, from.at.lo, from.at.hi, NULL};
	if (op->out[0]->future && !p->failed)
		race_start(&p->race, op, to->content, &place, 1);
}

void
replay_take(struct replay *p, struct frame *f, const struct op *op)
{
	struct held h = f->held[op->in[0].v->id];
	uint64_t bytes = type_local_bytes(p->m, op->out[0]->type);
	int64_t i = affine_eval(&op->index, f->var, f->val, f->nvar);

	if (!replay_holds(p, f, op, op->in[0].v, h))
		return;
	h.at.lo += (uint64_t)i * bytes;
	h.at.hi = h.at.lo + bytes;
	f->held[op->out[0]->id] = h;
}

/* A transfer is over: nothing it read or wrote was touched meanwhile. */
void
replay_wait(struct replay *p, struct frame *f, const struct op *op)
{
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->in[i].v;
		const struct op *start = v->def;

		race_wait(&p->race, f->held[v->id].content);

		replay_holds(p, f, op, v, f->held[v->id]);
		f->held[op->out[i]->id].content = f->held[v->id].content;
		if (f->held[op->out[i]->id].at.arena == NO_PLACE)
			f->held[op->out[i]->id].at =
			    op->out[i]->slot ? replay_spot(p, f, op, op->out[i])
					     : f->held[v->id].at;
		if (!replay_same_spot(
			f->held[op->out[i]->id].at, f->held[v->id].at))
			replay_fail(p, f, op,
			    "%s is awaited elsewhere than it "
			    "arrives",
			    replay_name(v));
		for (int j = 0; start && !p->failed && j < start->nin; j++)
			if (start->code != OP_FOR && start->code != OP_CALL &&
			    start->in[j].kind == ARG_VALUE)
				replay_holds(p, f, op, start->in[j].v,
				    f->held[start->in[j].v->id]);
	}
}
