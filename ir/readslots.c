/* The memory plan from text, and where values are that say nothing of it. */
#include "config.h"

#include <string.h>

#include "ir/readfn.h"
#include "ir/slots.h"

#define MAX_BYTES ((int64_t)1 << 60) /* of a slot or an arena */

static uint64_t
read_bytes(struct reader *r)
{
	int64_t n = read_int(r, 0, MAX_BYTES), unit = 1;

	if (r->p < r->end && *r->p && strchr("KMG", *r->p)) {
		unit <<= *r->p == 'K' ? 10 : *r->p == 'M' ? 20 : 30;
		r->p++;
	}
	if (n > MAX_BYTES / unit) {
		fail_here(r, "more bytes than can be counted");
		return 0;
	}
	return (uint64_t)(n * unit);
}

static bool
at_digit(struct reader *r)
{
	skip_blank(r);
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static uint8_t
read_arena_name(struct reader *r)
{
	const char *from = r->p, *name = read_name(r);

	for (int i = 0; i < ARENA_COUNT; i++)
		if (strcmp(arena_name[i], name) == 0)
			return (uint8_t)i;
	fail_at(r, span_from(r, from), "no arena is called '%s'", name);
	return 0;
}

void
read_arena_line(struct reader *r)
{
	uint8_t i = read_arena_name(r);

	r->m->arena_size[i] = read_bytes(r);
}

static void
add_slot(struct reader *r, const struct slot *s)
{
	if (r->m->nslot == READ_SLOTS)
		fail_here(r, "more than %d slots", READ_SLOTS);
	if (!r->failed && module_slot(r->m, s->name))
		fail_here(r, "slot '%s' twice", s->name);
	if (!r->failed)
		*module_add_slot(r->m, s->name) = *s;
}

/* @W 0, @W.cast: all slots of a bundle; the last of them */
static struct slot
read_bundle_slots(struct reader *r, struct slot like)
{
	const char *name = read_slot_name(r), *end = strstr(name, ".cast");
	bool cast = end && !end[5];
	const struct bundle *b = module_bundle(r->m, cast ?
	    module_name(r->m, name, (size_t)(end - name)) : name);
	struct slot *s;
	int n;

	if (at_digit(r))
		like.offset = read_bytes(r);
	if (!b) {
		fail_here(r, "no bundle is called '%s'", name);
		return like;
	}
	s = NEW_N(r->m->mem, struct slot, (size_t)b->nfield + 1);
	n = slots_of_bundle(r->m, b, cast, like.offset, s);
	if (n == 0)
		fail_here(r, "@%s has no slots here", name);
	for (int i = 0; i < n && !r->failed; i++) {
		s[i].arena = like.arena;
		add_slot(r, &s[i]);
		like = s[i];
	}
	return like;
}

/* What is not said is as of a slot right behind the one before: x 0+2K x4, y,
 * z +64, u 16K */
static struct slot
read_entry(struct reader *r, const char *name, struct slot s)
{
	s.name = name;
	if (at_digit(r))
		s.offset = read_bytes(r);
	if (accept(r, "+")) {
		s.size = s.stride = read_bytes(r);
		s.count = accept(r, "x") ?
		    (uint32_t)read_int(r, 1, UINT32_MAX) : 1;
		if (accept(r, "/"))
			s.stride = read_bytes(r);
	}
	add_slot(r, &s);
	return s;
}

/* slot act layer: x 0+2K x4, y; slot state @W 0, @E */
void
read_slot_line(struct reader *r)
{
	struct slot s = {.arena = read_arena_name(r), .count = 1};
	const char *prefix = NULL, *name;

	do {
		if (accept(r, "@")) {
			s = read_bundle_slots(r, s);
		} else {
			name = read_slot_name(r);
			if (!prefix && s.name == NULL && accept(r, ":")) {
				prefix = name;
				name = read_slot_name(r);
			}
			if (prefix)
				name = module_namez(r->m, arena_printf(
				    r->m->mem, "%s.%s", prefix, name));
			s = read_entry(r, name, s);
		}
		s.offset = slot_end(&s);
	} while (!r->failed && accept(r, ","));
}

/* ---- values ---- */

struct naming {
	struct reader *r;
	const struct func *f;
};

static void
mean_scratch(struct op *op, void *arg)
{
	const struct naming *n = arg;

	if (op->scratch)
		op->scratch = slot_meant(n->r->m, n->f, op->scratch);
}

static void
place_values(struct reader *r, struct func *f)
{
	size_t n = (size_t)f->nvalue + 1;
	const char *none = module_namez(r->m, "_");
	bool *said = NEW_N(r->m->mem, bool, n);
	struct where *w = NEW_N(r->m->mem, struct where, n);

	for (int i = 0; i < f->nvalue; i++) {
		struct value *v = f->value[i];

		said[i] = v->slot != NULL;
		if (said[i])
			v->slot = v->slot == none ? NULL :
			    slot_meant(r->m, f, v->slot);
	}
	slots_follow(r->m, f, said, w);
	for (int i = 0; i < f->nvalue; i++) {
		f->value[i]->slot = w[i].slot;
		f->value[i]->slot_indexed = w[i].indexed;
		f->value[i]->slot_index = w[i].index;
	}
}

static void
see_load(struct op *op, void *arg)
{
	*(bool *)arg |= op->code == OP_LOAD;
}

/* Functions that load come last: by then their twins' values have places. */
void
read_places(struct reader *r)
{
	for (int last = 0; last < 2; last++)
		for (int i = 0; i < r->m->nfunc; i++) {
			struct naming n = {r, r->m->func[i]};
			bool loads = false;

			region_walk(&r->m->func[i]->body, see_load, &loads);
			if (loads != (last == 1))
				continue;
			region_walk(&r->m->func[i]->body, mean_scratch, &n);
			place_values(r, r->m->func[i]);
		}
}
