/* Where values are and what should be there, byte by byte. */
#include "config.h"

#include "ir/replay_run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool
replay_fail(struct replay *p, const struct frame *f, const struct op *op,
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
	diag_error(p->m->diag, op->at, "memory plan: fn %s: %s: %s", f->f->name,
	    op_info[op->code].name, why);
	return false;
}

const char *
replay_name(const struct value *v)
{
	return v->name ? v->name : "a result";
}

uint32_t
replay_content(struct replay *p, const char *name)
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
struct spot
replay_spot_in(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, int64_t at)
{
	const struct slot *s = module_slot(p->m, v->slot);
	uint64_t bytes = value_local_bytes(p->m, v);
	struct spot none = {NO_PLACE, 0, 0};
	uint64_t lo;

	if (at < 0 || at >= (int64_t)s->count || bytes > s->size) {
		replay_fail(p, f, op,
		    "%s, %" PRIu64 " bytes, is to be element %" PRId64
		    " of slot %s, %u of %" PRIu64 " bytes",
		    replay_name(v), bytes, at, s->name, s->count, s->size);
		return none;
	}
	lo = s->offset + (uint64_t)at * s->stride;
	return (struct spot){s->arena, lo, lo + bytes};
}

struct spot
replay_spot(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v)
{
	if (!v->slot || (!v->type && !value_is_image(v)))
		return (struct spot){NO_PLACE, 0, 0};
	return replay_spot_in(p, f, op, v,
	    v->slot_indexed
		? affine_eval(&v->slot_index, f->var, f->val, f->nvar)
		: 0);
}

bool
replay_same_spot(struct spot a, struct spot b)
{
	return a.arena == b.arena && a.lo == b.lo && a.hi == b.hi;
}

bool
replay_overlap(struct spot a, struct spot b)
{
	return a.arena == b.arena && a.arena != NO_PLACE && a.lo < b.hi &&
	       b.lo < a.hi;
}

/* Nothing in flight may read what is written now. */
void
replay_no_race(struct replay *p, struct race_place at, const char *what)
{
	const struct op *flying =
	    p->op ? race_with(&p->race, p->op, &at) : NULL;

	if (flying)
		replay_fail(p, p->frame, p->op,
		    "race: %s is written while %s%s on "
		    "lane %s is in flight and still reads there",
		    what, op_info[flying->code].name,
		    flying->nout
			? arena_printf(p->m->mem, " ~%s", flying->out[0]->name)
			: "",
		    lane_name[flying->lane]);
}

void
replay_put(struct replay *p, struct spot at, uint32_t content)
{
	if (at.arena == NO_PLACE)
		return;
	replay_no_race(p, (struct race_place){at.arena, at.lo, at.hi, NULL},
	    p->name[content]);
	replay_write(&p->bytes[at.arena], at.lo, at.hi, content);
}

static bool fields_hold(struct replay *p, const struct frame *f,
    const struct op *op, const struct value *v, struct held h);

bool
replay_holds(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct held h)
{
	struct replay_range found;

	if (p->failed)
		return false;
	if (h.part)
		return fields_hold(p, f, op, v, h);
	if (h.undefined)
		return replay_fail(
		    p, f, op, "%s is undefined here", replay_name(v));
	if (h.at.arena == NO_PLACE || !h.content)
		return replay_fail(p, f, op, "%s has no place to be read from",
		    replay_name(v));
	if (!replay_differs(
		&p->bytes[h.at.arena], h.at.lo, h.at.hi, h.content, &found))
		return true;
	if (!found.content)
		return replay_fail(p, f, op,
		    "reads %s from bytes nothing was "
		    "written to: %s %" PRIu64 "+%" PRIu64,
		    replay_name(v), arena_name[h.at.arena], h.at.lo,
		    h.at.hi - h.at.lo);
	return replay_fail(p, f, op,
	    "reads %s, but %s has been written to %s %" PRIu64 "+%" PRIu64
	    " since",
	    replay_name(v), p->name[found.content], arena_name[h.at.arena],
	    found.lo, found.hi - found.lo);
}

/* A field of an image, where it is and what should be there. */
struct held
replay_field(
    const struct replay *p, const struct value *v, struct held h, int field)
{
	uint64_t size = dtype_size[value_dtype(v)];

	h.at.lo += bundle_image_at(p->m, v->bundle, field) * size;
	h.at.hi = h.at.lo +
		  size * type_local_count(p->m, v->bundle->field[field].type);
	if (h.part)
		h.content = h.part[field];
	h.part = NULL;
	return h;
}

bool
replay_field_holds(struct replay *p, const struct frame *f, const struct op *op,
    const struct arg *a)
{
	struct held h = f->held[a->v->id];

	if (!value_is_image(a->v))
		return true;
	if (h.at.arena != NO_PLACE && h.part && !h.part[a->field])
		return replay_fail(p, f, op,
		    "%s.%s is read, but nobody wrote it", replay_name(a->v),
		    a->v->bundle->field[a->field].name);
	return replay_holds(p, f, op, a->v, replay_field(p, a->v, h, a->field));
}

static bool
fields_hold(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct held h)
{
	(void)h;
	for (int i = 0; i < v->bundle->nfield; i++) {
		struct arg a = arg_field((struct value *)v, i);

		if (!replay_field_holds(p, f, op, &a))
			return false;
	}
	return true;
}

/* Reads v where it is and puts it at `to`, unless it is there. */
void
replay_copy(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct spot to)
{
	struct held h = f->held[v->id];

	if (replay_holds(p, f, op, v, h) && !replay_same_spot(h.at, to)) {
		if (replay_overlap(h.at, to))
			replay_fail(p, f, op, "%s is copied onto itself",
			    replay_name(v));
		replay_put(p, to, h.content);
	}
}
