/*
 * The clock of a function: when each place is first written and last read.
 *
 * Every op takes one tick, a loop two more than its body.  What a loop reads
 * from outside lives to the end of the loop; what it makes, to its last read
 * in the same trip, for nothing but carries crosses from trip to trip.  What
 * a transfer reads lives until the transfer has been awaited.
 */
#include "config.h"

#include "ir/group.h"
#include "passes/memory.h"

static void
touch(struct plan *p, const struct value *v, int at)
{
	int i = p->of[v->id];

	if (i < 0)
		return;
	if (p->place[i].from < 0 || at < p->place[i].from)
		p->place[i].from = at;
	if (at > p->place[i].to)
		p->place[i].to = at;
}

/* A value from outside a loop that the loop reads lives to the loop's end. */
static void
use(struct plan *p, const struct value *v)
{
	int d = p->depth[v->id];

	touch(p, v, d < p->nloop ? p->loop_to[d] : p->clock);
}

/* A field of an image that is summed here: in use from its first write. */
static void
use_target(struct plan *p, const struct op *op)
{
	if (op->has_target && op->target.v)
		use(p, op->target.v);
}

int
memory_length(const struct region *r)
{
	int n = 0;

	for (int i = 0; i < r->n; i++)
		n += r->op[i]->code == OP_FOR ?
		    memory_length(&r->op[i]->body) + 2 : 1;
	return n;
}

static void
mark_depth(struct plan *p, const struct region *r, int depth)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		for (int j = 0; j < op->nout; j++)
			p->depth[op->out[j]->id] = depth;
		if (op->code != OP_FOR)
			continue;
		for (int j = 0; j < op->nin; j++)
			p->depth[op->carry[j]->id] = depth + 1;
		mark_depth(p, &op->body, depth + 1);
	}
}

static void scan_region(struct plan *p, struct region *r);

static void
scan_loop(struct plan *p, struct op *op)
{
	p->loop_from[p->nloop] = p->clock;
	p->loop_to[p->nloop] = p->clock + memory_length(&op->body) + 1;
	for (int i = 0; i < op->nin; i++)
		touch(p, op->carry[i], p->clock);
	p->nloop++;
	p->clock++;
	scan_region(p, &op->body);
	p->nloop--;
	for (int i = 0; i < op->nin; i++)
		touch(p, op->carry[i], p->clock);
}

/* Everything a group reads and writes is live from its first op to its last,
 * since the whole group runs where its first op stands. */
static void
scan_group(struct plan *p, const struct groups *groups, int at)
{
	struct op_list g;

	if (groups->r->op[at]->group < 0)
		return;
	groups_collect(groups, at, &g);
	for (int i = 0; i < g.n; i++) {
		for (int j = 0; j < g.op[i]->nin; j++)
			if (g.op[i]->in[j].v)
				use(p, g.op[i]->in[j].v);
		use_target(p, g.op[i]);
		for (int j = 0; j < g.op[i]->nout; j++)
			touch(p, g.op[i]->out[j], p->clock);
	}
}

/* What a started transfer reads must stay as it is until now. */
static void
use_sources(struct plan *p, const struct op *wait)
{
	for (int i = 0; i < wait->nin; i++) {
		const struct op *start = wait->in[i].v->def;

		for (int j = 0; start && start->code != OP_FOR &&
		    start->code != OP_CALL && j < start->nin; j++)
			if (start->in[j].v)
				use(p, start->in[j].v);
	}
}

/* The transfer that brings v, if what it sends lies in this function. */
static const struct op *
sent_from_here(const struct value *v)
{
	const struct op *op = v->future ? v->def : NULL;

	return op && op_info[op->code].group == GROUP_COMM && op->nin &&
	    op->in[0].kind == ARG_VALUE ? op : NULL;
}

/* What is still being sent when the function returns stays as it is, and was
 * being sent by the call before when this one began. */
static void
keep_sources(struct plan *p, const struct op *ret)
{
	for (int i = 0; i < ret->nin; i++) {
		const struct op *op = sent_from_here(ret->in[i].v);

		for (int j = 0; op && j < op->nin; j++) {
			touch(p, op->in[j].v, 0);
			touch(p, op->in[j].v, p->clock);
		}
	}
}

/* A frame from which something is sent is in use until that has been awaited,
 * in all trips of the loop around the call. */
static void
use_frame(struct plan *p, const struct op *call)
{
	struct slot *s = module_slot(p->m, module_namez(p->m,
	    arena_printf(p->m->mem, "%s.frame", call->callee->name)));
	const struct op *ret = region_last(&call->callee->body);
	struct frame_use *u = &p->call[p->ncall++];

	*u = (struct frame_use){.from = p->clock, .to = p->clock,
	    .size = s ? s->size : 0};
	for (int i = 0; i < ret->nin; i++)
		u->in_flight |= sent_from_here(ret->in[i].v) != NULL;
	if (u->in_flight && p->nloop) {
		u->from = p->loop_from[p->nloop - 1];
		u->to = p->loop_to[p->nloop - 1];
	}
}

static void
await_frames(struct plan *p, const struct op *wait)
{
	bool from_call = false;

	for (int i = 0; i < wait->nin; i++) {
		const struct op *def = wait->in[i].v->def;

		from_call |= def && (def->code == OP_FOR ||
		    def->code == OP_CALL);
	}
	for (int i = 0; i < p->ncall && from_call; i++)
		if (p->call[i].in_flight)
			p->call[i].to = p->clock;
}

static void
scan_op(struct plan *p, const struct groups *g, int at)
{
	struct op *op = g->r->op[at];
	const struct op *store;

	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v)
			use(p, op->in[i].v);
	use_target(p, op);
	if ((store = group_head_store(p->f, g->r, at)))
		use_target(p, store); /* the head writes there */
	scan_group(p, g, at);
	if (op->code == OP_WAIT) {
		use_sources(p, op);
		await_frames(p, op);
	}
	if (op->code == OP_RETURN)
		keep_sources(p, op);
	if (op->code == OP_FOR)
		scan_loop(p, op);
	if (op->code == OP_CALL)
		use_frame(p, op);
	for (int i = 0; i < op->nout && op->code != OP_LOCAL; i++)
		touch(p, op->out[i], p->clock);
	p->clock++;
}

static void
scan_region(struct plan *p, struct region *r)
{
	struct groups g = groups_of(p->m->mem, r);

	for (int i = 0; i < r->n; i++)
		scan_op(p, &g, i);
}

/* Scratch lives while its op runs: its clock is the op's. */
static void
scratch_clock(struct plan *p, const struct region *r, int *clock)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		if (op->code == OP_FOR) {
			++*clock;
			scratch_clock(p, &op->body, clock);
		}
		for (int j = 0; op->scratch && j < p->nplace; j++)
			if (p->place[j].name == op->scratch)
				p->place[j].from = p->place[j].to = *clock;
		++*clock;
	}
}

void
memory_clock(struct plan *p)
{
	int clock = 0;

	mark_depth(p, &p->f->body, 0);
	scan_region(p, &p->f->body);
	scratch_clock(p, &p->f->body, &clock);
}
