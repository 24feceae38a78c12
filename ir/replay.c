/* Replays a program on the bytes of its plan.  See replay.h. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/group.h"
#include "ir/race.h"
#include "ir/replay.h"

enum { NO_PLACE = ARENA_COUNT };

struct spot { /* bytes of an arena */
	uint8_t arena;
	uint64_t lo, hi;
};

struct held { /* what a value is at the moment */
	struct spot at;
	uint32_t content;
	bool undefined; /* its op did not run: only carries may pass it on */
	uint32_t *part; /* an image written field by field: contents of these */
};

struct kept { /* contents that save left, by layer and value */
	const struct func *f;
	uint32_t *content;
	struct kept *next;
};

struct replay {
	struct module *m;
	struct replay_bytes bytes[ARENA_COUNT];
	const char **name;   /* by content */
	uint32_t n, cap;
	struct kept *kept;
	struct race race;
	const struct frame *frame; /* and the op that runs in it */
	const struct op *op;
	bool failed;
};

struct frame {
	struct func *f;
	struct held *held;      /* by value id */
	const struct held *out; /* where the caller wants the results */
	const char *var[MAX_LOOPS + 1];
	int64_t val[MAX_LOOPS + 1];
	int nvar;
};

static bool PRINTF_LIKE(4, 5)
fail(struct replay *p, const struct frame *f, const struct op *op,
    const char *fmt, ...)
{
	char why[512];
	va_list args;

	if (p->failed)
		return false;
	p->failed = true;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	diag_error(p->m->diag, op->at, "memory plan: fn %s: %s: %s",
	    f->f->name, op_info[op->code].name, why);
	return false;
}

static const char *
name_of(const struct value *v)
{
	return v->name ? v->name : "a result";
}

static uint32_t
new_content(struct replay *p, const char *name)
{
	if (p->n + 1 >= p->cap) {
		p->cap = 2 * p->cap + 256;
		p->name = realloc(p->name, p->cap * sizeof *p->name);
		if (!p->name)
			abort();
	}
	p->name[++p->n] = name; /* 0 is nothing */
	return p->n;
}

/* ---- places ---- */

/* Element `at` of a slot, as much of it as type t takes. */
static struct spot
spot_in(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, int64_t at)
{
	const struct slot *s = module_slot(p->m, v->slot);
	uint64_t bytes = value_local_bytes(p->m, v);
	struct spot none = {NO_PLACE, 0, 0};
	uint64_t lo;

	if (at < 0 || at >= (int64_t)s->count || bytes > s->size) {
		fail(p, f, op, "%s, %" PRIu64 " bytes, is to be element %"
		    PRId64 " of slot %s, %u of %" PRIu64 " bytes", name_of(v),
		    bytes, at, s->name, s->count, s->size);
		return none;
	}
	lo = s->offset + (uint64_t)at * s->stride;
	return (struct spot){s->arena, lo, lo + bytes};
}

static struct spot
spot_of(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v)
{
	if (!v->slot || (!v->type && !value_is_image(v)))
		return (struct spot){NO_PLACE, 0, 0};
	return spot_in(p, f, op, v, v->slot_indexed ?
	    affine_eval(&v->slot_index, f->var, f->val, f->nvar) : 0);
}

static bool
same_spot(struct spot a, struct spot b)
{
	return a.arena == b.arena && a.lo == b.lo && a.hi == b.hi;
}

static bool
overlap(struct spot a, struct spot b)
{
	return a.arena == b.arena && a.arena != NO_PLACE && a.lo < b.hi &&
	    b.lo < a.hi;
}

/* Nothing in flight may read what is written now. */
static void
no_race(struct replay *p, struct race_place at, const char *what)
{
	const struct op *flying = p->op ? race_with(&p->race, p->op, &at) :
	    NULL;

	if (flying)
		fail(p, p->frame, p->op, "race: %s is written while %s%s on "
		    "lane %s is in flight and still reads there", what,
		    op_info[flying->code].name, flying->nout ?
		    arena_printf(p->m->mem, " ~%s", flying->out[0]->name) : "",
		    lane_name[flying->lane]);
}

static void
put(struct replay *p, struct spot at, uint32_t content)
{
	if (at.arena == NO_PLACE)
		return;
	no_race(p, (struct race_place){at.arena, at.lo, at.hi, NULL},
	    p->name[content]);
	replay_write(&p->bytes[at.arena], at.lo, at.hi, content);
}

