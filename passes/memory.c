/*
 * memory: every value gets a place in an arena, known before the run.
 *
 *   before                              after
 *   h = rmsnorm x, w.n1 : f32[b,s,e]    h = rmsnorm x, w.n1 : f32[b,s,e]  in layer.h
 *                                       slot layer.h act 4096+1024
 *
 * Arenas: state (parameters, gradients, moments, rope tables), keep (what
 * forward saves for backward, one element a layer), act (everything else),
 * io (tokens, labels, logits).
 *
 * Lifetimes are intervals of one linear clock per function.  A function that
 * others call has its frame at the start of act; callers place their own
 * values around the frames that are live with them.  A carry of a loop has
 * two elements that take turns, or, when the callee saves it anyway, one
 * element of keep per layer: then nothing is ever copied.
 *
 * needs: fuse.  keeps: ops, order.  leaves: stage e, slots, arena sizes.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ir/group.h"
#include "passes/pass.h"
#include "support/size.h"

enum { ALIGN = 64 };
enum where { NOWHERE, EXTERNAL, PLANNED, FIXED };

struct place { /* storage one or more values share */
	uint8_t where;
	const char *name;    /* slot */
	uint64_t size;       /* bytes of one element */
	uint32_t count;
	int from, to;        /* clock, inclusive */
	uint64_t offset;
};

struct plan {
	struct module *m;
	struct func *f;
	struct place *place;
	int nplace;
	int *of;             /* by value id: index of its place, or -1 */
	int *loop_end;       /* by value id: see use() */
	int *depth;          /* by value id: number of loops around it */
	int clock;
	struct op *loop[16]; /* loops around the clock */
	int loop_to[16];     /* when each ends */
	int nloop;
	struct {             /* calls: frames in the way */
		int at;
		uint64_t size;
	} call[256];
	int ncall;
	uint64_t frame;
};

