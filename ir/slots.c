#include "config.h"

#include "ir/slots.h"

#include <string.h>

#include "support/size.h"

struct follow {
	const struct module *m;
	const struct func *f;
	struct where *w;
	bool *known;
};

struct where
where_of(const struct value *v)
{
	struct where w = {.slot = v->slot};

	if (v->slot && v->slot_indexed) {
		w.indexed = true;
		w.index = v->slot_index;
	}
	return w;
}

static bool
same_index(const struct affine *a, const struct affine *b)
{
	if (a->k != b->k || a->n != b->n || a->mod != b->mod)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->var[i] != b->var[i] || a->coef[i] != b->coef[i])
			return false;
	return true;
}

bool
where_same(const struct where *a, const struct where *b)
{
	return a->slot == b->slot && a->indexed == b->indexed &&
	    (!a->indexed || same_index(&a->index, &b->index));
}

static void
know(struct follow *o, const struct value *v, struct where w)
{
	if (!v || o->known[v->id] || !w.slot)
		return;
	o->w[v->id] = w;
	o->known[v->id] = true;
}

static void
know_as(struct follow *o, const struct value *v, const struct value *from)
{
	if (from && o->known[from->id])
		know(o, v, o->w[from->id]);
}

/* w with the variable var replaced by to + k; to NULL: by k. */
static struct where
replace(struct where w, const char *var, const char *to, int64_t k)
{
	struct affine *a = &w.index;

	for (int i = 0; w.indexed && i < a->n; i++) {
		if (a->var[i] != var)
			continue;
		a->k += a->coef[i] * k;
		if (to) {
			a->var[i] = to;
			continue;
		}
		a->n--;
		memmove(a->var + i, a->var + i + 1,
		    (size_t)(a->n - i) * sizeof *a->var);
		memmove(a->coef + i, a->coef + i + 1,
		    (size_t)(a->n - i) * sizeof *a->coef);
		i--;
	}
	if (a->n == 0 && a->mod > 0) {
		a->k = (a->k % a->mod + a->mod) % a->mod;
		a->mod = 0;
	}
	return w;
}

/* ---- its own place ---- */

static const struct slot *
slot_in(const struct module *m, const char *func, const char *name)
{
	char text[512];
	int n = snprintf(text, sizeof text, "%s.%s", func, name);

	return n < (int)sizeof text ? module_slot(m, text) : NULL;
}

static void
own_places(struct follow *o)
{
	for (int i = 0; i < o->f->nvalue; i++) {
		const struct value *v = o->f->value[i];
		const struct slot *s;

		if (!v || !v->name || o->known[i])
			continue;
		s = slot_in(o->m, o->f->name, v->name);
		if (s && s->count == 1)
			know(o, v, (struct where){.slot = s->name});
	}
	for (int i = 0; i < o->f->nparam && !o->f->index; i++) {
		const struct value *v = o->f->param[i];
		const struct slot *s = slot_in(o->m, "io", v->name);

		if (s)
			know(o, v, (struct where){.slot = s->name});
	}
}

/* ---- where it comes from ---- */

static void
from_twin(struct follow *o, const struct op *op)
{
	const struct func *twin = o->f->twin;

	for (int i = 0; twin && i < op->nout; i++) {
		const struct value *v = func_find(twin, op->out[i]->name);
		struct where w = v ? where_of(v) : (struct where){NULL};

		if (w.slot && twin->index && o->f->index)
			know(o, op->out[i], replace(w, twin->index,
			    o->f->index, 0));
	}
}

/* The carry's place before trip i of the loop. */
static struct where
carry_at(const struct follow *o, const struct op *op, int i, int64_t trip)
{
	return replace(o->w[op->carry[i]->id], op->var, NULL, trip);
}

static void from_region(struct follow *o, const struct region *r);

static void
from_loop(struct follow *o, const struct op *op)
{
	int64_t end = op->rev ? (int64_t)bound_eval(o->m, &op->lo) - 1 :
				(int64_t)bound_eval(o->m, &op->hi);

	for (int i = 0; i < op->nin; i++)
		know_as(o, op->carry[i], op->in[i].v);
	from_region(o, &op->body);
	for (int i = 0; i < op->nout && i < op->nin; i++)
		if (o->known[op->carry[i]->id])
			know(o, op->out[i], carry_at(o, op, i, end));
}

static void
from_accumulators(struct follow *o, const struct op *op)
{
	int first = op->nin - op->into;

	for (int i = 0; i < op->into && i < op->nout; i++)
		if (op->in[first + i].consume && op->out[i]->name)
			know_as(o, op->out[i], op->in[first + i].v);
}