static bool fields_hold(struct replay *p, const struct frame *f,
    const struct op *op, const struct value *v, struct held h);

static bool
must_hold(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct held h)
{
	struct replay_range found;

	if (p->failed)
		return false;
	if (h.part)
		return fields_hold(p, f, op, v, h);
	if (h.undefined)
		return fail(p, f, op, "%s is undefined here", name_of(v));
	if (h.at.arena == NO_PLACE || !h.content)
		return fail(p, f, op, "%s has no place to be read from",
		    name_of(v));
	if (!replay_differs(&p->bytes[h.at.arena], h.at.lo, h.at.hi, h.content,
	    &found))
		return true;
	if (!found.content)
		return fail(p, f, op, "reads %s from bytes nothing was "
		    "written to: %s %" PRIu64 "+%" PRIu64, name_of(v),
		    arena_name[h.at.arena], h.at.lo, h.at.hi - h.at.lo);
	return fail(p, f, op, "reads %s, but %s has been written to %s %"
	    PRIu64 "+%" PRIu64 " since", name_of(v), p->name[found.content],
	    arena_name[h.at.arena], found.lo, found.hi - found.lo);
}

/* A field of an image, where it is and what should be there. */
static struct held
field_of(const struct replay *p, const struct value *v, struct held h,
    int field)
{
	uint64_t size = dtype_size[value_dtype(v)];

	h.at.lo += bundle_image_at(p->m, v->bundle, field) * size;
	h.at.hi = h.at.lo + size * type_local_count(p->m,
	    v->bundle->field[field].type);
	if (h.part)
		h.content = h.part[field];
	h.part = NULL;
	return h;
}

static bool
field_holds(struct replay *p, const struct frame *f, const struct op *op,
    const struct arg *a)
{
	struct held h = f->held[a->v->id];

	if (!value_is_image(a->v))
		return true;
	if (h.at.arena != NO_PLACE && h.part && !h.part[a->field])
		return fail(p, f, op, "%s.%s is read, but nobody wrote it",
		    name_of(a->v), a->v->bundle->field[a->field].name);
	return must_hold(p, f, op, a->v, field_of(p, a->v, h, a->field));
}

static bool
fields_hold(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct held h)
{
	(void)h;
	for (int i = 0; i < v->bundle->nfield; i++) {
		struct arg a = arg_field((struct value *)v, i);

		if (!field_holds(p, f, op, &a))
			return false;
	}
	return true;
}

/* Reads v where it is and puts it at `to`, unless it is there. */
static void
copy(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct spot to)
{
	struct held h = f->held[v->id];

	if (must_hold(p, f, op, v, h) && !same_spot(h.at, to)) {
		if (overlap(h.at, to))
			fail(p, f, op, "%s is copied onto itself", name_of(v));
		put(p, to, h.content);
	}
}

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
	return (struct race_place){ARENA_COUNT, (uint64_t)l, (uint64_t)l + 1,
	    b};
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
			from[n++] = (struct race_place){at.arena, at.lo,
			    at.hi, NULL};
	}
	race_start(&p->race, op, f->held[op->out[0]->id].content, from, n);
	free(from);
}

/* Bundles that op writes to. */
static void
write_bundles(struct replay *p, const struct frame *f, const struct op *op)
{
	if (op->has_target && of_bundle(&op->target))
		no_race(p, layers_of(f, &op->target), op->target.b->name);
	for (int i = 0; i < op->nin; i++)
		if (of_bundle(&op->in[i]) && (op->code == OP_ZERO ||
		    (op->code == OP_ADAMW && i != 1)))
			no_race(p, layers_of(f, &op->in[i]),
			    op->in[i].b->name);
}

/* ---- ops that compute ---- */

static void
use_scratch(struct replay *p, const struct frame *f, const struct op *op,
    uint64_t bytes)
{
	const struct slot *s = op->scratch ?
	    module_slot(p->m, op->scratch) : NULL;

	if (!bytes)
		return;
	if (!s || s->size < bytes)
		fail(p, f, op, "works in %" PRIu64 " bytes, its slot has %"
		    PRIu64, bytes, s ? s->size : 0);
	else
		put(p, (struct spot){s->arena, s->offset, s->offset + bytes},
		    new_content(p, s->name));
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
			field_holds(p, f, op, &op->in[i]);
		if (op->in[i].kind != ARG_VALUE || (v->def &&
		    v->def->code == OP_CONST))
			continue;
		for (int j = 0; j < n; j++)
			inside |= v->def == group[j];
		if (!inside)
			must_hold(p, f, op, v, f->held[v->id]);
	}
	if (op->has_target && op->target_add && op->target.kind == ARG_FIELD)
		field_holds(p, f, op, &op->target);
}

