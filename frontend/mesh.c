/*
 * The numbers of a mesh: from the plan, a preset or --mesh, and the axes that
 * the module gets.
 *
 * Other systems are points of this mesh:
 *
 *   ulysses(hp = 8)             DeepSpeed-Ulysses: heads alone, cp = 1
 *   ring(cp = 8), megatron_cp   one ring of all cp ranks, hp = 1
 *   usp(hp = 2, cp = 4)         both, with one ring: inner = cp
 */
#include "config.h"

#include <string.h>

#include "frontend/setting.h"

static const struct preset {
	const char *name;
	bool hp, cp; /* which of them it has */
} presets[] = {
	{"ulysses", true, false}, {"megatron_cp", false, true},
	{"ring", false, true}, {"usp", true, true},
};

static void
unknown_preset(struct unit *u, const struct expr *e)
{
	diag_report(u->d, DIAG_SETTING_WORD, e->at, "a mesh is "
	    "ulysses(hp = N), ring(cp = N), megatron_cp(cp = N), usp(hp = N, "
	    "cp = N) or { settings }; each takes dp and place too");
}

static bool
takes(const struct preset *p, const char *key)
{
	return strcmp(key, "dp") == 0 || strcmp(key, "place") == 0 ||
	    (p->hp && strcmp(key, "hp") == 0) ||
	    (p->cp && strcmp(key, "cp") == 0);
}

static void
twice(struct unit *u, const char *name, struct span at)
{
	diag_report(u->d, DIAG_DEFINED_TWICE, at, "setting '%s' is given twice",
	    name);
}

static bool
named_before(const struct expr *call, const struct actual *a)
{
	for (const struct actual *b = call->args; b != a; b = b->next)
		if (b->name && strcmp(b->name, a->name) == 0)
			return true;
	return false;
}

static void need_sizes(struct unit *u, const struct choices *c,
    const struct preset *p, struct span at);

void
mesh_preset(struct unit *u, struct choices *c, const struct expr *e)
{
	const struct preset *p = NULL;

	for (size_t i = 0; i < COUNT_OF(presets); i++)
		if (e->a->kind == EXPR_NAME &&
		    strcmp(presets[i].name, e->a->name) == 0)
			p = &presets[i];
	if (!p) {
		unknown_preset(u, e);
		return;
	}
	for (const struct actual *a = e->args; a; a = a->next)
		if (a->name && takes(p, a->name) && named_before(e, a))
			twice(u, a->name, a->at);
		else if (a->name && takes(p, a->name))
			setting_put(u, c, setting_find("plan", a->name),
			    a->value);
		else
			diag_report(u->d, DIAG_UNKNOWN_SETTING, a->name ?
			    a->at : a->value->at, "%s takes %s%sdp and place, "
			    "each as NAME = VALUE", p->name, p->hp ? "hp, " :
			    "", p->cp ? "cp, " : "");
	need_sizes(u, c, p, e->at);
}

/* A preset is nothing without the sizes that make it one. */
static void
need_sizes(struct unit *u, const struct choices *c, const struct preset *p,
    struct span at)
{
	bool hp = p->hp && !c->c[SET_plan_hp].set;
	bool cp = p->cp && !c->c[SET_plan_cp].set;

	if (hp || cp)
		diag_report(u->d, DIAG_SETTING_VALUE, at, "%s needs %s%s%s",
		    p->name, hp ? "hp = N" : "", hp && cp ? " and " : "",
		    cp ? "cp = N" : "");
}

/* ----------------------------------------------------------------- --mesh */

/* One NAME=VALUE of the option, text of its own. */
static void
option_entry(struct unit *u, struct choices *c, const char *text, size_t n)
{
	struct source *src = NEW(u->mem, struct source);
	const char *own = arena_strndup(u->mem, text, n);
	const char *eq = strchr(own, '=');
	uint32_t len = (uint32_t)(eq ? (size_t)(eq - own) : n);
	struct ident id = {arena_strndup(u->mem, own, len), {0, len}, NULL};
	int row = setting_find("plan", id.name);
	struct expr *e;

	*src = (struct source){"--mesh", own, (uint32_t)n};
	u->d->src = src;
	if (!eq)
		diag_report(u->d, DIAG_OPTION_SET, (struct span){0,
		    (uint32_t)n}, "--mesh takes NAME=VALUE, separated by "
		    "commas");
	else if (row < 0 || strcmp(setting_info[row].place, "mesh") != 0)
		setting_unknown(u, "plan", "mesh", &id);
	else if (c->c[row].set)
		twice(u, id.name, id.at);
	else if ((e = parse_value(u->mem, u->d, len + 1)))
		setting_put(u, c, row, e);
}

