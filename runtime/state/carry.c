/* Collecting and spreading tensors; both sides walk the same pieces. */
#include "config.h"

#include "runtime/state/carry.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/comm/world.h"
#include "runtime/gpu/host.h"

/* Seconds between signs of life: far below any deadline. */
static const double silence = 1;

enum what { ALIVE, COLLECT, SPREAD, END };

struct order {
	int32_t what, part;
};

/* ---- pieces ---- */

struct piece {
	struct lt_box box;
	size_t bytes;
	char *place; /* in my arena; NULL: I do not store it */
	char *here;  /* where the host has it: there, or in the buffer */
};

static struct piece
piece_at(const struct lt_carry *c, const struct lt_part *p, uint64_t at)
{
	const struct lt_program *prog = c->rt->prog;
	struct piece x = {.box = lt_box_from(prog, p->tensor, at)};

	if (x.box.n > LT_CARRY_MAX / sizeof(float))
		x.box.n = LT_CARRY_MAX / sizeof(float);
	x.bytes = (size_t)x.box.n * sizeof(float);
	if (lt_box_block(prog, p->tensor, c->rt->rank) == x.box.block)
		x.place = p->data + x.box.offset * sizeof(float);
	x.here = x.place && c->rt->gpu ? c->buffer : x.place;
	return x;
}

/* To rank 0 from the lowest rank that stores it. */
static const char *
fetch(struct lt_carry *c, const struct lt_part *p, const struct piece *x)
{
	int owner = lt_box_owner(c->rt->prog, p->tensor, x->box.block);

	if (owner == c->rt->rank)
		lt_read(c->rt, x->here, x->place, x->bytes);
	if (owner == 0)
		return x->here;
	lt_world_copy(c->rt, owner, 0, x->here, c->buffer, x->bytes);
	return c->buffer;
}

/* From rank 0 to all that store it. */
static void
deliver(struct lt_carry *c, const struct lt_part *p, const struct piece *x)
{
	const struct lt_program *prog = c->rt->prog;
	const char *from = x->here ? x->here : c->buffer;

	if (lt_box_blocks(prog, p->tensor) == 1) {
		lt_world_broadcast(c->rt, x->here, x->bytes);
		lt_write(c->rt, x->place, x->here, x->bytes);
		return;
	}
	for (int r = 1; r < c->rt->ranks; r++)
		if (lt_box_block(prog, p->tensor, r) == x->box.block)
			lt_world_copy(c->rt, 0, r, from, x->here, x->bytes);
	if (x->place)
		lt_write(c->rt, x->place, x->here, x->bytes);
}

/* ---- rank 0 ---- */

static void
order(struct lt_carry *c, enum what what, const struct lt_part *p)
{
	struct order o = {what, p ? (int32_t)(p - c->parts->part) : 0};
	struct timespec now;

	lt_world_broadcast(c->rt, &o, sizeof o);
	clock_gettime(CLOCK_MONOTONIC, &now);
	c->told = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool
lt_carry_collect(struct lt_carry *c, const struct lt_part *p,
    lt_carry_put put, void *arg)
{
	bool ok = true;
	int error = 0;

	order(c, COLLECT, p);
	for (uint64_t at = 0; at < p->tensor->count;) {
		struct piece x = piece_at(c, p, at);
		const char *bytes = fetch(c, p, &x);

		if (ok && !(ok = put(arg, bytes, x.bytes)))
			error = errno;
		at += x.box.n;
	}
	errno = error;
	return ok;
}

bool
lt_carry_spread(struct lt_carry *c, const struct lt_part *p,
    lt_carry_get get, void *arg)
{
	bool ok = true;
	int error = 0;

	order(c, SPREAD, p);
	for (uint64_t at = 0; at < p->tensor->count;) {
		struct piece x = piece_at(c, p, at);

		if (ok && !(ok = get(arg, x.here ? x.here : c->buffer,
		    x.bytes)))
			error = errno;
		deliver(c, p, &x);
		at += x.box.n;
	}
	errno = error;
	return ok;
}

void
lt_carry_alive(struct lt_carry *c)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((double)now.tv_sec + (double)now.tv_nsec * 1e-9 >
	    c->told + silence)
		order(c, ALIVE, NULL);
}

void
lt_carry_end(struct lt_carry *c)
{
	order(c, END, NULL);
}

/* ---- the others ---- */

static void
take_part(struct lt_carry *c, const struct lt_part *p, enum what what)
{
	for (uint64_t at = 0; at < p->tensor->count;) {
		struct piece x = piece_at(c, p, at);

		if (what == COLLECT)
			(void)fetch(c, p, &x);
		else
			deliver(c, p, &x);
		at += x.box.n;
	}
}

void
lt_carry_follow(struct lt_carry *c)
{
	struct order o = {ALIVE, 0};

	while (o.what != END) {
		lt_world_broadcast(c->rt, &o, sizeof o);
		if (o.what == COLLECT || o.what == SPREAD)
			take_part(c, &c->parts->part[o.part],
			    (enum what)o.what);
	}
}

/* ---- */

bool
lt_carry_open(struct lt_carry *c, struct lt *rt, const struct lt_parts *parts)
{
	*c = (struct lt_carry){.rt = rt, .parts = parts,
	    .buffer = malloc(LT_CARRY_MAX)};
	if (lt_world_agree(rt, c->buffer == NULL) == 0)
		return true;
	lt_carry_close(c);
	return false;
}

void
lt_carry_close(struct lt_carry *c)
{
	free(c->buffer);
	c->buffer = NULL;
}