static void skip(struct replay *p, struct frame *f, const struct op *op);

/* An image that fields are written to one by one; nothing is there yet. */
static void
local(struct replay *p, struct frame *f, const struct op *op)
{
	const struct value *v = op->out[0];

	if (v->future) { /* stands for a transfer that never was */
		skip(p, f, op);
		return;
	}
	f->held[v->id] = (struct held){.at = spot_of(p, f, op, v),
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
			h = field_of(p, a->v, h, a->field);
		if (overlap(h.at, at))
			return true;
	}
	return false;
}

/* target = or += result, in an image; maker: op, or the head before it. */
static void
write_field(struct replay *p, struct frame *f, const struct op *op,
    const struct op *maker)
{
	const struct arg *a = &op->target;
	struct held *h = a->kind == ARG_FIELD ? &f->held[a->v->id] : NULL;
	struct spot at;

	if (!h || !value_is_image(a->v) || p->failed)
		return;
	if (!h->part || h->at.arena == NO_PLACE) {
		fail(p, f, op, "%s has no place to be written to",
		    name_of(a->v));
		return;
	}
	at = field_of(p, a->v, *h, a->field).at;
	if (on_operand(p, f, maker, at))
		fail(p, f, op, "%s.%s lies over an operand", name_of(a->v),
		    a->v->bundle->field[a->field].name);
	h->part[a->field] = new_content(p, a->v->bundle->field[a->field].name);
	put(p, at, h->part[a->field]);
}

/* Results may not lie over anything that is read meanwhile. */
static void
write_result(struct replay *p, struct frame *f, const struct op *op, int out,
    struct op *const *group, int n)
{
	const struct value *v = op->out[out];
	struct held *h = &f->held[v->id];

	if (op->has_target && out == 0)
		write_field(p, f, op, op);
	if ((op->has_target && out == 0) || (v->bundle && !value_is_image(v)))
		return;
	if (h->at.arena == NO_PLACE)
		h->at = spot_of(p, f, op, v);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < group[i]->nin; j++) {
			const struct arg *a = &group[i]->in[j];
			bool sum = group[i] == op &&
			    j == op->nin - op->into + out;

			if (a->kind == ARG_VALUE && a->v != v &&
			    overlap(f->held[a->v->id].at, h->at) &&
			    !(sum && same_spot(f->held[a->v->id].at, h->at)))
				fail(p, f, op, "%s lies over the operand %s",
				    name_of(v), name_of(a->v));
		}
	h->content = new_content(p, name_of(v));
	put(p, h->at, h->content);
}

static void
compute(struct replay *p, struct frame *f, struct op *const *group, int n)
{
	uint64_t bytes = group[0]->group >= 0 ?
	    group_scratch(p->m, group, n) : head_bytes(p->m, group[0]);

	use_scratch(p, f, group[0], bytes);
	for (int i = 0; i < n; i++) {
		read_operands(p, f, group[i], group, n);
		write_bundles(p, f, group[i]);
	}
	for (int i = 0; i < n && !p->failed; i++)
		for (int j = 0; j < group[i]->nout; j++)
			write_result(p, f, group[i], j, group, n);
	for (int i = 0; i < n && !p->failed; i++)
		for (int j = 0; j < group[i]->nout; j++) {
			const struct value *v = group[i]->out[j];

			if (!group[i]->has_target &&
			    f->held[v->id].at.arena != NO_PLACE)
				must_hold(p, f, group[i], v, f->held[v->id]);
		}
	if (bytes && !p->failed) { /* nothing made may lie in the scratch */
		const struct slot *s = module_slot(p->m, group[0]->scratch);
		struct spot t = {s->arena, s->offset, s->offset + bytes};

		for (int i = 0; i < n; i++)
			for (int j = 0; j < group[i]->nout; j++)
				if (overlap(t, f->held[
				    group[i]->out[j]->id].at))
					fail(p, f, group[i], "%s lies in "
					    "the scratch it is made with",
					    name_of(group[i]->out[j]));
	}
	if (!p->failed && group[0]->nout && group[0]->out[0]->future)
		take_off(p, f, group[0]);
}

