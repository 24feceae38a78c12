/* Expressions: names, arithmetic with broadcasting, renaming. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "frontend/lower.h"

const char *
val_text(struct unit *u, const struct val *v)
{
	const struct param *p = v->param;

	switch (v->kind) {
	case VAL_NUMBER:
		return arena_printf(u->mem, "the number %.6g", v->num);
	case VAL_STRING:
		return "a string";
	case VAL_TENSOR:
		return arena_printf(u->mem, "%s %s", v->type->dtype == DT_I32
		    ? "indices" : v->type->rank ? "a tensor" : "a scalar",
		    dims_text(u, v->type));
	case VAL_PARAM:
		if (!p->is_map)
			return arena_printf(u->mem, "parameter %s %s", p->name,
			    dims_text(u, p->type));
		return arena_printf(u->mem, "the map %s : %s -> %s", p->name,
		    dims_span(u, p->type, 0, p->nin),
		    dims_span(u, p->type, p->nin, p->type->rank));
	case VAL_TUPLE:
		return arena_printf(u->mem, "%d values", v->nitem);
	default:
		return "nothing";
	}
}

struct val
as_tensor(struct unit *u, struct val v, struct span at)
{
	struct report r;

	if (v.kind == VAL_ERROR || v.kind == VAL_TENSOR)
		return v;
	if (v.kind == VAL_NUMBER)
		return emit_number(u, v.num, at);
	if (v.kind == VAL_PARAM && !v.param->is_map)
		return (struct val){.kind = VAL_TENSOR, .home = u->frame,
		    .arg = param_arg(u, v.param, at),
		    .type = type_with_dtype(u->m, v.param->type, u->act)};
	report_open(&r, u->d, DIAG_NOT_TENSOR, at,
	    "this must be a tensor, not %s", val_text(u, &v));
	if (v.kind == VAL_PARAM)
		report_help(&r, "apply the map: %s%s(x)", v.param->name,
		    v.transposed ? "'" : "");
	if (v.kind == VAL_TUPLE)
		report_help(&r, "give each a name: a, b = ...");
	report_close(&r);
	return val_error();
}

static struct val
name_value(struct unit *u, const struct expr *e)
{
	const struct sym *s = name_find(u, e->name,
	    1u << SYM_VALUE | 1u << SYM_PARAM | 1u << SYM_BLOCK);

	if (!s) {
		unknown_name(u, e->name, e->at);
		return val_error();
	}
	if (s->kind == SYM_BLOCK) {
		diag_report(u->d, DIAG_NOT_TENSOR, e->at,
		    "'%s' is a block; call it: %s(...)", s->name, s->name);
		return val_error();
	}
	if (s->kind == SYM_VALUE)
		return s->val;
	s->param->used = true;
	return (struct val){.kind = VAL_PARAM, .param = s->param};
}

/* ------------------------------------------------------------- arithmetic */

static bool
within(const struct type *part, const struct type *whole)
{
	int j = 0;

	for (int i = 0; i < part->rank; i++, j++) {
		while (j < whole->rank && part->d[i].name != whole->d[j].name)
			j++;
		if (j == whole->rank)
			return false;
	}
	return true;
}

/* Dims of a and b that differ in name only; the first such pair. */
static bool
same_size(struct unit *u, const struct type *a, const struct type *b, int *at)
{
	if (a->rank != b->rank)
		return false;
	*at = -1;
	for (int i = 0; i < a->rank; i++) {
		if (a->d[i].name == b->d[i].name)
			continue;
		if (dim_size(u, a->d[i].name) != dim_size(u, b->d[i].name))
			return false;
		*at = *at < 0 ? i : *at;
	}
	return *at >= 0;
}

static void
label_dim(struct unit *u, struct report *r, const char *dim)
{
	const struct dimdef *d = module_dim(u->m, dim);

	if (d->at.hi && strcmp(dim, "b") != 0 && strcmp(dim, "s") != 0)
		report_label(r, d->at, "dim %s = %llu", dim,
		    (unsigned long long)d->size);
}

static struct val
mismatch(struct unit *u, const struct type *a, const struct type *b,
    const struct expr *e)
{
	struct report r;
	int at;

	if (same_size(u, a, b, &at)) {
		const char *x = a->d[at].name, *y = b->d[at].name;

		report_open(&r, u->d, DIAG_SAME_SIZE, e->at,
		    "dims %s=%llu and %s=%llu have the same size but are "
		    "different dims", x, (unsigned long long)dim_size(u, x), y,
		    (unsigned long long)dim_size(u, y));
		label_dim(u, &r, x);
		label_dim(u, &r, y);
		report_help(&r, "write 'as %s' after the second if this is "
		    "intended", dims_text(u, a));
	} else {
		report_open(&r, u->d, DIAG_DIM_MISMATCH, e->at,
		    "'%c' of %s and %s: the dims of one side must be among "
		    "the other's, in the same order", e->op, dims_text(u, a),
		    dims_text(u, b));
	}
	report_close(&r);
	return val_error();
}

static enum opcode
opcode_of(char op)
{
	return op == '+' ? OP_ADD : op == '-' ? OP_SUB : op == '*' ? OP_MUL :
	    OP_DIV;
}

static struct val
fold_numbers(struct unit *u, double a, double b, const struct expr *e)
{
	double x = e->op == '+' ? a + b : e->op == '-' ? a - b :
	    e->op == '*' ? a * b : a / b;

	if (isfinite(x))
		return val_number(x);
	diag_report(u->d, DIAG_BIG_NUMBER, e->at,
	    "division by zero or a number that is too large");
	return val_error();
}

