/*
 * Who shares a place with whom.
 *
 * What forward saves lives in keep, an element a layer, and backward loads it
 * from there; what it has sent to the host lives in host, and backward fetches
 * it.  Carries are in memory_carry.c.  A sum into a value takes that
 * value's place.  What is in flight arrives where it stays once awaited.  What
 * only its fusion group reads has none.
 */
#include "config.h"

#include "ir/group.h"
#include "passes/memory.h"

void
memory_set_indexed(struct value *v, const char *slot, struct affine index)
{
	v->slot = slot;
	v->slot_indexed = true;
	v->slot_index = index;
}

const char *
memory_slot_name(struct plan *p, const char *value)
{
	return module_namez(p->m, arena_printf(p->m->mem, "%s.%s", p->f->name,
	    value));
}

void
memory_take_place(struct plan *p, struct value *v, const struct value *from)
{
	p->of[v->id] = p->of[from->id];
	v->slot = from->slot;
	v->slot_indexed = from->slot_indexed;
	v->slot_index = from->slot_index;
}

struct value *
memory_accumulated(const struct op *op, int i)
{
	int first = op->nin - op->into;

	return i >= first && i - first < op->nout && op->in[i].consume &&
	    !(op->has_target && i == first) ? op->out[i - first] : NULL;
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

		if (!v || v->bundle || !p->saved[i])
			continue;
		s = module_add_slot(p->m, memory_slot_name(p, v->name));
		s->arena = value_on_host(v) ? ARENA_HOST : ARENA_KEEP;
		s->size = memory_round(value_local_bytes(p->m, v));
		s->stride = s->size;
		s->count = layers + !v->def; /* a parameter: and the last result */
		s->offset = memory_take(p->m, s->arena, s->count,
		    s->stride);
		memory_set_indexed(v, s->name, affine_var(f->index));
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
			memory_set_indexed(op->out[j], func_find(f->twin,
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

/* Where a value has its place already, its transfer must bring it there. */
static void
place_futures(struct plan *p, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; op->code == OP_WAIT && j < op->nin; j++)
			if (op->out[j]->slot)
				memory_take_place(p, op->in[j].v, op->out[j]);
		place_futures(p, &op->body);
	}
}

/* The caller says where a result of the function goes. */
static bool
goes_out(struct plan *p, const struct value *v)
{
	const struct value *then = p->comes[v->id];

	return memory_called(p->f) && returned(p->f, then ? then : v);
}

/* v is a result of the op at `at`. */
static bool
in_group_only(const struct plan *p, const struct groups *g, int at,
    const struct value *v)
{
	const struct op *op = g->r->op[at];
	struct op_list l;

	if (op->group < 0)
		return op->code == OP_CONST;
	groups_collect(g, at, &l);
	return !memory_read_outside(p, v, l.op, l.n);
}

static void place_region(struct plan *p, struct region *r);

static void
place_result(struct plan *p, const struct groups *g, int at, int i)
{
	struct op *op = g->r->op[at];
	struct value *v = op->out[i], *then;
	int acc;

	if (v->slot || p->of[v->id] >= 0 || op->code == OP_TAKE ||
	    op->code == OP_PARAMS)
		return; /* addresses inside of something else */
	if (op->has_target && i == 0)
		return;
	if (i == 2 && group_head_store(p->f, g->r, at))
		return; /* straight into its field */
	if (in_group_only(p, g, at, v) && group_result(op, i) == RESULT_SPACE)
		return;
	if (goes_out(p, v))
		return;
	if (op->code == OP_WAIT) {
		memory_take_place(p, v, op->in[i].v);
		return;
	}
	acc = op->nin - op->into + i;
	if (acc < op->nin && memory_accumulated(op, acc) == v &&
	    op->in[acc].v->slot && p->of[op->in[acc].v->id] >= 0) {
		memory_take_place(p, v, op->in[acc].v);
		return;
	}
	then = p->comes[v->id];
	p->of[v->id] = memory_new_place(p, memory_slot_name(p, then ? then->name :
	    v->name), value_local_bytes(p->m, v), 1);
	v->slot = p->place[p->of[v->id]].name;
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
place_scratch(struct plan *p, const struct groups *g, int at)
{
	struct op *op = g->r->op[at];
	struct op_list l;
	uint64_t size = 0;
	int i;

	if (op->code == OP_ROPE || op->code == OP_ROPE_BWD)
		rope_table(p->m, op);
	if (op->code == OP_XENT_DOT || op->code == OP_XENT_DOT_BWD)
		size = head_scratch(p->m, op);
	if (op->group >= 0 && groups_collect(g, at, &l) && l.op[0] == op)
		size = group_scratch(p->m, l.op, l.n);
	if (!size)
		return;
	i = memory_new_place(p, module_namez(p->m, arena_printf(p->m->mem,
	    "%s.scratch%d", p->f->name, p->nplace)), size, 1);
	op->scratch = p->place[i].name;
}

static void
place_region(struct plan *p, struct region *r)
{
	struct groups g = groups_of(p->m->mem, r);

	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; j < op->nout; j++)
			place_result(p, &g, i, j);
		if (op->code == OP_FOR)
			place_region(p, &op->body);
		place_scratch(p, &g, i);
	}
}

void
memory_share(struct plan *p)
{
	place_saved(p);
	place_loaded(p);
	memory_carries(p, &p->f->body);
	place_futures(p, &p->f->body);
	place_region(p, &p->f->body);
}