static uint64_t
round_up(uint64_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static int
new_place(struct plan *p, enum where where, const char *name, uint64_t size,
    uint32_t count)
{
	struct place *x = &p->place[p->nplace];

	*x = (struct place){.where = where, .name = name,
	    .size = round_up(size), .count = count, .from = -1, .to = -1};
	return p->nplace++;
}

static void
set_slot(struct value *v, const char *slot)
{
	v->slot = slot;
}

static void
set_indexed(struct value *v, const char *slot, struct affine index)
{
	v->slot = slot;
	v->slot_indexed = true;
	v->slot_index = index;
}

static const char *
slot_name(struct plan *p, const char *value)
{
	return module_namez(p->m, arena_printf(p->m->mem, "%s.%s", p->f->name,
	    value));
}

/* ---- the clock: when each value is made and last read ---- */

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

static int
region_length(const struct region *r)
{
	int n = 0;

	for (int i = 0; i < r->n; i++)
		n += r->op[i]->code == OP_FOR ?
		    region_length(&r->op[i]->body) + 2 : 1;
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
	p->loop[p->nloop] = op;
	p->loop_to[p->nloop] = p->clock + region_length(&op->body) + 1;
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
scan_group(struct plan *p, const struct region *r, int at)
{
	struct op_list g;

	if (r->op[at]->group < 0)
		return;
	group_collect(r, at, &g);
	for (int i = 0; i < g.n; i++) {
		for (int j = 0; j < g.op[i]->nin; j++)
			if (g.op[i]->in[j].v && !g.op[i]->in[j].v->bundle)
				use(p, g.op[i]->in[j].v);
		for (int j = 0; j < g.op[i]->nout; j++)
			touch(p, g.op[i]->out[j], p->clock);
	}
}

static void
scan_op(struct plan *p, struct region *r, int at)
{
	struct op *op = r->op[at];

	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v && !op->in[i].v->bundle)
			use(p, op->in[i].v);
	scan_group(p, r, at);
	if (op->code == OP_FOR)
		scan_loop(p, op);
	if (op->code == OP_CALL) {
		struct slot *s = module_slot(p->m, module_namez(p->m,
		    arena_printf(p->m->mem, "%s.frame", op->callee->name)));

		p->call[p->ncall].at = p->clock;
		p->call[p->ncall++].size = s ? s->size : 0;
	}
	for (int i = 0; i < op->nout; i++)
		touch(p, op->out[i], p->clock);
	p->clock++;
}

static void
scan_region(struct plan *p, struct region *r)
{
	for (int i = 0; i < r->n; i++)
		scan_op(p, r, i);
}

/* ---- who shares a place with whom ---- */

struct readers {
	const struct value *v;
	int n;
};

static void
count_read(struct op *op, void *arg)
{
	struct readers *r = arg;

	for (int i = 0; i < op->nin; i++)
		r->n += op->in[i].v == r->v;
}

static int
readers(struct func *f, const struct value *v)
{
	struct readers r = {.v = v};

	region_walk(&f->body, count_read, &r);
	return r.n;
}

static bool
saves(const struct func *f, const struct value *v)
{
	for (int i = 0; i < f->body.n; i++)
		if (f->body.op[i]->code == OP_SAVE)
			for (int j = 0; j < f->body.op[i]->nin; j++)
				if (f->body.op[i]->in[j].v == v)
					return true;
	return false;
}

static bool
called(const struct func *f)
{
	return f->index != NULL;
}

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

static struct carry_place
carry_by_turns(struct plan *p, const struct op *loop, int i)
{
	struct carry_place c = {.keep = false};
	int64_t lo = (int64_t)bound_eval(p->m, &loop->lo);
	int64_t hi = (int64_t)bound_eval(p->m, &loop->hi);
	const struct value *v = loop->carry[i];

	c.slot = slot_name(p, v->name);
	c.place = new_place(p, PLANNED, c.slot,
	    type_local_bytes(p->m, v->type), 2);
	c.now = times(loop->var, loop->rev, 2);
	c.next = times(loop->var, !loop->rev, 2);
	c.first = affine_const((loop->rev ? hi : lo) % 2);
	c.last = affine_const((loop->rev ? lo : hi) % 2);
	return c;
}

static void
join(struct plan *p, struct value *v, const struct carry_place *c,
    struct affine index)
{
	p->of[v->id] = c->place;
	set_indexed(v, c->slot, index);
}

static void
place_carry(struct plan *p, struct region *outer, struct op *loop, int i)
{
	struct value *init = loop->in[i].v;
	struct op *yield = region_last(&loop->body);
	struct value *next = yield->in[i].v;
	struct carry_place c;
	int param;
	const struct op *call = carry_call(loop, i, &param);

	if (call && !loop->rev && call->callee->param[param]->slot)
		c = carry_in_keep(p, loop, call->callee, param);
	else
		c = carry_by_turns(p, loop, i);
	join(p, loop->carry[i], &c, c.now);
	join(p, loop->out[i], &c, c.last);
	if (made_here(outer, init) && !init->slot &&
	    (c.keep || readers(p->f, init) == 1))
		join(p, init, &c, c.first);
	if (made_here(&loop->body, next) && !next->slot &&
	    readers(p->f, next) == 1)
		join(p, next, &c, c.next);
}

static void
place_carries(struct plan *p, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op->code != OP_FOR)
			continue;
		for (int j = 0; j < op->nin; j++)
			place_carry(p, r, op, j);
		place_carries(p, &op->body);
	}
}

/* Saved values live in keep; the twin loads them from there. */
static void
place_saved(struct plan *p)
{
	struct func *f = p->f;
	uint32_t layers = called(f) ?
	    (uint32_t)module_dim(p->m, f->index_dim)->size : 1;

	for (int i = 0; i < f->nvalue; i++) {
		struct value *v = f->value[i];
		struct slot *s;

		if (!v || v->bundle || !saves(f, v))
			continue;
		s = module_add_slot(p->m, slot_name(p, v->name));
		s->arena = ARENA_KEEP;
		s->size = round_up(type_local_bytes(p->m, v->type));
		s->stride = s->size;
		s->count = layers + !v->def; /* a parameter: and the last result */
		s->offset = p->m->arena_size[ARENA_KEEP];
		p->m->arena_size[ARENA_KEEP] += s->count * s->stride;
		set_indexed(v, s->name, affine_var(f->index));
	}
}

