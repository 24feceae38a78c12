/*
 * Places of what loops carry.
 *
 * A carry that each trip only adds to stays where it is, through inner loops
 * too.  One that the callee saves anyway has one element of keep per layer:
 * then nothing is ever copied.  Others take turns between two elements.  What
 * is on its way for several trips to come, carries that move up from trip to
 * trip, has one element more than there are of these: nothing is copied, and
 * what is read now is not what comes.
 *
 *   for l=0..L (~w = ~w0 in w[l%3]; ~v = ~v0 in w[(l+1)%3]) {
 *     r, ~wn = call layer(l, h, ~w) in .., w[(l+2)%3]
 *     yield r, ~v, ~wn
 */
#include "config.h"

#include "passes/memory.h"

/* The call in the body of a loop whose argument is the loop's carry i. */
static const struct op *
carry_call(const struct op *loop, int i, int *param)
{
	for (int k = 0; k < loop->body.n; k++) {
		const struct op *op = loop->body.op[k];

		if (op->code != OP_CALL)
			continue;
		for (int j = 0; j < op->nin; j++)
			if (op->in[j].v == loop->carry[i]) {
				*param = j;
				return op;
			}
	}
	return NULL;
}

static struct affine
times(const char *var, int64_t k, int64_t mod)
{
	struct affine a = affine_var(var);

	a.k = k;
	a.mod = mod;
	return a;
}

static bool
made_here(const struct region *r, const struct value *v)
{
	if (!v->def || v->def->code == OP_FOR || v->def->code == OP_LOAD)
		return false;
	for (int i = 0; i < r->n; i++)
		if (r->op[i] == v->def)
			return true;
	return false;
}

static struct value *stays(struct plan *p, const struct op *loop, int i,
    struct value *like);

/*
 * Follows v, which nothing else reads, through the ops of r that add to it in
 * place: what becomes of it.  With like, all on the way get the place of like.
 */
static struct value *
follow(struct plan *p, const struct region *r, struct value *v,
    struct value *like)
{
	for (int i = 0; i < r->n && p->reads[v->id] == 1; i++) {
		const struct op *op = r->op[i];
		struct value *next = NULL;

		for (int j = 0; j < op->nin && !next; j++)
			if (op->in[j].v == v)
				next = op->code == OP_FOR ?
				    stays(p, op, j, like) :
				    memory_accumulated(op, j);
		if (next && like)
			memory_take_place(p, next, like);
		v = next ? next : v;
	}
	return v;
}

/* Result i of a loop whose carry i only ever grows in place; else NULL. */
static struct value *
stays(struct plan *p, const struct op *loop, int i, struct value *like)
{
	struct value *v = loop->carry[i];
	const struct op *yield = region_last(&loop->body);

	if (like)
		memory_take_place(p, v, like);
	if (v != yield->in[i].v &&
	    follow(p, &loop->body, v, like) != yield->in[i].v)
		return NULL;
	return loop->out[i];
}

struct carry_place {
	const char *slot;
	struct affine now, next, first, last;
	bool keep;
	int place;
};

static struct carry_place
carry_in_keep(struct plan *p, const struct op *loop, const struct func *callee,
    int param)
{
	struct carry_place c = {.keep = true, .place = -1};
	uint64_t lo = bound_eval(p->m, &loop->lo);
	uint64_t hi = bound_eval(p->m, &loop->hi);

	c.slot = callee->param[param]->slot;
	c.now = times(loop->var, 0, 0);
	c.next = times(loop->var, 1, 0);
	c.first = affine_const((int64_t)lo);
	c.last = affine_const((int64_t)hi);
	return c;
}

/*
 * Member k of a row of n carries that move up: what trip l reads, and trips
 * l+1, l+2, lies in elements l, l+1, l+2 of n + 1 by turns.
 */
static struct carry_place
carry_by_turns(struct plan *p, const struct op *loop, int k, int n, int place)
{
	struct carry_place c = {.place = place, .slot = p->place[place].name};
	int64_t lo = (int64_t)bound_eval(p->m, &loop->lo), turns = n + 1;
	int64_t hi = (int64_t)bound_eval(p->m, &loop->hi);
	int64_t at = loop->rev ? n - k : k;

	c.now = times(loop->var, at, turns);
	c.next = times(loop->var, loop->rev ? at - 1 : at + 1, turns);
	c.first = affine_const(((loop->rev ? hi - 1 : lo) + at) % turns);
	c.last = affine_const(((loop->rev ? lo - 1 : hi) + at) % turns);
	return c;
}

