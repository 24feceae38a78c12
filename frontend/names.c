/* Names in sight: a persistent list, newest first. */
#include "config.h"

#include <string.h>

#include "frontend/lower.h"

static const char *const kind_text[] = {"dim", "value", "parameter", "block"};

enum { MAX_NEAR = 500 };

void
name_push(struct unit *u, struct sym s)
{
	struct sym *node = NEW(u->mem, struct sym);

	*node = s;
	node->level = u->level;
	node->next = u->env;
	u->env = node;
}

const struct sym *
name_find(const struct unit *u, const char *name, unsigned kinds)
{
	for (const struct sym *s = u->env; s; s = s->next)
		if ((kinds >> s->kind & 1) && strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* Dims have names of their own; values, parameters and blocks share theirs. */
bool
name_is_new(struct unit *u, const struct ident *id, enum sym_kind kind)
{
	unsigned kinds = kind == SYM_DIM ? 1u << SYM_DIM :
	    1u << SYM_VALUE | 1u << SYM_PARAM | 1u << SYM_BLOCK;
	const struct sym *s = name_find(u, id->name, kinds);
	struct report r;

	if (!s || (s->level != u->level && kind != SYM_DIM))
		return true;
	report_open(&r, u->d, DIAG_DEFINED_TWICE, id->at,
	    "%s '%s' is already defined", kind_text[s->kind], id->name);
	report_label(&r, s->at, "here");
	report_close(&r);
	return false;
}

const char *
name_nearest(const struct unit *u, const char *name, unsigned kinds)
{
	const char *list[MAX_NEAR + 1];
	int n = 0;

	for (const struct sym *s = u->env; s && n < MAX_NEAR; s = s->next)
		if (kinds >> s->kind & 1)
			list[n++] = s->name;
	list[n] = NULL;
	return diag_nearest(name, list);
}

void
unknown_name(struct unit *u, const char *name, struct span at)
{
	unsigned kinds = 1u << SYM_VALUE | 1u << SYM_PARAM | 1u << SYM_BLOCK;
	const char *near = name_nearest(u, name, kinds);
	struct report r;

	if (!near)
		near = diag_nearest(name, builtin_names());
	if (near)
		report_open(&r, u->d, DIAG_UNKNOWN_NAME, at,
		    "unknown name '%s' (did you mean '%s'?)", name, near);
	else
		report_open(&r, u->d, DIAG_UNKNOWN_NAME, at,
		    "unknown name '%s'", name);
	if (name_find(u, name, 1u << SYM_DIM))
		report_help(&r, "'%s' is a dim; its size is size(%s)", name,
		    name);
	report_close(&r);
}
