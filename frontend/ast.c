/* Nodes of the syntax tree, and their limits. */
#include "config.h"

#include "frontend/ast.h"

void *
ast_node(struct parse *p, size_t size)
{
	if (++p->items > MAX_ITEMS && !p->stopped) {
		diag_report(p->d, DIAG_TOO_LARGE, (struct span){0},
		    "more than %d syntax nodes", MAX_ITEMS);
		p->stopped = true;
	}
	return arena_alloc(p->mem, size);
}

void
ast_child(struct parse *p, struct expr *e, const struct expr *child)
{
	if (!child || child->depth < e->depth)
		return;
	e->depth = child->depth + 1;
	if (e->depth <= MAX_NESTING || p->stopped)
		return;
	diag_report(p->d, DIAG_NESTING, e->at,
	    "expression of more than %d levels", MAX_NESTING);
	p->stopped = true;
}

struct expr *
ast_expr(struct parse *p, enum expr_kind kind, struct span at,
    struct expr *a, struct expr *b)
{
	struct expr *e = ast_node(p, sizeof *e);

	e->kind = (uint8_t)kind;
	e->at = at;
	e->a = a;
	e->b = b;
	ast_child(p, e, a);
	ast_child(p, e, b);
	return e;
}

struct expr *
ast_name(struct parse *p, enum expr_kind kind, struct span at,
    const char *name)
{
	struct expr *e = ast_expr(p, kind, at, NULL, NULL);

	e->name = name;
	return e;
}

struct expr *
ast_number(struct parse *p, struct span at, double num)
{
	struct expr *e = ast_expr(p, EXPR_NUMBER, at, NULL, NULL);

	e->num = num;
	return e;
}

struct stmt *
ast_stmt(struct parse *p, enum stmt_kind kind, struct span at)
{
	struct stmt *s = ast_node(p, sizeof *s);

	s->kind = (uint8_t)kind;
	s->at = at;
	return s;
}
