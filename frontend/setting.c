/* Entries of recipes and plans against the table. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "frontend/setting.h"

const struct setting_info setting_info[SET_COUNT] = {
#define SETTING(group, key, place, kind, lo, hi, words, export, summary) \
	{#group, #key, place, KIND_##kind, lo, hi, words, export, summary},
#include "frontend/settings.def"
};

/* What files write instead of keys. */
static const char *const groups[][2] = {
	{"recipe", "data"}, {"recipe", "precision"}, {"plan", "mesh"},
	{"plan", "zero"},
};
/* What is written in groups of the group zero. */
static const char *const parts[][2] = {
	{"plan", "matrices"}, {"plan", "rest"},
};
static const char *const special[][2] = {
	{"recipe", "optimizer"}, {"plan", "mesh"}, {"plan", "zero"},
};

int
setting_find(const char *group, const char *key)
{
	for (int i = 0; i < SET_COUNT; i++)
		if (strcmp(setting_info[i].group, group) == 0 &&
		    strcmp(setting_info[i].key, key) == 0)
			return i;
	return -1;
}

static bool
in_pairs(const char *const (*pair)[2], size_t n, const char *group,
    const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(pair[i][0], group) == 0 &&
		    strcmp(pair[i][1], name) == 0)
			return true;
	return false;
}

/* As a file writes it: "params" in the place "rest" for "rest_params". */
static const char *
file_key(const char *place, const char *key)
{
	return place && in_pairs(parts, COUNT_OF(parts), "plan", place) ?
	    key + strlen(place) + 1 : key;
}

/* Names that can stand in `place` of the group; returns how many. */
static int
names_in(const char *group, const char *place, const char **list, int max)
{
	int n = 0;

	for (int i = 0; i < SET_COUNT && n < max; i++)
		if (strcmp(setting_info[i].group, group) == 0 &&
		    (!place || strcmp(setting_info[i].place, place) == 0))
			list[n++] = file_key(place, setting_info[i].key);
	for (size_t i = 0; i < COUNT_OF(parts) && n < max; i++)
		if (place && strcmp(place, "zero") == 0)
			list[n++] = parts[i][1];
	for (size_t i = 0; i < COUNT_OF(groups) && n < max; i++)
		if (place && !*place && strcmp(groups[i][0], group) == 0)
			list[n++] = groups[i][1];
	if (place && !*place && strcmp(group, "recipe") == 0 && n < max)
		list[n++] = "optimizer";
	return n;
}

void
setting_unknown(struct unit *u, const char *group, const char *place,
    const struct ident *id)
{
	const char *list[SET_COUNT + 8];
	int n = names_in(group, place, list, SET_COUNT + 7);
	int other = setting_find(group, id->name);
	const char *near;
	struct buf b = {0};
	struct report r;

	list[n] = NULL;
	near = diag_nearest(id->name, list);
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? " " : "", list[i]);
	if (near)
		report_open(&r, u->d, DIAG_UNKNOWN_SETTING, id->at,
		    "unknown setting '%s' in %s%s%s (did you mean '%s'?)",
		    id->name, group, place && *place ? " " : "",
		    place ? place : "", near);
	else
		report_open(&r, u->d, DIAG_UNKNOWN_SETTING, id->at,
		    "unknown setting '%s' in %s%s%s", id->name, group,
		    place && *place ? " " : "", place ? place : "");
	if (other >= 0 && *setting_info[other].place)
		report_help(&r, "'%s' belongs in %s", id->name,
		    strcmp(setting_info[other].place, "lr") == 0 ?
		    "optimizer = adamw(lr = cosine(...))" :
		    strcmp(setting_info[other].place, "adamw") == 0 ?
		    "optimizer = adamw(...)" : arena_printf(u->mem, "%s { }",
		    setting_info[other].place));
	report_note(&r, "known: %s", buf_text(&b));
	report_close(&r);
	buf_free(&b);
}

/* ----------------------------------------------------------------- values */