static void
place_loaded(struct plan *p)
{
	struct func *f = p->f;

	for (int i = 0; i < f->body.n; i++) {
		struct op *op = f->body.op[i];

		if (op->code != OP_LOAD)
			continue;
		for (int j = 0; j < op->nout; j++)
			set_indexed(op->out[j], func_find(f->twin,
			    op->out[j]->name)->slot, affine_var(f->index));
	}
}

static bool
returned(const struct func *f, const struct value *v)
{
	const struct op *ret = region_last(&f->body);

	for (int i = 0; i < ret->nin; i++)
		if (ret->in[i].v == v)
			return true;
	return false;
}

static bool
in_group_only(struct plan *p, struct region *r, const struct value *v)
{
	struct op_list g;

	if (!v->def || v->def->group < 0)
		return v->def && v->def->code == OP_CONST;
	for (int i = 0; i < r->n; i++)
		if (r->op[i] == v->def) {
			group_collect(r, i, &g);
			return !group_used_outside(p->f, v, g.op, g.n);
		}
	return false;
}

static void place_region(struct plan *p, struct region *r);

static void
place_result(struct plan *p, struct region *r, int at, int i)
{
	struct op *op = r->op[at];
	struct value *v = op->out[i];

	if (v->bundle || v->slot || p->of[v->id] >= 0 || op->code == OP_TAKE)
		return; /* take is an address inside its operand */
	if (op->has_target && i == 0)
		return;
	if (i == 2 && group_head_store(p->f, r, at))
		return; /* straight into its field */
	if (in_group_only(p, r, v) && group_result(op, i) == RESULT_SPACE)
		return;
	if (called(p->f) && returned(p->f, v) && !v->slot)
		return; /* the caller says where */
	if (op->into && op->in[op->nin - 1].consume &&
	    op->in[op->nin - 1].v->slot &&
	    p->of[op->in[op->nin - 1].v->id] >= 0) {
		struct value *acc = op->in[op->nin - 1].v;

		p->of[v->id] = p->of[acc->id];
		v->slot = acc->slot;
		v->slot_indexed = acc->slot_indexed;
		v->slot_index = acc->slot_index;
		return;
	}
	p->of[v->id] = new_place(p, PLANNED, slot_name(p, v->name),
	    type_local_bytes(p->m, v->type), 1);
	set_slot(v, p->place[p->of[v->id]].name);
}

/* ---- scratch ---- */

static uint64_t
head_scratch(const struct module *m, const struct op *op)
{
	int x = op->code == OP_XENT_DOT_BWD;
	const struct type *h = arg_type(m, &op->in[x]);
	const struct type *w = arg_type(m, &op->in[x + 1]);
	uint64_t tokens = type_local_count(m, arg_type(m, &op->in[x + 2]));
	uint64_t chunk = (uint64_t)op_int(op, ATTR_CHUNK);
	uint64_t v = type_local_count(m, w) /
	    (type_local_count(m, h) / tokens);

	if (chunk == 0 || chunk > tokens)
		chunk = tokens;

	/* logits in f32; in bf16 programs their gradient beside them */
	return chunk * v * (h->dtype == DT_BF16 ? 6 : 4) + chunk * 4;
}

/* Cosines and sines by position, shared by all ropes alike: state. */
static const char *
rope_table(struct module *m, const struct op *op)
{
	const struct type *t = group_space(op);
	const struct dim *d = &t->d[type_find(t, op_dim(op, ATTR_OVER))];
	int is = group_position(op);
	uint64_t half = dim_local_size(m, d) / 2;
	const char *name = group_rope_slot(m, op);
	struct slot *s = module_slot(m, name);

	if (s)
		return name;
	s = module_add_slot(m, name);
	s->arena = ARENA_STATE;
	s->count = 1;
	s->offset = m->arena_size[ARENA_STATE];
	s->size = s->stride =
	    round_up(dim_local_size(m, &t->d[is]) * half * 2 * sizeof(float));
	m->arena_size[ARENA_STATE] += s->size;
	return name;
}