static void
take(struct replay *p, struct frame *f, const struct op *op)
{
	struct held h = f->held[op->in[0].v->id];
	uint64_t bytes = type_local_bytes(p->m, op->out[0]->type);
	int64_t i = affine_eval(&op->index, f->var, f->val, f->nvar);

	if (!must_hold(p, f, op, op->in[0].v, h))
		return;
	h.at.lo += (uint64_t)i * bytes;
	h.at.hi = h.at.lo + bytes;
	f->held[op->out[0]->id] = h;
}

/* A transfer is over: nothing it read or wrote was touched meanwhile. */
static void
wait(struct replay *p, struct frame *f, const struct op *op)
{
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->in[i].v;
		const struct op *start = v->def;

		race_wait(&p->race, f->held[v->id].content);

		must_hold(p, f, op, v, f->held[v->id]);
		f->held[op->out[i]->id].content = f->held[v->id].content;
		if (f->held[op->out[i]->id].at.arena == NO_PLACE)
			f->held[op->out[i]->id].at = op->out[i]->slot ?
			    spot_of(p, f, op, op->out[i]) :
			    f->held[v->id].at;
		if (!same_spot(f->held[op->out[i]->id].at,
		    f->held[v->id].at))
			fail(p, f, op, "%s is awaited elsewhere than it "
			    "arrives", name_of(v));
		for (int j = 0; start && !p->failed && j < start->nin; j++)
			if (start->code != OP_FOR && start->code != OP_CALL &&
			    start->in[j].kind == ARG_VALUE)
				must_hold(p, f, op, start->in[j].v,
				    f->held[start->in[j].v->id]);
	}
}

/* ---- flow ---- */

static uint32_t *
kept_by(struct replay *p, const struct func *f)
{
	struct kept *k = p->kept;
	uint64_t layers = module_dim(p->m, f->index_dim)->size;

	while (k && k->f != f)
		k = k->next;
	if (!k) {
		k = NEW(p->m->mem, struct kept);
		k->f = f;
		k->content = NEW_N(p->m->mem, uint32_t,
		    layers * (size_t)f->nvalue + 1);
		k->next = p->kept;
		p->kept = k;
	}
	return k->content;
}

static void
save(struct replay *p, struct frame *f, const struct op *op)
{
	uint32_t *content;

	if (!f->f->index)
		return;
	content = kept_by(p, f->f) + f->val[0] * f->f->nvalue;
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->in[i].v;
		struct spot to = spot_of(p, f, op, v);

		if (to.arena == NO_PLACE)
			fail(p, f, op, "%s has no place to stay", name_of(v));
		else
			copy(p, f, op, v, to);
		content[v->id] = f->held[v->id].content;
	}
}

static void
load(struct replay *p, struct frame *f, const struct op *op)
{
	const uint32_t *content;

	if (!f->f->index || !f->f->twin)
		return;
	content = kept_by(p, f->f->twin) + f->val[0] * f->f->twin->nvalue;
	for (int i = 0; i < op->nout; i++) {
		const struct value *v = op->out[i];
		const struct value *twin = func_find(f->f->twin, v->name);

		f->held[v->id].at = spot_of(p, f, op, v);
		f->held[v->id].content = twin ? content[twin->id] : 0;
	}
}

static void run_region(struct replay *p, struct frame *f, struct region *r);

/* An undefined value stays so: whatever is there is copied with it. */
static void
pass_on(struct replay *p, struct frame *f, const struct op *op,
    const struct value *v, struct held *to)
{
	const struct held *h = &f->held[v->id];

	to->content = h->content;
	to->undefined = h->undefined;
	if (!h->undefined)
		copy(p, f, op, v, to->at);
	else if (!same_spot(h->at, to->at))
		put(p, to->at, new_content(p, "something undefined"));
}

/* Carries move to where trip `at` reads them, and only then are others: one
 * may be the next value of another. */
static void
carry(struct replay *p, struct frame *f, const struct op *op,
    const struct op *from, int64_t at)
{
	struct held *next = calloc((size_t)op->nin + 1, sizeof *next);

	if (!next)
		abort();
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->carry[i];
		int64_t now = f->val[f->nvar - 1];

		f->val[f->nvar - 1] = at;
		next[i].at.arena = NO_PLACE;
		if (v->slot)
			next[i].at = spot_in(p, f, op, v, v->slot_indexed ?
			    affine_eval(&v->slot_index, f->var, f->val,
			    f->nvar) : 0);
		f->val[f->nvar - 1] = now;
		pass_on(p, f, from, from->in[i].v, &next[i]);
	}
	for (int i = 0; i < op->nin && !p->failed; i++)
		f->held[op->carry[i]->id] = next[i];
	free(next);
}

