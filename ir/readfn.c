/*
 * Functions from text.  Signatures are read first, bodies when they are
 * needed: the results of a call are those of its callee's return, those of a
 * load are what the twin saved.
 *
 *   stmt = [lane '|'] [results '='] op args ['into' args] ['at' affine]
 *          ['on' hops | 'by' hops] ['when' cond] [attrs] [':' types]
 *          ['in' slots] ['using' slot] ['#' group]
 */
#include "config.h"

#include "ir/reader.h"

#include <ctype.h>
#include <string.h>

#include "ir/attr.h"
#include "ir/readfn.h"
#include "ir/typetable.h"

enum { SMALL = 1 << 20 }; /* coefficients; products with sizes stay exact */
#define LARGE ((int64_t)1 << 40)

static void
read_term(struct reader *r, struct affine *a, int sign)
{
	int64_t n = 1;
	const char *var;

	if (!at_word(r)) {
		n = read_int(r, 0, LARGE);
		if (!accept(r, "*")) {
			a->k += sign * n;
			return;
		}
		if (n > SMALL)
			fail_here(r, "a factor of more than %d", SMALL);
	}
	var = read_name(r);
	for (int i = 0; i < a->n; i++)
		if (a->var[i] == var) {
			fail_here(r, "'%s' occurs twice", var);
			return;
		}
	if (a->n == MAX_LOOPS) {
		fail_here(r, "more than %d variables", MAX_LOOPS);
		return;
	}
	a->var[a->n] = var;
	a->coef[a->n++] = sign * n;
}

struct affine
read_affine(struct reader *r)
{
	struct affine a = {0};
	bool paren = accept(r, "(");

	read_term(r, &a, accept(r, "-") ? -1 : 1);
	for (int i = 0; !r->failed && i < 2 * MAX_LOOPS; i++)
		if (accept(r, "+"))
			read_term(r, &a, 1);
		else if (accept(r, "-"))
			read_term(r, &a, -1);
		else
			break;
	if (paren)
		expect(r, ")");
	if (accept(r, "%"))
		a.mod = read_int(r, 1, LARGE);
	return a;
}

bool
read_index(struct reader *r, struct affine *a)
{
	if (!accept(r, "["))
		return false;
	*a = read_affine(r);
	expect(r, "]");
	return true;
}

static void
read_slot(struct reader *r, struct value *v)
{
	if (accept(r, "-")) {
		v->slot = module_namez(r->m, "-");
	} else { /* _ is none: read_places */
		v->slot = read_slot_name(r);
		v->slot_indexed = read_index(r, &v->slot_index);
	}
}

void
read_slots(struct reader *r, struct value **v, int n)
{
	if (!accept_word(r, "in"))
		return;
	for (int i = 0; i < n && !r->failed; i++) {
		if (i)
			expect(r, ",");
		read_slot(r, v[i]);
	}
}

/* The values of one function by name: open addressing, half full. */
static struct value **
name_slot(struct fn *fn, const char *name)
{
	size_t i = ((uintptr_t)name >> 4) * 0x9e3779b97f4a7c15u >> 32;

	for (i &= fn->cap - 1; fn->slot[i] && fn->slot[i]->name != name;)
		i = (i + 1) & (fn->cap - 1);
	return &fn->slot[i];
}

static void
grow_names(struct arena *mem, struct fn *fn)
{
	struct value **old = fn->slot;
	size_t n = fn->cap;

	fn->cap = n ? n * 2 : 64;
	fn->slot = NEW_N(mem, struct value *, fn->cap);
	for (size_t i = 0; i < n; i++)
		if (old[i])
			*name_slot(fn, old[i]->name) = old[i];
}

struct value *
define(struct reader *r, const struct result *res, const struct type *t)
{
	struct fn *fn = r->current;
	struct value *v, **slot;

	if (fn->nnames * 2 >= fn->cap)
		grow_names(r->m->mem, fn);
	v = func_value(r->m, fn->f, res->name, t, res->at);
	v->future = res->future;
	if (!res->name)
		return v;
	slot = name_slot(fn, v->name);
	if (*slot)
		fail_at(r, res->at, "'%s' is defined twice", v->name);
	*slot = v;
	fn->nnames++;
	return v;
}

static struct value *
find_value(struct fn *fn, const char *name)
{
	return fn->cap ? *name_slot(fn, name) : NULL;
}

