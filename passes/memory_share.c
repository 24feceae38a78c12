/*
 * Who shares a place with whom.
 *
 * What forward saves lives in keep, an element a layer, and backward loads it
 * from there.  A carry of a loop has two elements that take turns, or, when
 * the callee saves it anyway, one element of keep per layer: then nothing is
 * ever copied.  A sum into a value takes that value's place, and a carry that
 * each trip only adds to stays where it is, through inner loops too.  What is
 * in flight arrives where it stays once awaited.  What only its fusion group
 * reads has none.
 */
#include "config.h"

#include "ir/group.h"
#include "passes/memory.h"

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

static void
take_place(struct plan *p, struct value *v, const struct value *from)
{
	p->of[v->id] = p->of[from->id];
	v->slot = from->slot;
	v->slot_indexed = from->slot_indexed;
	v->slot_index = from->slot_index;
}

/* The result of op that takes the place of its operand i; NULL: none does. */
static struct value *
accumulated(const struct op *op, int i)
{
	int first = op->nin - op->into;

	return i >= first && i - first < op->nout && op->in[i].consume &&
	    !(op->has_target && i == first) ? op->out[i - first] : NULL;
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
	for (int i = 0; i < r->n && readers(p->f, v) == 1; i++) {
		const struct op *op = r->op[i];
		struct value *next = NULL;

		for (int j = 0; j < op->nin && !next; j++)
			if (op->in[j].v == v)
				next = op->code == OP_FOR ?
				    stays(p, op, j, like) :
				    accumulated(op, j);
		if (next && like)
			take_place(p, next, like);
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
		take_place(p, v, like);
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

static struct carry_place
carry_by_turns(struct plan *p, const struct op *loop, int i)
{
	struct carry_place c = {.keep = false};
	int64_t lo = (int64_t)bound_eval(p->m, &loop->lo);
	int64_t hi = (int64_t)bound_eval(p->m, &loop->hi);
	const struct value *v = loop->carry[i];

	c.slot = slot_name(p, v->name);
	c.place = memory_new_place(p, c.slot,
	    value_local_bytes(p->m, v), 2);
	c.now = times(loop->var, loop->rev, 2);
	c.next = times(loop->var, !loop->rev, 2);
	c.first = affine_const((loop->rev ? hi : lo) % 2);
	c.last = affine_const((loop->rev ? lo : hi) % 2);
	return c;
}

/* One element, where the carry, what it becomes and the result all are. */
static void
carry_in_place(struct plan *p, struct region *outer, struct op *loop, int i)
{
	struct value *v = loop->carry[i], *init = loop->in[i].v;
	const struct value *last = stays(p, loop, i, NULL);

	if (last->slot) { /* saved: all of it happens where it stays */
		take_place(p, v, last);
	} else {
		p->of[v->id] = memory_new_place(p, slot_name(p, v->name),
		    value_local_bytes(p->m, v), 1);
		set_slot(v, p->place[p->of[v->id]].name);
	}
	take_place(p, stays(p, loop, i, v), v);
	if (made_here(outer, init) && !init->slot && readers(p->f, init) == 1)
		take_place(p, init, v);
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

	if (loop->carry[i]->slot)
		return; /* an outer loop's, that stays */
	if (stays(p, loop, i, NULL)) {
		carry_in_place(p, outer, loop, i);
		return;
	}
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
	uint32_t layers = memory_called(f) ?
	    (uint32_t)module_dim(p->m, f->index_dim)->size : 1;

	for (int i = 0; i < f->nvalue; i++) {
		struct value *v = f->value[i];
		struct slot *s;

		if (!v || v->bundle || !saves(f, v))
			continue;
		s = module_add_slot(p->m, slot_name(p, v->name));
		s->arena = ARENA_KEEP;
		s->size = memory_round(value_local_bytes(p->m, v));
		s->stride = s->size;
		s->count = layers + !v->def; /* a parameter: and the last result */
		s->offset = memory_take(p->m, ARENA_KEEP, s->count,
		    s->stride);
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

/* The value that a wait makes of a future; NULL if that is elsewhere. */
static struct value *
awaited(const struct region *r, const struct value *future)
{
	for (int i = 0; i < r->n; i++)
		for (int j = 0; r->op[i]->code == OP_WAIT &&
		    j < r->op[i]->nin; j++)
			if (r->op[i]->in[j].v == future)
				return r->op[i]->out[j];
	return NULL;
}

/* Where a value has its place already, its transfer must bring it there. */
static void
place_futures(struct plan *p, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; op->code == OP_WAIT && j < op->nin; j++)
			if (op->out[j]->slot)
				take_place(p, op->in[j].v, op->out[j]);
		place_futures(p, &op->body);
	}
}

/* The caller says where a result of the function goes. */
static bool
goes_out(struct plan *p, struct region *r, const struct value *v)
{
	const struct value *then = v->future ? awaited(r, v) : NULL;

	return memory_called(p->f) && returned(p->f, then ? then : v);
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
	struct value *v = op->out[i], *then;
	int acc;

	if (v->slot || p->of[v->id] >= 0 || op->code == OP_TAKE ||
	    op->code == OP_PARAMS)
		return; /* addresses inside of something else */
	if (op->has_target && i == 0)
		return;
	if (i == 2 && group_head_store(p->f, r, at))
		return; /* straight into its field */
	if (in_group_only(p, r, v) && group_result(op, i) == RESULT_SPACE)
		return;
	if (goes_out(p, r, v))
		return;
	if (op->code == OP_WAIT) {
		take_place(p, v, op->in[i].v);
		return;
	}
	acc = op->nin - op->into + i;
	if (acc < op->nin && accumulated(op, acc) == v &&
	    op->in[acc].v->slot && p->of[op->in[acc].v->id] >= 0) {
		take_place(p, v, op->in[acc].v);
		return;
	}
	then = v->future ? awaited(r, v) : NULL;
	p->of[v->id] = memory_new_place(p, slot_name(p, then ? then->name :
	    v->name), value_local_bytes(p->m, v), 1);
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

	/* logits in f32, a row's gradient in their place */
	return chunk * v * 4 + chunk * 4;
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
	s->size = s->stride = memory_round(dim_local_size(m, &t->d[is]) *
	    half * 2 * sizeof(float));
	s->offset = memory_take(m, ARENA_STATE, 1, s->size);
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
	i = memory_new_place(p, module_namez(p->m, arena_printf(p->m->mem,
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

void
memory_share(struct plan *p)
{
	place_saved(p);
	place_loaded(p);
	place_carries(p, &p->f->body);
	place_futures(p, &p->f->body);
	place_region(p, &p->f->body);
}
