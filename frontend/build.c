/* Lists and nodes of the syntax tree, as the grammar finds them. */
#include "config.h"

#include "frontend/build.h"

#include <ctype.h>
#include <string.h>

#include "support/buf.h"

/* Appends a node, a variable, to a list with ends first and last. */
#define PUSH(list, node) \
	((list).last ? ((list).last->next = (node)) : ((list).first = (node)), \
	 (list).last = (node))

/* A node of a struct type with the members given. */
#define NODE(p, type, ...) \
	((type *)memcpy(ast_node(p, sizeof(type)), &(type){__VA_ARGS__}, \
	    sizeof(type)))

struct idents
build_idents(struct parse *p, struct idents list, struct ident id)
{
	struct ident *node = ast_node(p, sizeof *node);

	*node = id;
	PUSH(list, node);
	list.n++;
	return list;
}

struct idents
build_front(struct parse *p, struct ident id, struct idents rest)
{
	struct ident *node = ast_node(p, sizeof *node);

	*node = id;
	node->next = rest.first;
	rest.first = node;
	if (!rest.last)
		rest.last = node;
	rest.n++;
	return rest;
}

struct actual *
build_actual(struct parse *p, const struct ident *id, struct expr *value)
{
	return NODE(p, struct actual, .value = value, .name = id ? id->name
	    : NULL, .at = id ? id->at : value->at);
}

struct actuals
build_actuals(struct parse *p, struct actuals list, struct actual *a)
{
	(void)p;
	PUSH(list, a);
	list.n++;
	return list;
}

struct formal *
build_formal(struct parse *p, struct ident id, struct idents dims,
    struct span at)
{
	return NODE(p, struct formal, .id = id, .dims = dims, .at = at);
}

struct formals
build_formals(struct parse *p, struct formals list, struct formal *f)
{
	(void)p;
	PUSH(list, f);
	list.n++;
	return list;
}

struct dimdecl *
build_dim(struct parse *p, struct ident id, struct expr *value)
{
	return NODE(p, struct dimdecl, .id = id, .value = value);
}

struct pdecl *
build_param(struct parse *p, struct ident id, struct idents family,
    struct idents in, struct span at)
{
	return NODE(p, struct pdecl, .id = id, .family = family, .in = in,
	    .at = at);
}

struct pdecl *
build_map(struct parse *p, struct pdecl *d, struct idents out)
{
	(void)p;
	d->is_map = true;
	d->out = out;
	return d;
}

struct expr *
build_binary(struct parse *p, char op, struct expr *a, struct expr *b,
    struct span at)
{
	struct expr *e = ast_expr(p, EXPR_BINARY, at, a, b);

	e->op = op;
	return e;
}

struct expr *
build_call(struct parse *p, struct expr *callee, struct actuals args,
    struct span at)
{
	struct expr *e = ast_expr(p, EXPR_CALL, at, callee, NULL);

	for (struct actual *a = args.first; a; a = a->next)
		ast_child(p, e, a->value);
	e->args = args.first;
	e->nargs = args.n;
	return e;
}

struct expr *
build_rename(struct parse *p, struct expr *a, struct idents dims,
    struct span at)
{
	struct expr *e = ast_expr(p, EXPR_RENAME, at, a, NULL);

	e->dims = dims;
	return e;
}

struct body *
build_stmts(struct body *b, struct stmt *s)
{
	PUSH(*b, s);
	return b;
}

struct stmt *
build_dims(struct parse *p, struct dimdecl *d, struct span at)
{
	struct stmt *s = ast_stmt(p, STMT_DIM, at);

	s->dim = d;
	return s;
}

struct stmt *
build_params(struct parse *p, struct pdecl *d, struct expr *init,
    struct span at)
{
	struct stmt *s = ast_stmt(p, STMT_PARAM, at);

	s->param = d;
	s->value = init;
	return s;
}

struct stmt *
build_inner(struct parse *p, struct block *b, struct span at)
{
	struct stmt *s = ast_stmt(p, STMT_BLOCK, at);

	s->block = b;
	return s;
}

struct stmt *
build_assign(struct parse *p, struct idents target, struct actuals values,
    struct span at)
{
	struct stmt *s = ast_stmt(p, STMT_ASSIGN, at);

	s->target = target;
	s->results = values;
	s->value = values.first->value;
	return s;
}

struct stmt *
build_typed(struct parse *p, struct idents target, struct idents dims,
    struct expr *value, struct span at)
{
	struct actuals one = build_actuals(p, (struct actuals){0},
	    build_actual(p, NULL, value));
	struct stmt *s = build_assign(p, target, one, at);

	s->typed = true;
	s->dims = dims;
	return s;
}

struct stmt *
build_repeat(struct parse *p, struct expr *count, const struct ident *name,
    struct body *body, struct span at)
{
	struct stmt *s = ast_stmt(p, STMT_REPEAT, at);

	s->value = count;
	s->body = body;
	if (name)
		s->name = *name;
	return s;
}

struct stmt *
build_return(struct parse *p, struct actuals results, struct span at)
{
	struct stmt *s = ast_stmt(p, STMT_RETURN, at);

	s->results = results;
	return s;
}

struct block *
build_block(struct parse *p, struct ident id, struct formals formal,
    struct body *body, struct span at)
{
	return NODE(p, struct block, .id = id, .formal = formal, .body = body,
	    .at = at);
}