struct result
read_result(struct reader *r)
{
	struct result res = {.future = accept(r, "~")};
	const char *from;

	skip_blank(r);
	from = r->p;
	res.name = read_name(r);
	res.at = span_from(r, from);
	return res;
}

static int
read_field(struct reader *r, const struct bundle *b)
{
	const char *from = r->p, *name = read_path(r);
	int i = bundle_field(b, name);

	if (i < 0)
		fail_at(r, span_from(r, from), "'%s' has no field '%s'",
		    b->name, name);
	return i < 0 ? 0 : i;
}

static struct bundle *
read_bundle_name(struct reader *r)
{
	const char *from = r->p, *name = read_name(r);
	struct bundle *b = module_bundle(r->m, name);

	if (!b)
		fail_at(r, span_from(r, from), "no bundle is called '%s'",
		    name);
	return b;
}

/* What follows the @: B, B[l], B.field, B[l].field */
static struct arg
read_bundle_arg(struct reader *r)
{
	struct arg a = {.kind = ARG_BUNDLE, .b = read_bundle_name(r)};

	if (r->failed)
		return a;
	a.indexed = read_index(r, &a.index);
	if (accept(r, ".")) {
		a.kind = ARG_BUNDLE_FIELD;
		a.field = read_field(r, a.b);
	}
	return a;
}

static struct arg
read_value_arg(struct reader *r)
{
	struct result res = read_result(r);
	struct arg a = {.kind = ARG_VALUE};

	a.v = r->failed ? NULL : find_value(r->current, res.name);
	if (!a.v) {
		fail_at(r, res.at, "no value is called '%s'", res.name);
		return a;
	}
	if (a.v->future != res.future)
		fail_at(r, res.at, a.v->future ?
		    "'%s' is in flight: write ~%s" :
		    "'%s' is not in flight: %s is written without ~",
		    res.name, res.name);
	if (!accept(r, "."))
		return a;
	if (!a.v->bundle) {
		fail_at(r, res.at, "'%s' is not a bundle and has no fields",
		    res.name);
		return a;
	}
	a.kind = ARG_FIELD;
	a.field = read_field(r, a.v->bundle);
	return a;
}

struct arg
read_arg(struct reader *r)
{
	bool consume = accept(r, "!");
	struct arg a;

	a = accept(r, "@") ? read_bundle_arg(r) : read_value_arg(r);
	a.consume = consume;
	return a;
}

static void
read_word_attr(struct reader *r, struct op *op, enum attr_key k)
{
	const char *from = r->p, *word = read_name(r);
	const char *const *w = attr_words(k);

	for (int i = 0; w[i]; i++)
		if (strcmp(w[i], word) == 0) {
			op_set_int(r->m, op, k, i);
			return;
		}
	fail_at(r, span_from(r, from), "'%s' is not a word for '%s'", word,
	    attr_info[k].name);
}

static void
read_attr_value(struct reader *r, struct op *op, enum attr_key k)
{
	switch (attr_info[k].kind) {
	case ATTRKIND_REAL:
		op_set_real(r->m, op, k, read_real(r));
		break;
	case ATTRKIND_INT:
		op_set_int(r->m, op, k, read_int(r, -LARGE, LARGE));
		break;
	case ATTRKIND_NAME:
		op_set_dim(r->m, op, k, read_name(r));
		break;
	default:
		read_word_attr(r, op, k);
	}
}

static void
read_attr(struct reader *r, struct op *op)
{
	const char *from = r->p, *name = read_name(r);

	for (int k = 0; k < ATTR_COUNT; k++) {
		if (strcmp(attr_info[k].name, name) != 0)
			continue;
		if (op_attr(op, (enum attr_key)k))
			fail_at(r, span_from(r, from), "'%s' twice", name);
		expect(r, "=");
		read_attr_value(r, op, (enum attr_key)k);
		return;
	}
	fail_at(r, span_from(r, from), "no attribute is called '%s'", name);
}

void
read_attrs(struct reader *r, struct op *op)
{
	if (!accept(r, "{"))
		return;
	do
		read_attr(r, op);
	while (!r->failed && accept(r, ","));
	expect(r, "}");
}