static bool
is_real(struct unit *u, const struct val *v, const struct expr *e, char op)
{
	if (v->type->dtype != DT_I32)
		return true;
	diag_report(u->d, DIAG_INDICES, e->at, "'%c' of %s: indices only "
	    "look rows up", op, val_text(u, v));
	return false;
}

static struct val
binary_op(struct unit *u, const struct expr *e)
{
	struct val a = lower_with_hint(u, e->a, NULL);
	struct val b = lower_with_hint(u, e->b, NULL);
	struct op *op;

	if (a.kind == VAL_NUMBER && b.kind == VAL_NUMBER)
		return fold_numbers(u, a.num, b.num, e);
	a = as_tensor(u, a, e->a->at);
	b = as_tensor(u, b, e->b->at);
	if (a.kind == VAL_ERROR || b.kind == VAL_ERROR)
		return val_error();
	if (!is_real(u, &a, e->a, e->op) || !is_real(u, &b, e->b, e->op))
		return val_error();
	if (!within(a.type, b.type) && !within(b.type, a.type))
		return mismatch(u, a.type, b.type, e);
	op = emit(u, opcode_of(e->op), 2, e->at);
	op->in[0] = emit_arg(u, &a, e->at);
	op->in[1] = emit_arg(u, &b, e->at);
	return emit_result(u, op, NULL, "y");
}

static struct val
negate(struct unit *u, const struct expr *e)
{
	struct val a = lower_with_hint(u, e->a, NULL);
	struct op *op;

	if (a.kind == VAL_NUMBER)
		return val_number(-a.num);
	a = as_tensor(u, a, e->a->at);
	if (a.kind == VAL_ERROR || !is_real(u, &a, e->a, '-'))
		return val_error();
	op = emit(u, OP_NEG, 1, e->at);
	op->in[0] = emit_arg(u, &a, e->at);
	return emit_result(u, op, NULL, "y");
}

/* ----------------------------------------------------------------- others */

static struct val
transpose(struct unit *u, const struct expr *e)
{
	struct val a = lower_with_hint(u, e->a, NULL);

	if (a.kind == VAL_ERROR)
		return a;
	if (a.kind != VAL_PARAM || !a.param->is_map) {
		diag_report(u->d, DIAG_NOT_MAP, e->at,
		    "only a map can be transposed, not %s", val_text(u, &a));
		return val_error();
	}
	a.transposed = !a.transposed;
	return a;
}

static struct val
index_of(struct unit *u, const struct expr *e)
{
	struct val table = lower_with_hint(u, e->a, NULL);
	struct val index = lower_with_hint(u, e->b, NULL);

	if (table.kind == VAL_ERROR || index.kind == VAL_ERROR)
		return val_error();
	if (table.kind == VAL_PARAM)
		return lookup(u, &table, index, e);
	diag_report(u->d, DIAG_LOOKUP, e->a->at,
	    "rows are looked up in a map, not in %s", val_text(u, &table));
	return val_error();
}

static struct val
bad_rename(struct unit *u, const struct val *x, const struct type *t, int at,
    const struct expr *e)
{
	if (at < 0)
		diag_report(u->d, DIAG_RENAME, e->at,
		    "%s has %d dims, 'as' names %d", dims_text(u, x->type),
		    x->type->rank, t->rank);
	else
		diag_report(u->d, DIAG_RENAME, e->at,
		    "'as' only renames: %s = %llu cannot become %s = %llu",
		    x->type->d[at].name, (unsigned long long)dim_size(u,
		    x->type->d[at].name), t->d[at].name,
		    (unsigned long long)dim_size(u, t->d[at].name));
	return val_error();
}

static struct val
rename_dims(struct unit *u, const struct expr *e)
{
	struct val x = lower_expr(u, e->a);
	struct type t = {0};
	struct op *op;

	x = as_tensor(u, x, e->a->at);
	if (!dims_resolve(u, &e->dims, &t) || x.kind == VAL_ERROR)
		return val_error();
	if (t.rank != x.type->rank)
		return bad_rename(u, &x, &t, -1, e);
	for (int i = 0; i < t.rank; i++)
		if (dim_size(u, t.d[i].name) !=
		    dim_size(u, x.type->d[i].name))
			return bad_rename(u, &x, &t, i, e);
	t.dtype = x.type->dtype;
	if (type_intern(u->m, &t) == x.type)
		return x;
	op = emit(u, OP_RENAME, 1, e->at);
	op->in[0] = emit_arg(u, &x, e->at);
	return emit_result(u, op, type_intern(u->m, &t), "y");
}

static struct val
lower_kind(struct unit *u, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_NUMBER:
		return val_number(e->num);
	case EXPR_STRING:
		return (struct val){.kind = VAL_STRING, .text = e->name};
	case EXPR_NAME:
		return name_value(u, e);
	case EXPR_BINARY:
		return binary_op(u, e);
	case EXPR_NEGATE:
		return negate(u, e);
	case EXPR_CALL:
		return lower_call(u, e);
	case EXPR_INDEX:
		return index_of(u, e);
	case EXPR_TRANSPOSE:
		return transpose(u, e);
	case EXPR_RENAME:
		return rename_dims(u, e);
	default:
		return val_error();
	}
}

struct val
lower_expr(struct unit *u, const struct expr *e)
{
	struct val v;

	if (too_deep(u, e->at))
		return val_error();
	u->depth++;
	v = lower_kind(u, e);
	u->depth--;
	return v;
}

struct val
lower_with_hint(struct unit *u, const struct expr *e, const char *hint)
{
	const char *before = u->hint;
	struct val v;

	u->hint = hint;
	v = lower_expr(u, e);
	u->hint = before;
	return v;
}
