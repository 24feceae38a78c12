/* Functions, values, ops and regions. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "ir/ir.h"
#include "ir/typetable.h"

const struct op_info op_info[OP_COUNT] = {
#define OP(code, text, nin, nout, group, rule, summary) \
	[OP_##code] = {text, nin, nout, GROUP_##group, summary},
#include "ir/ops.def"
};

bool
op_from_name(const char *name, size_t len, enum opcode *out)
{
	for (int i = 0; i < OP_COUNT; i++)
		if (strlen(op_info[i].name) == len &&
		    memcmp(op_info[i].name, name, len) == 0) {
			*out = (enum opcode)i;
			return true;
		}
	return false;
}

struct value *
func_find(const struct func *f, const char *name)
{
	for (int i = 0; i < f->nvalue; i++)
		if (f->value[i]->name && (f->value[i]->name == name ||
		    strcmp(f->value[i]->name, name) == 0))
			return f->value[i];
	return NULL;
}

/* ---- names in use: open addressing, at most half full, never NULL ---- */

static uint64_t
hash_name(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	while (*s)
		h = (h ^ (unsigned char)*s++) * 0x100000001b3;
	return h ^ h >> 32;
}

/* Where name is, or belongs. */
static struct used_name *
used_place(const struct func *f, const char *name)
{
	size_t i = (size_t)hash_name(name) & (f->usedcap - 1);

	while (f->used[i].name && f->used[i].name != name &&
	    strcmp(f->used[i].name, name) != 0)
		i = (i + 1) & (f->usedcap - 1);
	return &f->used[i];
}

static void
grow_used(struct module *m, struct func *f)
{
	struct used_name *old = f->used;
	size_t n = f->usedcap;

	f->usedcap = n ? 2 * n : 32;
	f->used = NEW_N(m->mem, struct used_name, f->usedcap);
	for (size_t i = 0; i < n; i++)
		if (old[i].name)
			*used_place(f, old[i].name) = old[i];
}

static void
use_name(struct module *m, struct func *f, const char *name)
{
	struct used_name *place;

	if (2 * f->nused >= f->usedcap)
		grow_used(m, f);
	place = used_place(f, name);
	f->nused += !place->name;
	place->name = name;
}

bool
func_uses(const struct func *f, const char *name)
{
	return f->usedcap && used_place(f, name)->name;
}

void
func_name(struct module *m, struct func *f, struct value *v, const char *name)
{
	v->name = module_namez(m, name);
	use_name(m, f, v->name);
}

const char *
func_fresh(struct module *m, struct func *f, const char *base)
{
	char name[256];
	struct used_name *x;

	if (!func_uses(f, base))
		return module_namez(m, base);
	for (x = used_place(f, base);; x->tried++) {
		snprintf(name, sizeof name, "%.200s%d", base, x->tried + 1);
		if (!func_uses(f, name))
			return module_namez(m, name);
	}
}

struct value *
func_value(struct module *m, struct func *f, const char *name,
    const struct type *t, struct span at)
{
	struct value *v = NEW(m->mem, struct value);

	if (f->nvalue == f->valuecap) {
		struct value **old = f->value;

		f->valuecap = f->valuecap ? f->valuecap * 2 : 16;
		f->value = NEW_N(m->mem, struct value *, (size_t)f->valuecap);
		if (f->nvalue)
			memcpy(f->value, old,
			    sizeof *old * (size_t)f->nvalue);
	}
	if (name)
		func_name(m, f, v, name);
	v->type = t;
	v->id = f->nvalue;
	v->at = at;
	return f->value[f->nvalue++] = v;
}

struct value *
func_add_param(struct module *m, struct func *f, const char *name,
    const struct type *t, struct span at)
{
	struct value **old = f->param;

	/* Signatures are short and built once. */
	f->param = NEW_N(m->mem, struct value *, (size_t)f->nparam + 1);
	if (f->nparam)
		memcpy(f->param, old, sizeof *old * (size_t)f->nparam);
	return f->param[f->nparam++] = func_value(m, f, name, t, at);
}

