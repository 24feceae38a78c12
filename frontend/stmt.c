/* Statements of a body, in order. */
#include "config.h"

#include <string.h>

#include "frontend/lower.h"

static void
assign(struct unit *u, const struct ident *id, struct val v)
{
	const struct sym *s = name_find(u, id->name,
	    1u << SYM_VALUE | 1u << SYM_PARAM | 1u << SYM_BLOCK);
	struct report r;

	if (s && s->level == u->level && s->kind != SYM_VALUE) {
		report_open(&r, u->d, DIAG_DEFINED_TWICE, id->at, s->kind ==
		    SYM_PARAM ? "parameter '%s' cannot be assigned to" :
		    "block '%s' cannot be assigned to", id->name);
		report_label(&r, s->at, "declared here");
		report_close(&r);
		return;
	}
	name_push(u, (struct sym){.kind = SYM_VALUE, .name = id->name,
	    .at = id->at, .val = v});
}

/* The declared dims of `y : [b s e] = ...`. */
static struct val
check_declared(struct unit *u, const struct stmt *s, struct val v)
{
	struct type t = {0};

	if (!dims_resolve(u, &s->dims, &t))
		return val_error();
	v = as_tensor(u, v, s->value->at);
	if (v.kind == VAL_ERROR)
		return v;
	t.dtype = v.type->dtype;
	if (type_intern(u->m, &t) == v.type)
		return v;
	diag_report(u->d, DIAG_DECLARED, s->value->at,
	    "'%s' is declared %s, but the value is %s", s->target.first->name,
	    dims_text(u, &t), dims_text(u, v.type));
	return val_error();
}

static void
define_block(struct unit *u, struct block *b)
{
	if (!name_is_new(u, &b->id, SYM_BLOCK))
		return;
	name_push(u, (struct sym){.kind = SYM_BLOCK, .name = b->id.name,
	    .at = b->id.at, .block = b, .env = u->env});
}

/* All of them, before any name changes: x, y = y, x; */
static struct val
results(struct unit *u, const struct stmt *s)
{
	struct val v = {.kind = VAL_TUPLE};

	v.item = NEW_N(u->mem, struct val, (size_t)s->results.n);
	for (const struct actual *a = s->results.first; a; a = a->next) {
		struct val x = lower_with_hint(u, a->value,
		    s->results.n == 1 ? u->hint : NULL);

		if (x.kind == VAL_TUPLE) {
			diag_report(u->d, DIAG_NOT_TENSOR, a->value->at,
			    "this gives %s; name them first",
			    val_text(u, &x));
			x = val_error();
		}
		v.item[v.nitem++] = x;
	}
	return v;
}

static void
assign_all(struct unit *u, const struct stmt *s)
{
	bool one = s->target.n == 1;
	struct val v = s->results.n > 1 ? results(u, s) :
	    lower_with_hint(u, s->value, one ? s->target.first->name : NULL);
	int n = v.kind == VAL_TUPLE ? v.nitem : 1, i = 0;

	if (v.kind != VAL_ERROR && n != s->target.n) {
		diag_report(u->d, DIAG_ASSIGN_COUNT, s->at,
		    "%d name%s for %d value%s", s->target.n, one ? "" : "s", n,
		    n == 1 ? "" : "s");
		v = val_error();
	}
	if (s->typed && !one)
		diag_report(u->d, DIAG_DECLARED, s->at,
		    "dims can be declared for one name at a time");
	if (s->typed && one)
		v = check_declared(u, s, v);
	for (const struct ident *id = s->target.first; id; id = id->next, i++)
		assign(u, id, v.kind == VAL_TUPLE ? v.item[i] : v);
}

static void
lower_stmt(struct unit *u, const struct stmt *s)
{
	switch (s->kind) {
	case STMT_DIM:
		for (const struct dimdecl *d = s->dim; d; d = d->next)
			dim_define(u, d);
		break;
	case STMT_PARAM:
		lower_params(u, s);
		break;
	case STMT_BLOCK:
		define_block(u, s->block);
		break;
	case STMT_REPEAT:
		lower_repeat(u, s);
		break;
	default:
		assign_all(u, s);
	}
}

/* Blocks that nothing has called were not checked: say so. */
static void
check_called(struct unit *u, const struct body *b)
{
	for (const struct stmt *s = b->first; s && !u->broken && !u->skipped;
	    s = s->next)
		if (s->kind == STMT_BLOCK && !s->block->called)
			diag_report(u->d, DIAG_UNUSED_BLOCK, s->block->id.at,
			    "block '%s' is never called",
			    s->block->id.name);
}

struct val
lower_body(struct unit *u, const struct body *b)
{
	struct val v = val_error();
	const struct stmt *s = b->first;

	for (; s && s->kind != STMT_RETURN; s = s->next)
		lower_stmt(u, s);
	if (s)
		v = results(u, s);
	if (s && s->next)
		diag_report(u->d, DIAG_AFTER_RETURN, s->next->at,
		    "nothing can follow return");
	if (!s && !u->broken)
		diag_report(u->d, DIAG_NO_RETURN, (struct span){b->at.hi -
		    (b->at.hi > 0), b->at.hi}, "no return before the end");
	check_called(u, b);
	return v;
}

void
lower_file(struct unit *u)
{
	for (const struct stmt *s = u->file->first; s; s = s->next)
		lower_stmt(u, s);
}

/* The body of a repeat: no return, names stay inside. */
void
lower_stmts(struct unit *u, const struct body *b)
{
	for (const struct stmt *s = b->first; s; s = s->next)
		if (s->kind != STMT_RETURN)
			lower_stmt(u, s);
		else
			diag_report(u->d, DIAG_AFTER_RETURN, s->at,
			    "no return inside of repeat: it gives its names "
			    "on");
	check_called(u, b);
}