static void
from_region(struct follow *o, const struct region *r)
{
	for (int k = 0; k < r->n; k++) {
		const struct op *op = r->op[k];

		if (op->code == OP_LOAD)
			from_twin(o, op);
		else if (op->code == OP_FOR)
			from_loop(o, op);
		else
			from_accumulators(o, op);
		for (int i = 0; op->code == OP_WAIT && i < op->nin; i++)
			know_as(o, op->out[i], op->in[i].v);
	}
}

/* ---- where it goes ---- */

static void to_region(struct follow *o, const struct region *r);

static void
to_loop(struct follow *o, const struct op *op)
{
	const struct op *yield = region_last(&op->body);
	int64_t first = op->rev ? (int64_t)bound_eval(o->m, &op->hi) - 1 :
				  (int64_t)bound_eval(o->m, &op->lo);

	for (int i = 0; yield && i < op->nin && i < yield->nin; i++)
		if (o->known[op->carry[i]->id])
			know(o, yield->in[i].v, replace(
			    o->w[op->carry[i]->id], op->var, op->var,
			    op->rev ? -1 : 1));
	to_region(o, &op->body);
	for (int i = 0; i < op->nin; i++)
		if (o->known[op->carry[i]->id])
			know(o, op->in[i].v, carry_at(o, op, i, first));
}

static void
to_region(struct follow *o, const struct region *r)
{
	for (int k = r->n - 1; k >= 0; k--) {
		const struct op *op = r->op[k];

		if (op->code == OP_FOR)
			to_loop(o, op);
		for (int i = 0; op->code == OP_WAIT && i < op->nin; i++)
			know_as(o, op->in[i].v, op->out[i]);
	}
}

void
slots_follow(const struct module *m, const struct func *f, const bool *said,
    struct where *w)
{
	struct follow o = {m, f, w, NULL};

	o.known = NEW_N(m->mem, bool, (size_t)f->nvalue + 1);
	for (int i = 0; i < f->nvalue; i++) {
		w[i] = (struct where){NULL};
		o.known[i] = said[i];
		if (said[i] && f->value[i])
			w[i] = where_of(f->value[i]);
	}
	own_places(&o);
	from_region(&o, &f->body);
	to_region(&o, &f->body);
}

/* ---- names ---- */

const char *
slot_short(const struct module *m, const struct func *f, const char *name)
{
	size_t n = strlen(f->name);

	if (strncmp(name, f->name, n) != 0 || name[n] != '.' ||
	    strchr(name + n + 1, '.') || module_slot(m, name + n + 1) ||
	    !module_slot(m, name))
		return name;
	return name + n + 1;
}

const char *
slot_meant(const struct module *m, const struct func *f, const char *name)
{
	const struct slot *s = module_slot(m, name);

	if (!s)
		s = slot_in(m, f->name, name);
	return s ? s->name : name;
}

/* ---- bundles ---- */

uint64_t
slot_end(const struct slot *s)
{
	uint64_t bytes, end;

	if (!size_mul(s->count, s->stride, &bytes) ||
	    !size_add(s->offset, bytes, &end) ||
	    !size_add(end, SLOT_ALIGN - 1, &end))
		return 0;
	return end / SLOT_ALIGN * SLOT_ALIGN;
}

bool
slot_same_shape(const struct slot *a, const struct slot *b)
{
	return a->size == b->size && a->count == b->count &&
	    a->stride == b->stride;
}

int
slots_of_bundle(struct module *m, const struct bundle *b, bool cast,
    uint64_t offset, struct slot *s)
{
	const struct dimdef *stack = b->stack ? module_dim(m, b->stack) : NULL;
	struct slot x = {.arena = ARENA_STATE, .offset = offset};
	uint64_t size = dtype_size[!cast ? b->dtype :
	    b->dtype == DT_F32 ? DT_BF16 : DT_F32];

	x.count = stack ? (uint32_t)stack->size : 1;
	if (bundle_is_image(m, b)) {
		x.name = b->name;
		x.size = x.stride = bundle_block(m, b, &b->flat) * size;
		s[0] = x;
		return !cast;
	}
	for (int i = 0; i < b->nfield; i++) {
		x.name = module_namez(m, arena_printf(m->mem,
		    cast ? "%s.%s.cast" : "%s.%s", b->name,
		    b->field[i].name));
		x.size = x.stride = type_local_count(m, b->field[i].type) *
		    size;
		s[i] = x;
		x.offset = slot_end(&x);
	}
	return b->nfield;
}
