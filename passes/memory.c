/*
 * memory: every value gets a place in an arena, known before the run.
 *
 *   before                              after
 *   h = rmsnorm x, w.n1 : f32[b,s,e]    h = rmsnorm x, w.n1 : f32[b,s,e]
 *                                       slot   act layer: h 4K+1K
 *
 * Arenas: state (parameters, their copies in bf16, gradients, moments, rope
 * tables), keep (what
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

#include <string.h>

#include "passes/memory.h"

#include "ir/matrix.h"
#include "passes/pass.h"
#include "support/size.h"

static const uint64_t LIMIT = UINT64_C(1) << 56; /* of one place, in bytes */

uint64_t
memory_round(uint64_t n)
{
	return (n + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
}

/* n elements of size bytes, or an error and nothing. */
static uint64_t
checked(struct module *m, uint64_t n, uint64_t size)
{
	uint64_t bytes;

	if (size_mul(n, size, &bytes) && bytes < LIMIT)
		return bytes;
	diag_error(m->diag, (struct span){0, 0}, "the program needs more "
	    "memory than can be counted: %llu times %llu bytes",
	    (unsigned long long)n, (unsigned long long)size);
	return 0;
}

uint64_t
memory_take(struct module *m, enum arena_id arena, uint64_t n, uint64_t stride)
{
	uint64_t offset = m->arena_size[arena];

	m->arena_size[arena] = memory_round(checked(m, 1, offset +
	    checked(m, n, stride)));
	return offset;
}

int
memory_new_place(struct plan *p, const char *name, uint64_t size,
    uint32_t count)
{
	struct place *x = &p->place[p->nplace];

	*x = (struct place){.name = name, .count = count, .from = -1,
	    .to = -1};
	if (checked(p->m, count, size))
		x->size = memory_round(size);
	return p->nplace++;
}

bool
memory_called(const struct func *f)
{
	return f->index != NULL;
}

static void
place_params(struct plan *p)
{
	if (memory_called(p->f))
		return;
	for (int i = 0; i < p->f->nparam; i++)
		p->f->param[i]->slot = module_namez(p->m, arena_printf(
		    p->m->mem, "io.%s", p->f->param[i]->name));
}

static void
plan_func(struct module *m, struct func *f)
{
	struct plan p = {.m = m, .f = f};
	size_t n = (size_t)f->nvalue + 1, length;
	struct slot *frame;

	length = (size_t)memory_length(&f->body);
	p.place = NEW_N(m->mem, struct place, 2 * n + length);
	p.call = NEW_N(m->mem, struct frame_use, length + 1);
	p.of = NEW_N(m->mem, int, n);
	p.depth = NEW_N(m->mem, int, n);
	for (int i = 0; i < f->nvalue; i++)
		p.of[i] = -1;
	place_params(&p);
	memory_reads(&p);
	memory_share(&p);
	memory_clock(&p);
	memory_offsets(&p);
	frame = module_add_slot(m, module_namez(m, arena_printf(m->mem,
	    "%s.frame", f->name)));
	frame->arena = ARENA_ACT;
	frame->count = 1;
	frame->size = frame->stride = p.frame;
	if (p.frame > m->arena_size[ARENA_ACT])
		m->arena_size[ARENA_ACT] = p.frame;
}

/* ---- state and io ---- */

static uint64_t
layers_of(const struct module *m, const struct bundle *b)
{
	return b->stack ? module_dim(m, b->stack)->size : 1;
}

/* A gradient that step only ever touches a layer at a time, in one loop whose
 * trips begin by writing it, needs the room of a layer. */
struct use {
	const struct bundle *b;
	bool whole; /* as a whole, or added to */
	int loops;
};

static void
see_use(struct op *op, void *arg)
{
	struct use *u = arg;

	for (int i = 0; i < op->nin; i++)
		u->whole |= op->in[i].b == u->b && !op->in[i].indexed;
	u->whole |= op->has_target && op->target.b == u->b && op->target_add;
}

/* Is b touched in r, or in what is called there? */
static bool
occurs(const struct region *r, const struct bundle *b)
{
	bool any = false;

	for (int i = 0; i < r->n && !any; i++) {
		const struct op *op = r->op[i];

		for (int j = 0; j < op->nin; j++)
			any |= op->in[j].b == b;
		any |= (op->has_target && op->target.b == b) ||
		    occurs(&op->body, b) || (op->code == OP_CALL &&
		    occurs(&op->callee->body, b));
	}
	return any;
}

static bool
one_at_a_time(struct module *m, struct bundle *b)
{
	struct func *step = module_func(m, module_namez(m, "step"));
	struct use u = {.b = b};

	if (b->role != ROLE_GRAD || !b->stack || !step)
		return false;
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_use, &u);
	for (int i = 0; i < step->body.n && !u.whole; i++) {
		struct op *op = step->body.op[i];
		struct region one = {.op = &op, .n = 1};

		if (!occurs(&one, b))
			continue;
		u.loops++;
		u.whole = op->code != OP_FOR;
	}
	return !u.whole && u.loops == 1;
}

