/* --set NAME=VALUE: the value is read with the language's own parser. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "frontend/setting.h"
#include "ir/verify.h"

/* "recipe.data.train" is "recipe.train": places may be named or left out. */
static void
split_name(struct unit *u, struct override *o, const char *name, size_t n)
{
	const char *dot = memchr(name, '.', n), *last = dot;

	if (!dot) {
		o->name = arena_strndup(u->mem, name, n);
		return;
	}
	for (const char *s = dot; s < name + n; s++)
		last = *s == '.' ? s : last;
	o->group = arena_strndup(u->mem, name, (size_t)(dot - name));
	o->name = arena_strndup(u->mem, last + 1,
	    (size_t)(name + n - last - 1));
}

static struct override *
read_one(struct unit *u, const char *text)
{
	struct override *o = NEW(u->mem, struct override);
	const struct source *src = u->d->src;
	const char *equals = strchr(text, '=');
	size_t n = equals ? (size_t)(equals - text) : 0;

	o->src = (struct source){"--set", text, (uint32_t)strlen(text)};
	o->at = (struct span){0, (uint32_t)n};
	u->d->src = &o->src;
	if (!equals || n == 0) {
		diag_report(u->d, DIAG_OPTION_SET, (struct span){0,
		    o->src.len}, "--set takes NAME=VALUE");
		u->d->src = src;
		return NULL;
	}
	split_name(u, o, text, n);
	o->value = parse_value(u->mem, u->d, (uint32_t)n + 1);
	u->d->src = src;
	return o->value ? o : NULL;
}

void
overrides_read(struct unit *u)
{
	struct override **end = &u->set;

	for (int i = 0; i < u->o->nset; i++) {
		struct override *o = read_one(u, u->o->set[i]);

		if (!o)
			continue;
		*end = o;
		end = &o->next;
	}
}

/* The last one counts. */
struct override *
override_find(struct unit *u, const char *group, const char *name)
{
	struct override *found = NULL;

	for (struct override *o = u->set; o; o = o->next) {
		if (strcmp(o->name, name) != 0 || !o->group != !group ||
		    (group && strcmp(o->group, group) != 0))
			continue;
		o->used = true;
		found = o;
	}
	return found;
}

bool
override_size(struct unit *u, const struct override *o, uint64_t *size)
{
	const struct source *src = u->d->src;
	double x = 0;
	bool ok;

	u->d->src = &o->src;
	ok = constant(u, o->value, &x);
	if (ok && !(x >= 1 && x <= (double)MAX_DIM_SIZE && x == floor(x))) {
		diag_report(u->d, DIAG_DIM_SIZE, o->value->at,
		    "dim %s = %.15g: sizes are whole numbers from 1 to 2^40",
		    o->name, x);
		ok = false;
	}
	u->d->src = src;
	*size = ok ? (uint64_t)x : 1;
	return ok;
}

static void
unknown_override(struct unit *u, struct override *o)
{
	const char *list[256];
	struct ident id = {o->name, o->at, NULL};
	struct buf b = {0};
	struct report r;
	int n = 0;

	if (o->group && (strcmp(o->group, "recipe") == 0 ||
	    strcmp(o->group, "plan") == 0)) {
		setting_unknown(u, o->group, NULL, &id);
		return;
	}
	for (int i = 0; i < u->m->ndim && n < 255; i++)
		list[n++] = u->m->dim[i].name;
	list[n] = NULL;
	for (int i = 0; i < n && i < 40; i++)
		buf_printf(&b, "%s%s", i ? " " : "", list[i]);
	report_open(&r, u->d, DIAG_OPTION_SET, o->at,
	    "there is no dim '%s'", o->name);
	if (diag_nearest(o->name, list))
		report_help(&r, "did you mean '%s'?",
		    diag_nearest(o->name, list));
	if (setting_find("recipe", o->name) >= 0)
		report_help(&r, "write recipe.%s=...", o->name);
	if (setting_find("plan", o->name) >= 0)
		report_help(&r, "write plan.%s=...", o->name);
	report_note(&r, "dims: %s; settings are recipe.NAME and plan.NAME",
	    buf_text(&b));
	report_close(&r);
	buf_free(&b);
}

void
overrides_unused(struct unit *u)
{
	const struct source *src = u->d->src;

	for (struct override *o = u->set; o; o = o->next) {
		if (o->used)
			continue;
		u->d->src = &o->src;
		unknown_override(u, o);
		u->d->src = src;
	}
}