static void
place_scratch(struct plan *p, struct region *r, int at)
{
	struct op *op = r->op[at];
	struct op_list g;
	uint64_t size = 0;
	int i;

	if (op->code == OP_ROPE || op->code == OP_ROPE_BWD)
		rope_table(p->m, op);
	if (op->code == OP_XENT_DOT || op->code == OP_XENT_DOT_BWD)
		size = head_scratch(p->m, op);
	if (op->group >= 0 && group_collect(r, at, &g) && g.op[0] == op)
		size = group_scratch(p->m, g.op, g.n);
	if (!size)
		return;
	i = new_place(p, PLANNED, module_namez(p->m, arena_printf(p->m->mem,
	    "%s.scratch%d", p->f->name, p->nplace)), size, 1);
	op->scratch = p->place[i].name;
}

static void
place_region(struct plan *p, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; j < op->nout; j++)
			place_result(p, r, i, j);
		if (op->code == OP_FOR)
			place_region(p, &op->body);
		place_scratch(p, r, i);
	}
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

/* ---- offsets ---- */

static int
larger_first(const void *a, const void *b)
{
	const struct place *const *x = a, *const *y = b;
	uint64_t sx = (*x)->size * (*x)->count, sy = (*y)->size * (*y)->count;

	if (sx != sy)
		return sx > sy ? -1 : 1;
	return *x < *y ? -1 : *x > *y; /* same array: order of making */
}

static bool
overlap(const struct place *a, const struct place *b)
{
	return a->from <= b->to && b->from <= a->to;
}

/* The lowest offset where x meets neither a placed neighbour nor a frame. */
static uint64_t
lowest_free(const struct plan *p, struct place *const *done, int n,
    const struct place *x)
{
	uint64_t need = x->size * x->count, at = 0;
	bool moved = true;

	for (int i = 0; i < p->ncall; i++)
		if (p->call[i].at >= x->from && p->call[i].at <= x->to &&
		    p->call[i].size > at)
			at = p->call[i].size;
	while (moved) {
		moved = false;
		for (int i = 0; i < n; i++) {
			uint64_t end = done[i]->offset +
			    done[i]->size * done[i]->count;

			if (overlap(done[i], x) && at < end &&
			    done[i]->offset < at + need) {
				at = end;
				moved = true;
			}
		}
	}
	return at;
}

static void
place_offsets(struct plan *p)
{
	struct place **order = NEW_N(p->m->mem, struct place *,
	    (size_t)p->nplace + 1);
	int n = 0;

	for (int i = 0; i < p->nplace; i++)
		if (p->place[i].where == PLANNED && p->place[i].from >= 0)
			order[n++] = &p->place[i];
	qsort(order, (size_t)n, sizeof *order, larger_first);
	for (int i = 0; i < n; i++) {
		struct place *x = order[i];
		struct slot *s = module_add_slot(p->m, x->name);

		x->offset = lowest_free(p, order, i, x);
		s->arena = ARENA_ACT;
		s->offset = x->offset;
		s->size = s->stride = x->size;
		s->count = x->count;
		if (x->offset + x->size * x->count > p->frame)
			p->frame = x->offset + x->size * x->count;
	}
	for (int i = 0; i < p->ncall; i++)
		if (p->call[i].size > p->frame)
			p->frame = p->call[i].size;
}

static void
place_params(struct plan *p)
{
	if (called(p->f))
		return;
	for (int i = 0; i < p->f->nparam; i++)
		set_slot(p->f->param[i], module_namez(p->m,
		    arena_printf(p->m->mem, "io.%s", p->f->param[i]->name)));
}