struct op *
op_new(struct module *m, enum opcode code, int nin, int nout, struct span at)
{
	struct op *op = NEW(m->mem, struct op);

	op->code = (uint16_t)code;
	op->nin = nin;
	op->nout = nout;
	op->in = NEW_N(m->mem, struct arg, (size_t)nin);
	op->out = NEW_N(m->mem, struct value *, (size_t)nout);
	op->group = -1;
	op->at = at;
	return op;
}

/* Results of a placed op know it. */
static void
adopt(struct op *op)
{
	for (int i = 0; i < op->nout; i++)
		if (op->out[i])
			op->out[i]->def = op;
}

void
region_insert(struct module *m, struct region *r, int at, struct op *op)
{
	if (r->n == r->cap) {
		struct op **old = r->op;

		r->cap = r->cap ? r->cap * 2 : 16;
		r->op = NEW_N(m->mem, struct op *, (size_t)r->cap);
		if (r->n)
			memcpy(r->op, old, sizeof *old * (size_t)r->n);
	}
	if (at < r->n)
		memmove(r->op + at + 1, r->op + at,
		    sizeof *r->op * (size_t)(r->n - at));
	r->op[at] = op;
	r->n++;
	adopt(op);
}

void
region_append(struct module *m, struct region *r, struct op *op)
{
	region_insert(m, r, r->n, op);
}

struct op *
region_last(const struct region *r)
{
	return r->n ? r->op[r->n - 1] : NULL;
}

void
region_walk(struct region *r, void (*fn)(struct op *op, void *arg), void *arg)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		fn(op, arg);
		region_walk(&op->body, fn, arg);
	}
}

struct arg
arg_value(struct value *v)
{
	return (struct arg){.kind = ARG_VALUE, .v = v};
}

struct arg
arg_field(struct value *bundle, int field)
{
	return (struct arg){.kind = ARG_FIELD, .v = bundle, .field = field};
}

struct arg
arg_bundle(struct bundle *b)
{
	return (struct arg){.kind = ARG_BUNDLE, .b = b};
}

struct arg
arg_bundle_field(struct bundle *b, const struct affine *index, int field)
{
	struct arg a = {.kind = ARG_BUNDLE_FIELD, .b = b, .field = field};

	if (index) {
		a.indexed = true;
		a.index = *index;
	}
	return a;
}

/* As the value is stored: its dtype, and what is not added up yet. */
static const struct type *
field_type(struct module *m, const struct value *v, int field)
{
	struct type t = *v->bundle->field[field].type;

	t.dtype = v->dtype;
	t.pend = v->pend;
	return type_intern(m, &t);
}

const struct type *
arg_type(const struct module *m, const struct arg *a)
{
	/* Interning fills a table beside the module, it does not change it. */
	struct module *mm = (struct module *)m;

	switch (a->kind) {
	case ARG_VALUE:
		return a->v->type;
	case ARG_FIELD:
		return field_type(mm, a->v, a->field);
	case ARG_BUNDLE_FIELD:
		return a->b->field[a->field].type;
	default:
		return NULL;
	}
}

const struct type *
target_type(const struct module *m, const struct arg *a)
{
	struct type t;

	if (a->kind != ARG_BUNDLE_FIELD)
		return arg_type(m, a);
	t = *type_with_dtype((struct module *)m, arg_type(m, a),
	    (enum dtype)a->b->dtype);
	t.pend = a->b->pend;
	return type_intern((struct module *)m, &t);
}

/* Values seen so far in text order take the ids from 0 up. */
static void
keep(struct module *m, struct func *f, struct value *v)
{
	if (!v)
		return;
	v->id = f->nvalue;
	f->value[f->nvalue++] = v;
	if (v->name)
		use_name(m, f, v->name);
}

static void
keep_region(struct module *m, struct func *f, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; op->carry && j < op->nin; j++)
			keep(m, f, op->carry[j]);
		keep_region(m, f, &op->body);
		for (int j = 0; j < op->nout; j++)
			keep(m, f, op->out[j]);
	}
}

void
module_compact(struct module *m)
{
	for (int i = 0; i < m->nfunc; i++) {
		struct func *f = m->func[i];

		f->nvalue = 0;
		f->nused = 0;
		if (f->usedcap)
			memset(f->used, 0, sizeof *f->used * f->usedcap);
		for (int j = 0; j < f->nparam; j++)
			keep(m, f, f->param[j]);
		keep_region(m, f, &f->body);
	}
}