/* Microbatches are alike: two or three, so that turns end as they would. */
static int64_t
trips(const struct op *op, int64_t n)
{
	bool mb = op->hi.dim && strcmp(op->hi.dim, "mb") == 0;

	return mb && n > 3 ? 2 + n % 2 : n;
}

static void
run_loop(struct replay *p, struct frame *f, struct op *op)
{
	int64_t lo = (int64_t)bound_eval(p->m, &op->lo);
	int64_t hi = (int64_t)bound_eval(p->m, &op->hi);
	int64_t n = trips(op, hi - lo);

	f->var[f->nvar] = op->var;
	f->nvar++;
	carry(p, f, op, op, op->rev ? lo + n - 1 : lo);
	for (int64_t i = 0; i < n && !p->failed; i++) {
		int64_t at = op->rev ? lo + n - 1 - i : lo + i;

		f->val[f->nvar - 1] = at;
		run_region(p, f, &op->body);
		carry(p, f, op, region_last(&op->body),
		    at + (op->rev ? -1 : 1));
	}
	f->nvar--;
	for (int i = 0; i < op->nout && !p->failed; i++) {
		f->held[op->out[i]->id].at = spot_of(p, f, op, op->out[i]);
		f->held[op->out[i]->id].content =
		    f->held[op->carry[i]->id].content;
		f->held[op->out[i]->id].undefined =
		    f->held[op->carry[i]->id].undefined;
	}
}

/* v is what a wait makes of the future f. */
static bool
arrives_as(const struct value *v, const struct value *f)
{
	const struct op *op = v->def;

	for (int i = 0; op && op->code == OP_WAIT && i < op->nin; i++)
		if (op->out[i] == v && op->in[i].v == f)
			return true;
	return false;
}

/* A result without a slot, and the transfer that brings it, go there. */
static void
place_out(struct frame *g, const struct value *v, struct spot at)
{
	if (v->slot || !v->def)
		return;
	g->held[v->id].at = at;
	for (int i = 0; v->def->code == OP_WAIT && i < v->def->nin; i++)
		if (v->def->out[i] == v)
			g->held[v->def->in[i].v->id].at = at;
}

static void run_region(struct replay *p, struct frame *f, struct region *r);

static void
run_func(struct replay *p, struct func *callee, int64_t index,
    const struct held *arg, struct held *out)
{
	struct frame g = {.f = callee, .out = out};
	const struct op *ret = region_last(&callee->body);

	g.held = calloc((size_t)callee->nvalue + 1, sizeof *g.held);
	if (!g.held)
		abort();
	for (int i = 0; i < callee->nvalue; i++)
		g.held[i].at.arena = NO_PLACE;
	if (callee->index) {
		g.var[0] = callee->index;
		g.val[0] = index;
		g.nvar = 1;
	}
	for (int i = 0; i < callee->nparam; i++)
		g.held[callee->param[i]->id] = arg[i];
	for (int i = 0; out && i < ret->nin; i++)
		place_out(&g, ret->in[i].v, out[i].at);
	run_region(p, &g, &callee->body);
	for (int i = 0; i < ret->nin && !p->failed; i++) {
		const struct value *v = ret->in[i].v;

		if (out)
			pass_on(p, &g, ret, v, &out[i]);
		else
			must_hold(p, &g, ret, v, g.held[v->id]);
	}
	free(g.held);
}

static void
call(struct replay *p, struct frame *f, struct op *op)
{
	struct held *arg = calloc((size_t)op->nin + 1, sizeof *arg);
	struct held *out = calloc((size_t)op->nout + 1, sizeof *out);

	if (!arg || !out)
		abort();
	for (int i = 0; i < op->nin; i++) {
		arg[i] = f->held[op->in[i].v->id];
		if (!op->in[i].v->future || !arg[i].undefined)
			must_hold(p, f, op, op->in[i].v, arg[i]);
	}
	for (int i = 0; i < op->nout && !p->failed; i++) {
		out[i].at = f->held[op->out[i]->id].at;
		if (out[i].at.arena == NO_PLACE)
			out[i].at = spot_of(p, f, op, op->out[i]);
		if (out[i].at.arena == NO_PLACE)
			fail(p, f, op, "%s has no place",
			    name_of(op->out[i]));
	}
	if (!p->failed)
		run_func(p, op->callee, op->indexed ? affine_eval(&op->index,
		    f->var, f->val, f->nvar) : 0, arg, out);
	for (int i = 0; i < op->nout; i++)
		f->held[op->out[i]->id] = out[i];
	free(arg);
	free(out);
}

