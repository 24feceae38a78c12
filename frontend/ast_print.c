/* The syntax tree as indented text. */
#include "config.h"

#include "frontend/ast.h"

static void
tabs(FILE *out, int n)
{
	while (n-- > 0)
		fputs("  ", out);
}

static void
print_idents(const struct idents *list, FILE *out)
{
	for (const struct ident *i = list->first; i; i = i->next)
		fprintf(out, "%s%s", i == list->first ? "" : " ", i->name);
}

static void
print_args(const struct actual *list, FILE *out)
{
	for (const struct actual *a = list; a; a = a->next) {
		fputs(a == list ? "" : ", ", out);
		if (a->name)
			fprintf(out, "%s = ", a->name);
		ast_print_expr(a->value, out);
	}
}

void
ast_print_expr(const struct expr *e, FILE *out)
{
	switch (e->kind) {
	case EXPR_NUMBER:
		fprintf(out, "%.17g", e->num);
		break;
	case EXPR_STRING:
		fprintf(out, "\"%s\"", e->name);
		break;
	case EXPR_NAME:
		fputs(e->name, out);
		break;
	case EXPR_BINARY:
		fputc('(', out);
		ast_print_expr(e->a, out);
		fprintf(out, " %c ", e->op);
		ast_print_expr(e->b, out);
		fputc(')', out);
		break;
	case EXPR_NEGATE:
		fputs("(-", out);
		ast_print_expr(e->a, out);
		fputc(')', out);
		break;
	case EXPR_CALL:
		ast_print_expr(e->a, out);
		fputc('(', out);
		print_args(e->args, out);
		fputc(')', out);
		break;
	case EXPR_INDEX:
		ast_print_expr(e->a, out);
		fputc('[', out);
		ast_print_expr(e->b, out);
		fputc(']', out);
		break;
	case EXPR_TRANSPOSE:
		ast_print_expr(e->a, out);
		fputc('\'', out);
		break;
	case EXPR_RENAME:
		ast_print_expr(e->a, out);
		fputs(" as [", out);
		print_idents(&e->dims, out);
		fputc(']', out);
		break;
	default:
		fputs("error", out);
	}
}

static void print_body(const struct body *b, FILE *out, int depth);

static void
print_block(const char *what, const struct block *b, FILE *out, int depth)
{
	tabs(out, depth);
	fprintf(out, "%s %s(", what, b->id.name);
	for (const struct formal *f = b->formal.first; f; f = f->next) {
		fprintf(out, "%s%s[", f == b->formal.first ? "" : ", ",
		    f->id.name);
		print_idents(&f->dims, out);
		fputc(']', out);
	}
	fputs(")\n", out);
	print_body(b->body, out, depth + 1);
}

static void
print_params(const struct stmt *s, FILE *out, int depth)
{
	for (const struct pdecl *p = s->param; p; p = p->next) {
		tabs(out, depth);
		fprintf(out, "param %s : ", p->id.name);
		print_idents(&p->in, out);
		if (p->is_map) {
			fputs(" -> ", out);
			print_idents(&p->out, out);
		}
		if (s->value) {
			fputs(" ~ ", out);
			ast_print_expr(s->value, out);
		}
		fputc('\n', out);
	}
}

static void
print_dims(const struct stmt *s, FILE *out, int depth)
{
	for (const struct dimdecl *d = s->dim; d; d = d->next) {
		tabs(out, depth);
		fprintf(out, "dim %s", d->id.name);
		if (d->value) {
			fputs(" = ", out);
			ast_print_expr(d->value, out);
		}
		fputc('\n', out);
	}
}

static void
print_assign(const struct stmt *s, FILE *out, int depth)
{
	tabs(out, depth);
	for (const struct ident *i = s->target.first; i; i = i->next)
		fprintf(out, "%s%s", i == s->target.first ? "" : ", ",
		    i->name);
	if (s->typed) {
		fputs(" : [", out);
		print_idents(&s->dims, out);
		fputc(']', out);
	}
	fputs(" = ", out);
	print_args(s->results.first, out);
	fputc('\n', out);
}

static void
print_stmt(const struct stmt *s, FILE *out, int depth)
{
	switch (s->kind) {
	case STMT_DIM:
		print_dims(s, out, depth);
		break;
	case STMT_PARAM:
		print_params(s, out, depth);
		break;
	case STMT_BLOCK:
		print_block("block", s->block, out, depth);
		break;
	case STMT_REPEAT:
		tabs(out, depth);
		fputs("repeat ", out);
		ast_print_expr(s->value, out);
		if (s->name.name)
			fprintf(out, " as %s", s->name.name);
		fputc('\n', out);
		print_body(s->body, out, depth + 1);
		break;
	case STMT_RETURN:
		tabs(out, depth);
		fputs("return ", out);
		print_args(s->results.first, out);
		fputc('\n', out);
		break;
	default:
		print_assign(s, out, depth);
	}
}

static void
print_body(const struct body *b, FILE *out, int depth)
{
	for (const struct stmt *s = b->first; s; s = s->next)
		print_stmt(s, out, depth);
}

static void
print_entries(const struct entry *list, FILE *out, int depth)
{
	for (const struct entry *x = list; x; x = x->next) {
		tabs(out, depth);
		fputs(x->id.name, out);
		if (x->is_group) {
			fputc('\n', out);
			print_entries(x->child, out, depth + 1);
			continue;
		}
		fputs(" = ", out);
		print_args(x->value.first, out);
		fputc('\n', out);
	}
}

static void
print_settings(const char *what, const struct settings *s, FILE *out)
{
	for (; s; s = s->next) {
		fprintf(out, "%s %s\n", what, s->id.name);
		print_entries(s->entry, out, 1);
	}
}

void
ast_print(const struct file *f, FILE *out)
{
	for (const struct stmt *s = f->first; s; s = s->next)
		print_stmt(s, out, 0);
	for (const struct block *b = f->model; b; b = b->next)
		print_block("model", b, out, 0);
	print_settings("recipe", f->recipe, out);
	print_settings("plan", f->plan, out);
}