static bool
bad_value(struct unit *u, const struct setting_info *s, const struct expr *e,
    const char *want)
{
	diag_report(u->d, DIAG_SETTING_VALUE, e->at, "%s must be %s", s->key,
	    want);
	return false;
}

static bool
put_number(struct unit *u, const struct setting_info *s, struct chosen *c,
    const struct expr *e)
{
	if (e->kind == EXPR_NAME || e->kind == EXPR_STRING ||
	    e->kind == EXPR_CALL)
		return bad_value(u, s, e, s->kind == KIND_INT ?
		    "a whole number" : "a number");
	if (!constant(u, e, &c->num))
		return false;
	if (s->kind == KIND_INT && c->num != floor(c->num))
		return bad_value(u, s, e, "a whole number");
	if (c->num >= s->lo && c->num <= s->hi)
		return true;
	diag_report(u->d, DIAG_SETTING_RANGE, e->at,
	    "%s = %.15g: must be from %.15g to %.15g", s->key, c->num, s->lo,
	    s->hi);
	return false;
}

static const char *
next_word(struct unit *u, const char **list)
{
	size_t n = strcspn(*list, " ");
	const char *word = arena_strndup(u->mem, *list, n);

	*list += n;
	*list += strspn(*list, " ");
	return word;
}

static bool
known_word(struct unit *u, const struct setting_info *s, const char *name,
    const struct expr *e)
{
	const char *list[16], *words = s->words, *near;
	struct report r;
	int n = 0;

	while (*words && n < 15)
		list[n++] = next_word(u, &words);
	list[n] = NULL;
	for (int i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	near = diag_nearest(name, list);
	report_open(&r, u->d, DIAG_SETTING_WORD, e->at,
	    n == 1 ? "%s must be %s" : "%s must be one of: %s", s->key,
	    s->words);
	if (near)
		report_help(&r, "did you mean '%s'?", near);
	report_close(&r);
	return false;
}

static bool
put_word(struct unit *u, const struct setting_info *s, struct chosen *c,
    const struct expr *e)
{
	if (!known_word(u, s, e->kind == EXPR_NAME ? e->name : "", e))
		return false;
	c->text = e->name;
	return true;
}

/* "FILE", bytes("FILE") or tokens("FILE"). */
static bool
put_data(struct unit *u, const struct setting_info *s, struct choices *all,
    struct chosen *c, const struct expr *e)
{
	const char *name = e->kind == EXPR_CALL && e->a->kind == EXPR_NAME
	    ? e->a->name : "";
	bool bytes = strcmp(name, "bytes") == 0;
	const struct expr *path = e;

	if (bytes || strcmp(name, "tokens") == 0)
		path = e->nargs == 1 && !e->args->name ? e->args->value : e;
	if (path->kind != EXPR_STRING || !*path->name)
		return bad_value(u, s, e,
		    "bytes(\"FILE\") or tokens(\"FILE\")");
	c->text = path->name;
	if (bytes && !all->c[SET_recipe_format].set) {
		all->c[SET_recipe_format] = *c;
		all->c[SET_recipe_format].set = true;
		all->c[SET_recipe_format].text = "bytes";
	}
	return true;
}

/* A word with names in brackets: save(x, attention), over(dp, cp). */
static bool
put_call(struct unit *u, const struct setting_info *s, struct chosen *c,
    const struct expr *e, const char *name)
{
	struct buf b = {0};
	bool ok = e->nargs > 0;

	buf_printf(&b, "%s(", name);
	for (const struct actual *a = e->args; a; a = a->next) {
		ok &= !a->name && a->value->kind == EXPR_NAME;
		if (ok)
			buf_printf(&b, "%s%s", a == e->args ? "" : ", ",
			    a->value->name);
	}
	buf_puts(&b, ")");
	c->text = arena_strndup(u->mem, buf_text(&b), b.len);
	buf_free(&b);
	return ok || bad_value(u, s, e, "a list of names in brackets");
}

/* save(x, offload(attention)) */
static bool
put_names(struct buf *b, const struct expr *e, bool inner)
{
	bool ok = e->nargs > 0;

	for (const struct actual *a = e->args; a; a = a->next) {
		const struct expr *v = a->value;
		bool host = !inner && v->kind == EXPR_CALL &&
		    v->a->kind == EXPR_NAME &&
		    strcmp(v->a->name, "offload") == 0;

		ok &= !a->name && (host || v->kind == EXPR_NAME);
		if (!ok)
			break;
		buf_printf(b, "%s%s", a == e->args ? "" : ", ",
		    host ? "offload(" : v->name);
		ok &= !host || put_names(b, v, true);
		buf_puts(b, host ? ")" : "");
	}
	return ok;
}

static bool
put_save(struct unit *u, const struct setting_info *s, struct chosen *c,
    const struct expr *e)
{
	struct buf b = {0};
	bool ok;

	buf_puts(&b, "save(");
	ok = put_names(&b, e, false);
	buf_puts(&b, ")");
	c->text = arena_strndup(u->mem, buf_text(&b), b.len);
	buf_free(&b);
	return ok || bad_value(u, s, e, "a list of names in brackets");
}

static bool
put_policy(struct unit *u, const struct setting_info *s, struct chosen *c,
    const struct expr *e)
{
	const char *name = e->kind == EXPR_NAME ? e->name :
	    e->kind == EXPR_CALL && e->a->kind == EXPR_NAME ? e->a->name : "";
	bool save = strcmp(name, "save") == 0;

	if (!known_word(u, s, name, e))
		return false;
	if (save != (e->kind == EXPR_CALL))
		return bad_value(u, s, e, "none, full, best or "
		    "save(x, attention)");
	c->text = name;
	return !save || put_save(u, s, c, e);
}

static bool
put_axes(struct unit *u, const struct setting_info *s, struct chosen *c,
    const struct expr *e)
{
	if (e->kind == EXPR_NAME && strcmp(e->name, "none") == 0) {
		c->text = "over()";
		return true;
	}
	if (e->kind != EXPR_CALL || e->a->kind != EXPR_NAME ||
	    strcmp(e->a->name, "over") != 0)
		return bad_value(u, s, e,
		    "over(dp, cp, hp), part of it, or none");
	for (const struct actual *a = e->args; a; a = a->next)
		if (!known_word(u, s, a->value->kind == EXPR_NAME
		    ? a->value->name : "", a->value))
			return false;
	return put_call(u, s, c, e, "over");
}

static bool
put_kind(struct unit *u, struct choices *all, int id, struct chosen *c,
    const struct expr *e)
{
	const struct setting_info *s = &setting_info[id];

	switch (s->kind) {
	case KIND_WORD:
		return put_word(u, s, c, e);
	case KIND_DATA:
		return put_data(u, s, all, c, e);
	case KIND_POLICY:
		return put_policy(u, s, c, e);
	case KIND_AXES:
		return put_axes(u, s, c, e);
	default:
		return put_number(u, s, c, e);
	}
}

bool
setting_put(struct unit *u, struct choices *all, int id, const struct expr *e)
{
	struct chosen c = {.at = e->at, .src = u->d->src};
	bool plan = strcmp(setting_info[id].group, "plan") == 0;

	if (plan && e->kind == EXPR_NAME && strcmp(e->name, "auto") == 0) {
		c.is_auto = true;
		all->c[id] = c;
		return true;
	}
	if (!put_kind(u, all, id, &c, e)) {
		all->c[id].bad = true;
		return false;
	}
	c.set = true;
	all->c[id] = c;
	return true;
}

/* ---------------------------------------------------------------- entries */

static void
read_schedule(struct unit *u, struct choices *c, const struct expr *e)
{
	static const char *const kinds[] = {"constant", "cosine", "wsd", NULL};
	static const char *const keys[][2] = {{"warmup", "warmup"},
		{"steps", "steps"}, {"min", "lr_min"},
		{"decay", "decay_fraction"}};
	const char *name = e->kind == EXPR_CALL && e->a->kind == EXPR_NAME
	    ? e->a->name : "";
	int kind = 0, n = 0;

	if (e->kind != EXPR_CALL) {
		setting_put(u, c, SET_recipe_lr, e);
		return;
	}
	while (kinds[kind] && strcmp(kinds[kind], name) != 0)
		kind++;
	if (!kinds[kind]) {
		diag_report(u->d, DIAG_SETTING_WORD, e->at, "lr is a number, "
		    "constant(...), cosine(...) or wsd(...)");
		return;
	}
	c->c[SET_recipe_schedule] = (struct chosen){.set = true,
	    .text = kinds[kind], .at = e->at, .src = u->d->src};
	for (const struct actual *a = e->args; a; a = a->next) {
		size_t k = 0;

		if (!a->name && n++ == 0) {
			setting_put(u, c, SET_recipe_lr, a->value);
			continue;
		}
		while (a->name && k < COUNT_OF(keys) &&
		    strcmp(keys[k][0], a->name) != 0)
			k++;
		if (!a->name || k == COUNT_OF(keys)) {
			diag_report(u->d, DIAG_UNKNOWN_SETTING, a->at,
			    "%s(LR, warmup = , steps = , min = , decay = ) "
			    "has no '%s'", name, a->name ? a->name :
			    "second number");
			continue;
		}
		setting_put(u, c, setting_find("recipe", keys[k][1]),
		    a->value);
	}
	if (n == 0)
		diag_report(u->d, DIAG_SETTING_VALUE, e->at,
		    "%s needs the peak learning rate: %s(3e-4, ...)", name,
		    name);
}

static void
read_optimizer(struct unit *u, struct choices *c, const struct entry *x)
{
	const struct expr *e = x->value.first->value;

	if (e->kind != EXPR_CALL || e->a->kind != EXPR_NAME ||
	    strcmp(e->a->name, "adamw") != 0) {
		diag_report(u->d, DIAG_SETTING_WORD, e->at,
		    "optimizer must be adamw(lr = ..., beta1 = ..., beta2 = "
		    "..., eps = ..., wd = ...)");
		return;
	}
	for (const struct actual *a = e->args; a; a = a->next) {
		struct ident id = {a->name ? a->name : "", a->at, NULL};
		int i = setting_find("recipe", id.name);

		if (strcmp(id.name, "lr") == 0)
			read_schedule(u, c, a->value);
		else if (i >= 0 && strcmp(setting_info[i].place, "adamw") == 0)
			setting_put(u, c, i, a->value);
		else
			setting_unknown(u, "recipe", "adamw", &id);
	}
}

static bool
is_auto(const struct entry *x, const char *word)
{
	const struct expr *e = x->value.first->value;

	return e->kind == EXPR_NAME && strcmp(e->name, word) == 0;
}

/* mesh = auto or usp(...), zero = auto or none, optimizer = adamw(...). */
static void
read_special(struct unit *u, struct choices *c, const char *group,
    const struct entry *x)
{
	const struct expr *e = x->value.first->value;

	if (strcmp(group, "recipe") == 0)
		read_optimizer(u, c, x);
	else if (strcmp(x->id.name, "mesh") == 0 && e->kind == EXPR_CALL)
		mesh_preset(u, c, e);
	else if (!is_auto(x, "auto") && !is_auto(x, "none"))
		diag_report(u->d, DIAG_SETTING_VALUE, x->value.first->at,
		    "%s is auto, none%s or { settings }", x->id.name,
		    strcmp(x->id.name, "mesh") == 0 ?
		    ", a preset like usp(hp = 2, cp = 4)" : "");
}

/* The key of a row, from what a file writes in a place. */
static const char *
row_key(struct unit *u, const char *place, const char *name)
{
	if (strcmp(place, "precision") == 0 && strcmp(name, "compute") == 0)
		return place;
	if (in_pairs(parts, COUNT_OF(parts), "plan", place))
		return arena_printf(u->mem, "%s_%s", place, name);
	return name;
}

static void
read_entry(struct unit *u, struct choices *c, const char *group,
    const char *place, const struct entry *x)
{
	int i = setting_find(group, row_key(u, place, x->id.name));
	bool other = !*place && !x->is_group && in_pairs(special,
	    COUNT_OF(special), group, x->id.name);

	if (!other && (i < 0 || strcmp(setting_info[i].place, place) != 0 ||
	    x->is_group))
		setting_unknown(u, group, place, &x->id);
	else if (x->value.n > 1)
		diag_report(u->d, DIAG_SETTING_VALUE, x->value.first->next->at,
		    "%s takes one value", x->id.name);
	else if (other)
		read_special(u, c, group, x);
	else
		setting_put(u, c, i, x->value.first->value);
}

static void
check_twice(struct unit *u, const struct entry *list, const struct entry *x)
{
	struct report r;

	for (; list != x; list = list->next) {
		if (strcmp(list->id.name, x->id.name) != 0)
			continue;
		report_open(&r, u->d, DIAG_DEFINED_TWICE, x->id.at,
		    "setting '%s' is given twice", x->id.name);
		report_label(&r, list->id.at, "here");
		report_close(&r);
		return;
	}
}

static void
read_entries(struct unit *u, struct choices *c, const char *group,
    const char *place, const struct entry *list)
{
	for (const struct entry *x = list; x; x = x->next) {
		check_twice(u, list, x);
		if (x->is_group && !*place && in_pairs(groups,
		    COUNT_OF(groups), group, x->id.name))
			read_entries(u, c, group, x->id.name, x->child);
		else if (x->is_group && strcmp(place, "zero") == 0 &&
		    in_pairs(parts, COUNT_OF(parts), group, x->id.name))
			read_entries(u, c, group, x->id.name, x->child);
		else
			read_entry(u, c, group, place, x);
	}
}

/* The settings called name, the first without a name; NULL if none. */
static const struct settings *
choose(struct unit *u, const struct settings *list, const char *name,
    const char *what)
{
	const char *names[64];
	const char *near;
	int n = 0;

	if (!name)
		return list;
	for (const struct settings *s = list; s; s = s->next) {
		if (strcmp(s->id.name, name) == 0)
			return s;
		if (n < 63)
			names[n++] = s->id.name;
	}
	names[n] = NULL;
	near = diag_nearest(name, names);
	diag_report(u->d, DIAG_NO_SUCH, (struct span){0},
	    near ? "there is no %s '%s' (did you mean '%s'?)" :
	    "there is no %s '%s'", what, name, near);
	return NULL;
}

/* Those not chosen are checked too, for what is in them. */
static void
read_others(struct unit *u, const char *group, const struct settings *list,
    const struct settings *chosen)
{
	for (; list; list = list->next) {
		struct choices c = {0};
		struct report r;

		if (list == chosen)
			continue;
		read_entries(u, &c, group, "", list->entry);
		if (!chosen || strcmp(list->id.name, chosen->id.name) != 0)
			continue;
		report_open(&r, u->d, DIAG_DEFINED_TWICE, list->id.at,
		    "%s '%s' is already defined", group, list->id.name);
		report_label(&r, chosen->id.at, "here");
		report_close(&r);
	}
}

void
settings_read(struct unit *u, struct choices *c)
{
	c->recipe = choose(u, u->file->recipe, u->o->recipe, "recipe");
	c->plan = choose(u, u->file->plan, u->o->plan, "plan");
	if (c->recipe)
		read_entries(u, c, "recipe", "", c->recipe->entry);
	if (c->plan)
		read_entries(u, c, "plan", "", c->plan->entry);
	read_others(u, "recipe", u->file->recipe, c->recipe);
	read_others(u, "plan", u->file->plan, c->plan);
	for (struct override *o = u->set; o; o = o->next) {
		const struct source *src = u->d->src;
		int i = o->group ? setting_find(o->group, o->name) :
		    strcmp(o->name, "s") == 0 ? SET_recipe_s :
		    strcmp(o->name, "b") == 0 ? SET_plan_micro : -1;

		if (i < 0)
			continue;
		o->used = true;
		u->d->src = &o->src;
		if (i == SET_recipe_lr)
			read_schedule(u, c, o->value);
		else
			setting_put(u, c, i, o->value);
		u->d->src = src;
	}
}