static void
skip(struct replay *p, struct frame *f, const struct op *op)
{
	for (int i = 0; i < op->nout; i++) {
		struct held *h = &f->held[op->out[i]->id];

		*h = (struct held){spot_of(p, f, op, op->out[i]), 0, true};
	}
}

static void
run_op(struct replay *p, struct frame *f, struct region *r, int i)
{
	struct op *op = r->op[i];
	struct op_list g = {.op = {op}, .n = 1};

	p->frame = f;
	p->op = op;
	if (!cond_holds(p->m, &op->when, f->var, f->val, f->nvar)) {
		skip(p, f, op);
		return;
	}
	if (op->group >= 0) {
		group_collect(r, i, &g);
		if (g.op[0] == op)
			compute(p, f, g.op, g.n);
		return;
	}
	switch (op->code) {
	case OP_FOR: run_loop(p, f, op); break;
	case OP_CALL: call(p, f, op); break;
	case OP_SAVE: save(p, f, op); break;
	case OP_LOAD: load(p, f, op); break;
	case OP_TAKE: take(p, f, op); break;
	case OP_WAIT: wait(p, f, op); break;
	case OP_LOCAL: local(p, f, op); break;
	case OP_ACCUM:
		if (i == 0 || group_head_store(f->f, r, i - 1) != op ||
		    f->held[op->in[0].v->id].at.arena != NO_PLACE)
			compute(p, f, g.op, 1);
		else
			write_field(p, f, op, r->op[i - 1]);
		break;
	case OP_CONST:
	case OP_YIELD:
	case OP_RETURN: break; /* the loop or function collects these */
	default: compute(p, f, g.op, 1); break;
	}
}

/* Places of results change with loop variables: each trip starts anew. */
static void
run_region(struct replay *p, struct frame *f, struct region *r)
{
	const struct op *ret = region_last(&f->f->body);

	for (int i = 0; i < r->n && !p->failed; i++)
		for (int j = 0; j < r->op[i]->nout; j++) {
			const struct value *v = r->op[i]->out[j];
			bool result = false;

			for (int k = 0; f->out && k < ret->nin; k++)
				result |= !v->slot && (ret->in[k].v == v ||
				    arrives_as(ret->in[k].v, v));
			if (!result)
				f->held[v->id].at.arena = NO_PLACE;
			f->held[v->id].content = 0;
			f->held[v->id].undefined = false;
		}
	for (int i = 0; i < r->n && !p->failed; i++)
		run_op(p, f, r, i);
}

/* An entry starts with nothing but its parameters in memory. */
static void
run_entry(struct module *m, struct func *f)
{
	struct replay p = {.m = m};
	struct frame top = {.f = f};
	struct held *arg = NEW_N(m->mem, struct held, (size_t)f->nparam + 1);
	const struct op *ret = region_last(&f->body);

	for (int i = 0; i < f->nparam && !p.failed; i++) {
		arg[i].at = spot_of(&p, &top, ret, f->param[i]);
		arg[i].content = new_content(&p, f->param[i]->name);
		put(&p, arg[i].at, arg[i].content);
	}
	if (!p.failed)
		run_func(&p, f, 0, arg, NULL);
	if (!p.failed && strcmp(f->name, "logits") == 0 && ret->nin &&
	    (!ret->in[0].v->slot || strcmp(ret->in[0].v->slot, "io.logits")))
		fail(&p, &top, ret, "the logits are not in io.logits");
	for (int i = 0; i < ARENA_COUNT; i++)
		replay_forget(&p.bytes[i]);
	race_free(&p.race);
	free(p.name);
}

int
replay_check(struct module *m)
{
	int before = m->diag->errors;

	if (!replay_layout(m))
		return m->diag->errors - before;
	for (int i = 0; i < m->nfunc; i++)
		if (!m->func[i]->index &&
		    (strcmp(m->func[i]->name, "step") == 0 ||
		    strcmp(m->func[i]->name, "eval") == 0 ||
		    strcmp(m->func[i]->name, "logits") == 0))
			run_entry(m, m->func[i]);
	return m->diag->errors - before;
}