static void
plan_func(struct module *m, struct func *f)
{
	struct plan p = {.m = m, .f = f};
	size_t n = (size_t)f->nvalue + 1;
	struct slot *frame;
	int clock = 0;

	p.place = NEW_N(m->mem, struct place, 2 * n + 64 +
	    (size_t)region_length(&f->body));
	p.of = NEW_N(m->mem, int, n);
	p.depth = NEW_N(m->mem, int, n);
	for (int i = 0; i < f->nvalue; i++)
		p.of[i] = -1;
	mark_depth(&p, &f->body, 0);
	place_params(&p);
	place_saved(&p);
	place_loaded(&p);
	place_carries(&p, &f->body);
	place_region(&p, &f->body);
	scan_region(&p, &f->body);
	scratch_clock(&p, &f->body, &clock);
	place_offsets(&p);
	frame = module_add_slot(m, module_namez(m, arena_printf(m->mem,
	    "%s.frame", f->name)));
	frame->arena = ARENA_ACT;
	frame->count = 1;
	frame->size = frame->stride = p.frame;
	if (p.frame > m->arena_size[ARENA_ACT])
		m->arena_size[ARENA_ACT] = p.frame;
}

/* ---- state and io ---- */

static void
place_field(struct module *m, const struct bundle *b, const struct field *f,
    enum dtype dt)
{
	uint64_t count = type_local_count(m, f->type);
	struct slot *s = module_add_slot(m, module_namez(m,
	    arena_printf(m->mem, dt == (enum dtype)b->dtype ? "%s.%s" :
	    "%s.%s.cast", b->name, f->name)));
	uint64_t layers = b->stack ? module_dim(m, b->stack)->size : 1;

	s->arena = ARENA_STATE;
	s->count = (uint32_t)layers;
	s->size = s->stride = count * dtype_size[dt]; /* packed: a tensor */
	s->offset = m->arena_size[ARENA_STATE];
	m->arena_size[ARENA_STATE] += round_up(s->size * layers);
}

static void
see_cast(struct op *op, void *arg)
{
	struct module *m = arg;
	struct bundle *b;
	struct slot *s;

	if (op->code != OP_PARAMS)
		return;
	b = op->in[0].b;
	if (op->out[0]->dtype == b->dtype || !b->nfield)
		return;
	s = module_slot(m, module_namez(m, arena_printf(m->mem, "%s.%s.cast",
	    b->name, b->field[0].name)));
	for (int i = 0; !s && i < b->nfield; i++)
		place_field(m, b, &b->field[i],
		    (enum dtype)op->out[0]->dtype);
}

static void
place_state(struct module *m)
{
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield; j++)
			place_field(m, m->bundle[i], &m->bundle[i]->field[j],
			    (enum dtype)m->bundle[i]->dtype);
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_cast, m);
}

static void
place_io_type(struct module *m, const char *name, const struct type *t)
{
	struct slot *s;

	name = module_namez(m, arena_printf(m->mem, "io.%s", name));
	s = module_slot(m, name);
	if (!s) {
		s = module_add_slot(m, name);
		s->arena = ARENA_IO;
		s->count = 1;
		s->offset = m->arena_size[ARENA_IO];
		s->size = s->stride = round_up(type_local_bytes(m, t));
		m->arena_size[ARENA_IO] += s->size;
	}
}

/* step comes first and has the largest inputs; the others use the front. */
static void
place_io(struct module *m)
{
	static const char *const entry[] = {"step", "eval", "logits"};

	for (size_t i = 0; i < COUNT_OF(entry); i++) {
		struct func *f = module_func(m, module_namez(m, entry[i]));

		for (int j = 0; f && j < f->nparam; j++)
			place_io_type(m, f->param[j]->name, f->param[j]->type);
		if (f && i == 2) {
			struct value *v = region_last(&f->body)->in[0].v;

			place_io_type(m, "logits", v->type);
			set_slot(v, module_namez(m, "io.logits"));
		}
	}
}

static int
memory(struct module *m)
{
	m->stage = 'e';
	place_state(m);
	place_io(m);
	for (int i = 0; i < m->nfunc; i++) /* callees come before callers */
		if (called(m->func[i]))
			plan_func(m, m->func[i]);
	for (int i = 0; i < m->nfunc; i++)
		if (!called(m->func[i]))
			plan_func(m, m->func[i]);
	return 0;
}

const struct pass pass_memory = {
	.name = "memory",
	.summary = "every value gets a planned place",
	.run = memory,
};