static void
option_preset(struct unit *u, struct choices *c)
{
	struct source *src = NEW(u->mem, struct source);
	struct expr *e;

	*src = (struct source){"--mesh", u->o->mesh,
	    (uint32_t)strlen(u->o->mesh)};
	u->d->src = src;
	e = parse_value(u->mem, u->d, 0);
	if (e && e->kind == EXPR_CALL)
		mesh_preset(u, c, e);
	else if (e)
		unknown_preset(u, e);
}

void
mesh_option(struct unit *u, struct choices *c)
{
	static const int replaced[] = {SET_plan_dp, SET_plan_hp, SET_plan_cp,
		SET_plan_inner, SET_plan_place, SET_plan_nodes, SET_plan_gpus};
	const struct source *src = u->d->src;
	const char *s = u->o->mesh;

	if (!s)
		return;
	c->mesh.from_option = true;
	for (size_t i = 0; i < COUNT_OF(replaced); i++)
		c->c[replaced[i]] = (struct chosen){.set = false};
	if (strchr(s, '(')) {
		option_preset(u, c);
		u->d->src = src;
		return;
	}
	for (;;) {
		size_t n = strcspn(s, ",");

		option_entry(u, c, s, n);
		if (!s[n])
			break;
		s += n + 1;
	}
	u->d->src = src;
}

/* ---------------------------------------------------------------- numbers */

void
mesh_read(struct choices *c)
{
	struct mesh *x = &c->mesh;
	uint64_t ranks;

	x->nodes = number_or(c, SET_plan_nodes, 1);
	x->gpus = number_or(c, SET_plan_gpus, 1);
	x->hp = number_or(c, SET_plan_hp, 1);
	x->cp = number_or(c, SET_plan_cp, 1);
	x->inner = number_or(c, SET_plan_inner, x->cp);
	ranks = x->nodes * x->gpus;
	x->dp = number_or(c, SET_plan_dp, ranks % (x->hp * x->cp) == 0 ?
	    ranks / (x->hp * x->cp) : 1);
	x->hk = x->hp;
	x->hr = 1;
}

const struct chosen *
mesh_said(const struct choices *c, int id)
{
	const struct chosen *gpus = &c->c[SET_plan_gpus];

	return c->c[id].set ? &c->c[id] : gpus->set && gpus->num > 1 ? gpus :
	    &c->c[SET_plan_nodes];
}

/* What a sequence must be a multiple of: zigzag pairs, each cut by hp. */
static uint64_t
sequence_unit(const struct mesh *x)
{
	return x->cp == 1 ? x->hp : x->cp * (x->hp % 2 ? 2 * x->hp : x->hp);
}

uint64_t
mesh_padded(const struct mesh *x, uint64_t s)
{
	uint64_t unit = sequence_unit(x);

	return (s + unit - 1) / unit * unit;
}

/* ------------------------------------------------------------------- axes */

/* An axis is not called like a dim. */
static void
add_axis(struct unit *u, const char *name, uint64_t size)
{
	struct module *m = u->m;

	if (size == 1)
		return;
	while (module_dim(m, module_namez(m, name)))
		name = arena_printf(u->mem, "%s_", name);
	m->axis[m->naxis++] = (struct axisdef){module_namez(m, name),
		(uint32_t)size};
}

static void
add_context(struct unit *u, const struct mesh *x)
{
	uint64_t outer = x->cp / x->inner;

	if (outer == 1 || x->inner == 1) {
		add_axis(u, "cp", x->cp);
		return;
	}
	add_axis(u, "co", outer);
	add_axis(u, "ci", x->inner);
}

static void
add_heads(struct unit *u, const struct mesh *x)
{
	if (x->hr == 1) {
		add_axis(u, "hp", x->hk);
		return;
	}
	add_axis(u, "hk", x->hk);
	add_axis(u, "hr", x->hr);
}

void
mesh_axes(struct unit *u, const struct mesh *x, bool context_first)
{
	add_axis(u, "dp", x->dp);
	if (context_first) {
		add_heads(u, x);
		add_context(u, x);
	} else {
		add_context(u, x);
		add_heads(u, x);
	}
}

void
mesh_export(struct unit *u, const struct choices *c)
{
	static const int keys[] = {SET_plan_nodes, SET_plan_gpus};
	const struct chosen *s = &c->c[SET_recipe_s];
	struct span none = {0, 0};

	if (u->m->naxis == 0)
		return;
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (c->c[keys[i]].set)
			module_set_number(u->m, arena_printf(u->mem, "plan.%s",
			    setting_info[keys[i]].key), c->c[keys[i]].num,
			    none);
	if (s->set && dim_size(u, "s") != (uint64_t)s->num)
		module_set_number(u->m, "recipe.s", s->num, none);
}