struct entry *
build_entry(struct parse *p, struct ident id, struct actuals value,
    struct span at)
{
	return NODE(p, struct entry, .id = id, .value = value, .at = at);
}

struct entry *
build_group(struct parse *p, struct ident id, struct entry *child,
    struct span at)
{
	return NODE(p, struct entry, .id = id, .child = child,
	    .is_group = true, .at = at);
}

/* Settings are few; the list's end is found by walking. */
struct entry *
build_entries(struct parse *p, struct entry *list, struct entry *e)
{
	struct entry **end = &list;
	int n = 0;

	for (; *end; end = &(*end)->next)
		if (++n > 1000) {
			if (!p->stopped)
				diag_report(p->d, DIAG_NESTING, e->at,
				    "more than 1000 settings");
			p->stopped = true;
			return list;
		}
	*end = e;
	return list;
}

void
build_file_dims(struct parse *p, struct dimdecl *d, struct span at)
{
	struct stmt *s = build_dims(p, d, at);

	PUSH(*p->file, s);
}

void
build_file_block(struct parse *p, struct block *b, struct span at)
{
	struct stmt *s = build_inner(p, b, at);

	PUSH(*p->file, s);
}

void
build_model(struct parse *p, struct block *b)
{
	struct file *f = p->file;

	*(f->model_last ? &f->model_last->next : &f->model) = b;
	f->model_last = b;
}

static void
add_settings(struct parse *p, struct settings **first, struct settings **last,
    struct settings s)
{
	struct settings *node = ast_node(p, sizeof *node);

	*node = s;
	*(*last ? &(*last)->next : first) = node;
	*last = node;
}

void
build_recipe(struct parse *p, struct ident id, struct entry *e, struct span at)
{
	add_settings(p, &p->file->recipe, &p->file->recipe_last,
	    (struct settings){.id = id, .entry = e, .at = at});
}

void
build_plan(struct parse *p, struct ident id, struct entry *e, struct span at)
{
	add_settings(p, &p->file->plan, &p->file->plan_last,
	    (struct settings){.id = id, .entry = e, .at = at});
}

enum { MANY = 6 };

/* After an expression nearly everything can follow; a semicolon must. */
static void
add_wanted(struct buf *b, const char *const *want, int n)
{
	for (int i = 0; i < n && n > MANY; i++)
		if (strcmp(want[i], "';'") == 0) {
			buf_puts(b, ", expected ';' or an operator");
			return;
		}
	for (int i = 0; i < n && n <= MANY; i++)
		buf_printf(b, "%s%s", i == 0 ? ", expected " :
		    i == n - 1 ? " or " : ", ", want[i]);
}

/* The word at s that is a name or keyword; "" if there is none. */
static const char *
word_at(struct parse *p, const char *s, const char *end)
{
	const char *from = s;

	while (s < end && (isalnum((unsigned char)*s) || *s == '_'))
		s++;
	return s - from > MAX_NAME ? "" :
	    arena_strndup(p->mem, from, (size_t)(s - from));
}

/* The word before `at`, blanks between them. */
static const char *
word_before(struct parse *p, uint32_t at)
{
	const char *s = p->d->src->text, *end, *from;

	for (end = s + at; end > s && isspace((unsigned char)end[-1]);)
		end--;
	for (from = end; from > s && (isalnum((unsigned char)from[-1]) ||
	    from[-1] == '_');)
		from--;
	return word_at(p, from, end);
}

/*
 * The keyword that was meant.  Where an item begins, keywords are expected
 * and the word that stands there may be one; a statement that began with a
 * name goes on with ':' or '=' unless the name was meant to be a keyword.
 */
static const char *
nearest_keyword(struct parse *p, struct span at, const char *const *want, int n)
{
	static const char *const statement[] = {"dim", "param", "block",
	    "repeat", "return", NULL};
	static const char *const item[] = {"dim", "model", "block", "recipe",
	    "plan", NULL};
	const char *text = p->d->src->text;

	for (int i = 0; i < n; i++) {
		if (strcmp(want[i], "model") == 0)
			return diag_nearest(word_at(p, text + at.lo,
			    text + at.hi), item);
		if (strcmp(want[i], "':'") == 0)
			return diag_nearest(word_before(p, at.lo), statement);
	}
	return NULL;
}

void
build_syntax_error(struct parse *p, struct span at, bool end,
    const char *const *want, int n)
{
	const char *s = p->d->src->text + at.lo;
	int len = (int)(at.hi - at.lo);
	const char *near;
	struct buf b = {0};
	struct report r;

	if (p->stopped || (p->stray && at.lo <= p->stray + 1))
		return; /* what was left out is to blame */
	add_wanted(&b, want, n);
	if (end)
		report_open(&r, p->d, DIAG_SYNTAX, at, "unexpected end of %s%s",
		    p->from ? "the value" : "the file", buf_text(&b));
	else
		report_open(&r, p->d, DIAG_SYNTAX, at, "unexpected '%.*s'%s%s",
		    len > 40 ? 40 : len, s, len > 40 ? "..." : "",
		    buf_text(&b));
	if ((near = nearest_keyword(p, at, want, n)))
		report_help(&r, "did you mean '%s'?", near);
	report_close(&r);
	buf_free(&b);
}
