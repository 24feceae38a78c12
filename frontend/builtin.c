/* Calls of built-in functions: the table, arguments and options. */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "frontend/builtin.h"

static const struct builtin builtins[] = {
#define BUILTIN(name, nargs, options, lower, op, result, summary) \
	{#name, nargs, options, lower_##lower, OP_##op, result},
#include "frontend/builtins.def"
};

static const char *const names[] = {
#define BUILTIN(name, nargs, options, lower, op, result, summary) #name,
#include "frontend/builtins.def"
	NULL};

const struct builtin *
builtin_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(builtins); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

const char *const *
builtin_names(void)
{
	return names;
}

/* True if name is one of the words of list. */
static bool
is_word(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (*list) {
		size_t len = strcspn(list, " ");

		if (len == n && memcmp(list, name, n) == 0)
			return true;
		list += len;
		list += strspn(list, " ");
	}
	return false;
}

static bool
check_option(struct unit *u, const struct builtin *b, const struct actual *a,
    const struct expr *e)
{
	for (const struct actual *o = e->args; o != a; o = o->next)
		if (o->name && strcmp(o->name, a->name) == 0) {
			diag_report(u->d, DIAG_DEFINED_TWICE, a->at,
			    "option '%s' is given twice", a->name);
			return false;
		}
	if (is_word(b->options, a->name))
		return true;
	diag_report(u->d, DIAG_UNKNOWN_OPTION, a->at,
	    *b->options ? "%s has no option '%s'; it takes: %s" :
	    "%s has no option '%s'%s", b->name, a->name, b->options);
	return false;
}

static bool
sort_arguments(struct unit *u, struct builtin_call *c)
{
	int n = 0;
	bool ok = true;

	for (const struct actual *a = c->e->args; a; a = a->next) {
		if (a->name) {
			ok &= check_option(u, c->b, a, c->e);
			continue;
		}
		if (n < 3)
			c->arg[n] = a->value;
		n++;
	}
	if (n == c->b->nargs)
		return ok;
	diag_report(u->d, DIAG_ARGUMENTS, c->e->at,
	    "%s takes %d argument%s, got %d", c->b->name, c->b->nargs,
	    c->b->nargs == 1 ? "" : "s", n);
	return false;
}

struct val
lower_builtin(struct unit *u, const struct builtin *b, const struct expr *e)
{
	struct builtin_call c = {.b = b, .e = e};

	if (sort_arguments(u, &c))
		return b->lower(u, &c);
	for (int i = 0; i < 3 && c.arg[i]; i++) /* names in them are used */
		if (c.arg[i]->kind != EXPR_NAME || (b->op != OP_IOTA &&
		    b->op != OP_CONST))
			lower_with_hint(u, c.arg[i], NULL);
	return val_error();
}

bool
tensors(struct unit *u, struct builtin_call *c)
{
	bool ok = true;

	for (int i = 0; i < c->b->nargs; i++) {
		c->x[i] = lower_with_hint(u, c->arg[i],
		    i == 0 && c->b->nargs < 3 ? u->hint : NULL);
		c->x[i] = as_tensor(u, c->x[i], c->arg[i]->at);
		ok &= c->x[i].kind != VAL_ERROR;
	}
	for (int i = 0; ok && i < c->b->nargs; i++)
		if (c->x[i].type->dtype == DT_I32 &&
		    !(c->b->op == OP_XENT && i == 1)) {
			call_error(u, c, i, DIAG_INDICES,
			    "%s of %s: indices only look rows up", c->b->name,
			    val_text(u, &c->x[i]));
			ok = false;
		}
	return ok;
}

const struct actual *
option(const struct builtin_call *c, const char *name)
{
	for (const struct actual *a = c->e->args; a; a = a->next)
		if (a->name && strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

bool
option_number(struct unit *u, const struct builtin_call *c, const char *name,
    double dflt, double lo, double hi, double *out)
{
	const struct actual *a = option(c, name);

	*out = dflt;
	if (!a)
		return true;
	if (!constant(u, a->value, out))
		return false;
	if (*out >= lo && *out <= hi)
		return true;
	diag_report(u->d, DIAG_OPTION_RANGE, a->value->at,
	    "%s = %g: must be from %g to %g", name, *out, lo, hi);
	return false;
}

struct op *
call_op(struct unit *u, const struct builtin_call *c, int n)
{
	struct op *op = emit(u, c->b->op, n, c->e->at);

	for (int i = 0; i < n && i < 3; i++)
		op->in[i] = emit_arg(u, &c->x[i], c->arg[i]->at);
	return op;
}

struct val
call_error(struct unit *u, const struct builtin_call *c, int arg,
    enum diag_code code, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	diag_report(u->d, code, arg < 0 ? c->e->at : c->arg[arg]->at, "%s",
	    text);
	return val_error();
}