/* One element, where the carry, what it becomes and the result all are. */
static void
carry_in_place(struct plan *p, struct region *outer, struct op *loop, int i)
{
	struct value *v = loop->carry[i], *init = loop->in[i].v;
	const struct value *last = stays(p, loop, i, NULL);

	if (last->slot) { /* saved: all of it happens where it stays */
		memory_take_place(p, v, last);
	} else {
		p->of[v->id] = memory_new_place(p, memory_slot_name(p, v->name),
		    value_local_bytes(p->m, v), 1);
		v->slot = p->place[p->of[v->id]].name;
	}
	memory_take_place(p, stays(p, loop, i, v), v);
	if (made_here(outer, init) && !init->slot && p->reads[init->id] == 1)
		memory_take_place(p, init, v);
}

static void
join(struct plan *p, struct value *v, const struct carry_place *c,
    struct affine index)
{
	p->of[v->id] = c->place;
	memory_set_indexed(v, c->slot, index);
}

static void
place_member(struct plan *p, struct region *outer, struct op *loop, int i,
    const struct carry_place *c)
{
	struct value *init = loop->in[i].v;
	struct value *next = region_last(&loop->body)->in[i].v;

	join(p, loop->carry[i], c, c->now);
	join(p, loop->out[i], c, c->last);
	if (made_here(outer, init) && !init->slot &&
	    (c->keep || p->reads[init->id] == 1))
		join(p, init, c, c->first);
	if (made_here(&loop->body, next) && !next->slot &&
	    p->reads[next->id] == 1)
		join(p, next, c, c->next);
}

/* ---- what is on its way for more than one trip ---- */

static int
carry_of(const struct op *loop, const struct value *v)
{
	for (int i = 0; i < loop->nin && v->future; i++)
		if (loop->carry[i] == v)
			return i;
	return -1;
}

/* The first of the row in which carry i moves up, and how many there are. */
static int
row_of(const struct op *loop, int i, int *n)
{
	const struct op *yield = region_last(&loop->body);
	int first = i, at;

	for (int k = 0; k < loop->nin && loop->carry[i]->future; k++)
		if (yield->in[k].v == loop->carry[first]) {
			first = k;
			k = -1;
			if (first == i)
				break; /* a circle: nobody sends anything */
		}
	*n = 1;
	at = carry_of(loop, yield->in[first].v);
	while (at >= 0 && *n < loop->nin) {
		at = carry_of(loop, yield->in[at].v);
		++*n;
	}
	return first;
}

static void
place_row(struct plan *p, struct region *outer, struct op *loop, int i)
{
	const struct op *yield = region_last(&loop->body);
	int n, at = row_of(loop, i, &n), place;

	place = memory_new_place(p, memory_slot_name(p, loop->carry[at]->name),
	    value_local_bytes(p->m, loop->carry[at]), (uint32_t)n + 1);
	for (int k = 0; k < n; k++) {
		struct carry_place c = carry_by_turns(p, loop, k, n, place);

		place_member(p, outer, loop, at, &c);
		at = carry_of(loop, yield->in[at].v);
	}
}

static void
place_carry(struct plan *p, struct region *outer, struct op *loop, int i)
{
	struct carry_place c;
	int param;
	const struct op *call = carry_call(loop, i, &param);

	if (loop->carry[i]->slot)
		return; /* an outer loop's, that stays, or of a row */
	if (stays(p, loop, i, NULL)) {
		carry_in_place(p, outer, loop, i);
		return;
	}
	if (!call || loop->rev || !call->callee->param[param]->slot) {
		place_row(p, outer, loop, i);
		return;
	}
	c = carry_in_keep(p, loop, call->callee, param);
	place_member(p, outer, loop, i, &c);
}

void
memory_carries(struct plan *p, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op->code != OP_FOR)
			continue;
		for (int j = 0; j < op->nin; j++)
			place_carry(p, r, op, j);
		memory_carries(p, &op->body);
	}
}
