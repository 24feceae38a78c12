/* Dims: their sizes, constant expressions, and lists of them. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/lower.h"
#include "frontend/setting.h"
#include "ir/verify.h"
#include "support/size.h"

static double
fold(char op, double a, double b)
{
	return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b :
	    a / b;
}

static bool
constant_name(struct unit *u, const struct expr *e, double *out)
{
	const struct sym *s = name_find(u, e->name, 1u << SYM_DIM);
	const struct dimdef *d = s ? module_dim(u->m, s->dim) : NULL;

	if (d) {
		*out = (double)d->size;
		return true;
	}
	diag_report(u->d, DIAG_NOT_CONSTANT, e->at,
	    "'%s' is not a dim with a size", e->name);
	return false;
}

bool
constant(struct unit *u, const struct expr *e, double *out)
{
	double a, b;

	switch (e->kind) {
	case EXPR_NUMBER:
		*out = e->num;
		return true;
	case EXPR_NAME:
		return constant_name(u, e, out);
	case EXPR_NEGATE:
		if (!constant(u, e->a, &a))
			return false;
		*out = -a;
		return true;
	case EXPR_BINARY:
		if (!constant(u, e->a, &a) || !constant(u, e->b, &b))
			return false;
		*out = fold(e->op, a, b);
		if (isfinite(*out))
			return true;
		diag_report(u->d, DIAG_BIG_NUMBER, e->at,
		    "division by zero or a number that is too large");
		return false;
	default:
		diag_report(u->d, DIAG_NOT_CONSTANT, e->at,
		    "a size is a number, a dim, or arithmetic on them");
		return false;
	}
}

static bool
size_of(struct unit *u, const struct dimdecl *d, uint64_t *size)
{
	const struct override *o = override_find(u, NULL, d->id.name);
	double x;

	if (!o && !constant(u, d->value, &x))
		return false;
	if (o && !override_size(u, o, size))
		return false;
	if (o)
		return true;
	if (x >= 1 && x <= (double)MAX_DIM_SIZE && x == floor(x)) {
		*size = (uint64_t)x;
		return true;
	}
	diag_report(u->d, DIAG_DIM_SIZE, d->value->at,
	    "dim %s = %.15g: sizes are whole numbers from 1 to 2^40",
	    d->id.name, x);
	return false;
}

/* A block that is called again declares the same dims again. */
static struct dimdef *
declared_before(struct unit *u, const struct dimdecl *d)
{
	for (int i = 0; i < u->m->ndim; i++)
		if (u->m->dim[i].at.lo == d->id.at.lo && d->id.at.hi > 0 &&
		    u->m->dim[i].at.hi == d->id.at.hi)
			return &u->m->dim[i];
	return NULL;
}

/* Dims of different bodies may share a name; the module knows one of each. */
static const char *
module_dim_name(struct unit *u, const char *name)
{
	const char *fresh = name;

	for (int i = 2; module_dim(u->m, fresh); i++)
		fresh = arena_printf(u->mem, "%s_%d", name, i);
	return module_namez(u->m, fresh);
}

void
dim_define(struct unit *u, const struct dimdecl *d)
{
	const struct dimdef *free = module_dim(u->m, d->id.name);
	struct sym s = {.kind = SYM_DIM, .name = d->id.name, .at = d->id.at};
	uint64_t size = 1;

	if (!name_is_new(u, &d->id, SYM_DIM))
		return;
	if (declared_before(u, d))
		free = declared_before(u, d);
	if (declared_before(u, d) ||
	    (!d->value && free && token_dim(d->id.name))) {
		s.dim = free->name;
		name_push(u, s);
		return;
	}
	if (!d->value && !token_dim(d->id.name) &&
	    !override_find(u, NULL, d->id.name)) {
		struct report r;

		report_open(&r, u->d, DIAG_FREE_DIM, d->id.at,
		    "dim '%s' has no size", d->id.name);
		report_help(&r, "only b and s are free: batch and sequence; "
		    "write %s = ...", d->id.name);
		report_close(&r);
	} else if (d->value && token_dim(d->id.name)) {
		diag_report(u->d, DIAG_FREE_DIM, d->id.at,
		    "dim '%s' is free: its size is the recipe's", d->id.name);
	} else if (d->value || override_find(u, NULL, d->id.name)) {
		size_of(u, d, &size);
	}
	s.dim = module_dim_name(u, d->id.name);
	module_add_dim(u->m, s.dim, size, d->id.at);
	name_push(u, s);
}