/* Index parameter first: l:L; the others name : type. */
static void
read_param(struct reader *r, bool first)
{
	struct func *f = r->current->f;
	struct result res = read_result(r);
	struct value *v;

	expect(r, ":");
	if (first && !at_type(r)) {
		f->index = res.name;
		f->index_dim = read_name(r);
		if (!r->failed && !module_dim(r->m, f->index_dim))
			fail_here(r, "no dimension is called '%s'",
			    f->index_dim);
		return;
	}
	if (accept(r, "@")) {
		v = func_add_param(r->m, f, res.name, NULL, res.at);
		v->bundle = read_bundle_name(r);
		read_storage_of(r, v);
	} else {
		v = func_add_param(r->m, f, res.name, read_type(r), res.at);
	}
	v->future = res.future;
	if (!r->current->cap)
		grow_names(r->m->mem, r->current);
	if (r->current->nnames * 2 >= r->current->cap)
		grow_names(r->m->mem, r->current);
	if (find_value(r->current, v->name))
		fail_at(r, res.at, "'%s' is defined twice", v->name);
	*name_slot(r->current, v->name) = v;
	r->current->nnames++;
	read_slots(r, &v, 1);
}

/* From behind the { to behind its }. */
static void
skip_body(struct reader *r, const struct func *f)
{
	int depth = 1;

	while (depth > 0) {
		skip_lines(r);
		if (r->p == r->end) {
			fail_at(r, f->at, "function '%s' is not closed",
			    f->name);
			return;
		}
		depth += *r->p == '{';
		depth -= *r->p == '}';
		r->p++;
	}
}

void
read_signature(struct reader *r)
{
	const char *from = r->p, *name = read_path(r);
	struct fn *fn = &r->fn[r->m->nfunc];
	struct func *f;

	if (!r->failed && module_func(r->m, name))
		fail_at(r, span_from(r, from), "function '%s' twice", name);
	if (r->m->nfunc == READ_ITEMS)
		fail_here(r, "more than %d functions", READ_ITEMS);
	if (r->failed)
		return;
	f = module_add_func(r->m, name, span_from(r, from));
	*fn = (struct fn){.f = f};
	r->current = fn;
	expect(r, "(");
	for (int i = 0; !r->failed && !at_char(r, ')'); i++) {
		if (i)
			expect(r, ",");
		if (i > READ_ITEMS)
			fail_here(r, "more than %d parameters", READ_ITEMS);
		read_param(r, i == 0);
	}
	expect(r, ")");
	expect(r, "{");
	fn->body = r->p;
	skip_body(r, f);
}

struct fn *
find_fn(struct reader *r, const char *name)
{
	for (int i = 0; i < r->m->nfunc; i++)
		if (r->fn[i].f->name == name)
			return &r->fn[i];
	return NULL;
}

/* Reads fn's body if that has not happened; the reader then goes on here. */
void
need_body(struct reader *r, struct fn *fn, struct span at)
{
	struct fn *outer = r->current;
	const char *back = r->p;
	int nloop = r->nloop;
	const char *loop[MAX_LOOPS];

	if (fn->state == BODY_DONE || r->failed)
		return;
	if (fn->state == BODY_READING) {
		fail_at(r, at, "function '%s' needs itself", fn->f->name);
		return;
	}
	if (!enter(r))
		return;
	memcpy(loop, r->loop, sizeof loop);
	fn->state = BODY_READING;
	r->current = fn;
	r->nloop = 0;
	r->p = fn->body;
	read_region(r, &fn->f->body);
	fn->state = BODY_DONE;
	r->current = outer;
	r->nloop = nloop;
	memcpy(r->loop, loop, sizeof loop);
	if (!r->failed)
		r->p = back;
	leave(r);
}

/* layer and layer.bwd know each other. */
static void
pair_twins(struct reader *r)
{
	char name[READ_NAME + 8];

	for (int i = 0; i < r->m->nfunc; i++) {
		struct func *f = r->m->func[i], *b;

		snprintf(name, sizeof name, "%s.bwd", f->name);
		if ((b = module_func(r->m, name))) {
			f->twin = b;
			b->twin = f;
		}
	}
}

void
read_bodies(struct reader *r)
{
	const char *end = r->p;

	pair_twins(r);
	for (int i = 0; i < r->m->nfunc && !r->failed; i++)
		need_body(r, &r->fn[i], r->fn[i].f->at);
	r->p = end;
}