static void
place_field(struct module *m, const struct bundle *b, const struct field *f,
    enum dtype dt, uint64_t layers)
{
	uint64_t count = type_local_count(m, f->type);
	struct slot *s = module_add_slot(m, module_namez(m,
	    arena_printf(m->mem, dt == (enum dtype)b->dtype ? "%s.%s" :
	    "%s.%s.cast", b->name, f->name)));

	s->arena = ARENA_STATE;
	s->count = (uint32_t)layers;
	s->size = s->stride = count * dtype_size[dt]; /* packed: a tensor */
	s->offset = memory_take(m, ARENA_STATE, layers, s->size);
}

/* Layers that have a copy in another dtype at a time. */
static uint64_t
copies(const struct module *m, const struct bundle *b)
{
	return strcmp(module_text(m, "plan.copies", "all"), "layer") == 0 ? 1 :
	    layers_of(m, b);
}

static bool
few_copies(const struct module *m)
{
	return !module_setting(m, "target.gpu") &&
	    strcmp(module_text(m, "plan.copies", "few"), "few") == 0;
}

static void
see_cast(struct op *op, void *arg)
{
	struct module *m = arg;
	struct bundle *b;
	bool *need;

	if (op->code != OP_PARAMS)
		return;
	b = op->in[0].b;
	if (op->out[0]->dtype == b->dtype || !b->nfield)
		return;
	need = NEW_N(m->mem, bool, (size_t)b->nfield);
	if (few_copies(m))
		copies_needed(m, b, need);
	else
		memset(need, true, (size_t)b->nfield);
	for (int i = 0; i < b->nfield; i++)
		if (need[i] && !bundle_slot(m, b, i, ".cast"))
			place_field(m, b, &b->field[i],
			    (enum dtype)op->out[0]->dtype, copies(m, b));
}

/* All fields together, an element a layer. */
static void
place_image(struct module *m, const struct bundle *b)
{
	uint64_t layers = layers_of(m, b);
	struct slot *s = module_add_slot(m, b->name);

	s->arena = ARENA_STATE;
	s->count = (uint32_t)layers;
	s->size = s->stride = checked(m, bundle_block(m, b, &b->flat),
	    dtype_size[b->dtype]);
	s->offset = memory_take(m, ARENA_STATE, layers, s->size);
}

static void
place_bundle(struct module *m, struct bundle *b)
{
	uint64_t layers = one_at_a_time(m, b) ? 1 : layers_of(m, b);

	if (b->over)
		return;
	if (bundle_is_image(m, b)) {
		place_image(m, b);
		return;
	}
	for (int i = 0; i < b->nfield; i++)
		place_field(m, b, &b->field[i], (enum dtype)b->dtype, layers);
}

static void
place_state(struct module *m)
{
	for (int i = 0; i < m->nbundle; i++)
		place_bundle(m, m->bundle[i]);
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
		s->size = s->stride = memory_round(type_local_bytes(m, t));
		s->offset = memory_take(m, ARENA_IO, 1, s->size);
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
			v->slot = module_namez(m, "io.logits");
		}
	}
}

static int
memory(struct module *m)
{
	int before = m->diag->errors;

	m->stage = 'e';
	place_state(m);
	place_io(m);
	for (int i = 0; i < m->nfunc; i++) /* callees come before callers */
		if (memory_called(m->func[i]))
			plan_func(m, m->func[i]);
	for (int i = 0; i < m->nfunc; i++)
		if (!memory_called(m->func[i]))
			plan_func(m, m->func[i]);
	return m->diag->errors - before;
}

const struct pass pass_memory = {
	.name = "memory",
	.summary = "every value gets a planned place",
	.run = memory,
};