const struct dimdef *
dim_find(struct unit *u, const struct ident *id)
{
	const struct sym *s = name_find(u, id->name, 1u << SYM_DIM);
	const char *near;
	struct report r;

	if (s)
		return module_dim(u->m, s->dim);
	near = name_nearest(u, id->name, 1u << SYM_DIM);
	if (near)
		report_open(&r, u->d, DIAG_UNKNOWN_DIM, id->at,
		    "unknown dim '%s' (did you mean '%s'?)", id->name, near);
	else
		report_open(&r, u->d, DIAG_UNKNOWN_DIM, id->at,
		    "unknown dim '%s'", id->name);
	if (token_dim(id->name))
		report_help(&r, "begin the file with: dim b, s;");
	report_close(&r);
	return NULL;
}

bool
dims_resolve(struct unit *u, const struct idents *ids, struct type *t)
{
	bool ok = true;

	for (const struct ident *id = ids->first; id; id = id->next) {
		const struct dimdef *d = dim_find(u, id);

		ok &= d != NULL;
		if (!d)
			continue;
		for (int i = 0; i < t->rank; i++)
			if (t->d[i].name == d->name) {
				diag_report(u->d, DIAG_DIM_TWICE, id->at,
				    "dim %s occurs twice; for a square map "
				    "name a second dim of the same size",
				    id->name);
				return false;
			}
		if (t->rank == MAX_RANK) {
			diag_report(u->d, DIAG_RANK, id->at,
			    "more than %d dims", MAX_RANK);
			return false;
		}
		t->d[t->rank++] = (struct dim){.name = d->name};
	}
	return ok;
}

uint64_t
dim_size(const struct unit *u, const char *dim)
{
	return module_dim(u->m, dim)->size;
}

bool
token_dim(const char *dim)
{
	return strcmp(dim, "b") == 0 || strcmp(dim, "s") == 0;
}

const char *
dims_span(struct unit *u, const struct type *t, int from, int to)
{
	struct buf b = {0};
	const char *text;

	for (int i = from; i < to; i++)
		buf_printf(&b, "%s%s", i > from ? " " : "", t->d[i].name);
	text = arena_strndup(u->mem, buf_text(&b), b.len);
	buf_free(&b);
	return text;
}

const char *
dims_text(struct unit *u, const struct type *t)
{
	return arena_printf(u->mem, "[%s]", dims_span(u, t, 0, t->rank));
}

const char *
dims_product(struct unit *u, const struct type *t, int from, int to,
    uint64_t *product)
{
	const char *sizes = "";

	*product = 1;
	for (int i = from; i < to; i++) {
		uint64_t n = dim_size(u, t->d[i].name);

		if (!size_mul(*product, n, product))
			*product = UINT64_MAX;
		sizes = arena_printf(u->mem, "%s%s%" PRIu64, sizes,
		    i > from ? "*" : "", n);
	}
	return arena_printf(u->mem, "%s = %s", dims_span(u, t, from, to),
	    sizes);
}

bool
fits(struct unit *u, const struct type *t, uint64_t times, struct span at)
{
	uint64_t n;
	const char *text = dims_product(u, t, 0, t->rank, &n);

	if (size_mul(n, times, &n) && n <= MAX_ELEMENTS)
		return true;
	diag_report(u->d, DIAG_TOO_BIG, at,
	    "tensor of more than 2^48 elements: %s", text);
	return false;
}
