/*
 * What several settings say together: the sizes b, s and mb, the mesh, and
 * what goes into the module.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "frontend/setting.h"

void
choice_error(struct unit *u, const struct chosen *c, enum diag_code code,
    const char *fmt, ...)
{
	const struct source *src = u->d->src;
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (c->src)
		u->d->src = c->src;
	diag_report(u->d, code, c->at, "%s", text);
	u->d->src = src;
}

static uint64_t
number_or(const struct choices *c, int id, uint64_t dflt)
{
	return c->c[id].set ? (uint64_t)c->c[id].num : dflt;
}

static void
add_dim(struct unit *u, const char *name, uint64_t size, const struct chosen *c)
{
	struct span at = c->src == u->d->src ? c->at : (struct span){0};

	module_add_dim(u->m, module_namez(u->m, name), size, at);
}

/* The two multiples of unit around n, as text. */
static const char *
nearest_multiples(struct unit *u, uint64_t n, uint64_t unit)
{
	uint64_t lo = n / unit * unit;

	return lo ? arena_printf(u->mem, "%" PRIu64 ", %" PRIu64, lo,
	    lo + unit) : arena_printf(u->mem, "%" PRIu64, unit);
}

/* The divisors of n next to x, as text. */
static const char *
nearest_divisors(struct unit *u, uint64_t n, uint64_t x)
{
	uint64_t lo = 1, hi = n;

	for (uint64_t i = 1; i <= n / i && i < 1000000; i++) {
		if (n % i)
			continue;
		lo = i < x && i > lo ? i : lo;
		lo = n / i < x && n / i > lo ? n / i : lo;
		hi = i > x && i < hi ? i : hi;
		hi = n / i > x && n / i < hi ? n / i : hi;
	}
	return arena_printf(u->mem, "%" PRIu64 ", %" PRIu64, lo, hi);
}

static void
missing(struct unit *u, const struct choices *c, const char *what)
{
	struct span at = c->recipe ? c->recipe->id.at : (struct span){0};
	struct report r;

	report_open(&r, u->d, DIAG_MISSING_SETTING, at,
	    c->recipe ? "recipe '%s' does not say %s" :
	    "there is no recipe, and so no %s%s", c->recipe ?
	    c->recipe->id.name : what, c->recipe ? what : "");
	report_help(&r, "write %s in it, or give --set recipe.%s=...", what,
	    what);
	report_close(&r);
}

/* batch tokens = mb microbatches of b sequences of s tokens. */
void
recipe_sizes(struct unit *u, struct choices *c)
{
	const struct chosen *batch = &c->c[SET_recipe_batch];
	const struct chosen *micro = &c->c[SET_plan_micro];
	uint64_t s = number_or(c, SET_recipe_s, 0), seqs, b;

	if (!s)
		missing(u, c, "s");
	if (!batch->set)
		missing(u, c, "batch");
	s = s ? s : 64;
	seqs = number_or(c, SET_recipe_batch, s) / s;
	if (batch->set && number_or(c, SET_recipe_batch, s) % s)
		choice_error(u, batch, DIAG_BATCH, "batch = %" PRIu64 " tokens "
		    "is not a number of sequences of s = %" PRIu64
		    " tokens; nearest: %s", number_or(c, SET_recipe_batch, s),
		    s, nearest_multiples(u, number_or(c, SET_recipe_batch, s),
		    s));
	seqs = seqs ? seqs : 1;
	b = number_or(c, SET_plan_micro, seqs);
	if (seqs % b) {
		choice_error(u, micro, DIAG_BATCH, "micro = %" PRIu64
		    " does not divide the %" PRIu64 " sequences of a batch; "
		    "nearest: %s", b, seqs, nearest_divisors(u, seqs, b));
		b = seqs;
	}
	if (seqs > b)
		add_dim(u, "mb", seqs / b, batch);
	add_dim(u, "b", b, micro->set ? micro : batch);
	add_dim(u, "s", s, &c->c[SET_recipe_s]);
}

static bool
says_mesh(const struct choices *c)
{
	return c->c[SET_plan_dp].set || c->c[SET_plan_hp].set ||
	    c->c[SET_plan_cp].set;
}

void
plan_check(struct unit *u, struct choices *c)
{
	uint64_t nodes = number_or(c, SET_plan_nodes, 1);
	uint64_t gpus = number_or(c, SET_plan_gpus, 1);
	uint64_t dp = number_or(c, SET_plan_dp, 1);
	uint64_t hp = number_or(c, SET_plan_hp, 1);
	uint64_t cp = number_or(c, SET_plan_cp, 1);
	uint64_t inner = number_or(c, SET_plan_inner, 1);
	const struct chosen *first = c->c[SET_plan_dp].set ?
	    &c->c[SET_plan_dp] : c->c[SET_plan_hp].set ? &c->c[SET_plan_hp] :
	    c->c[SET_plan_cp].set ? &c->c[SET_plan_cp] :
	    c->c[SET_plan_gpus].set ? &c->c[SET_plan_gpus] :
	    &c->c[SET_plan_nodes];
	bool ok = true;

	if (says_mesh(c) && dp * hp * cp != nodes * gpus) {
		choice_error(u, first, DIAG_MESH, "dp*hp*cp = %" PRIu64 "*%"
		    PRIu64 "*%" PRIu64 " = %" PRIu64 " but nodes*gpus = %"
		    PRIu64 "*%" PRIu64 " = %" PRIu64, dp, hp, cp, dp * hp * cp,
		    nodes, gpus, nodes * gpus);
		ok = false;
	}
	if (cp % inner) {
		choice_error(u, &c->c[SET_plan_inner], DIAG_INNER,
		    "inner = %" PRIu64 " does not divide cp = %" PRIu64
		    "; nearest: %s", inner, cp, nearest_divisors(u, cp,
		    inner));
		ok = false;
	}
	if (ok && nodes * gpus > 1)
		choice_error(u, first, DIAG_ONE_RANK, "this plan has %" PRIu64
		    " ranks; this version compiles for one (nodes = 1, gpus = "
		    "1)", nodes * gpus);
}

static void
export_one(struct unit *u, int id, const struct chosen *c)
{
	const struct setting_info *s = &setting_info[id];
	const char *key = arena_printf(u->mem, "%s.%s", s->group, s->key);
	struct span at = c->src == u->d->src ? c->at : (struct span){0};

	if (c->text)
		module_set_text(u->m, key, c->text, at);
	else
		module_set_number(u->m, key, c->num, at);
}

void
settings_export(struct unit *u, const struct choices *c)
{
	for (int i = 0; i < SET_COUNT; i++)
		if (setting_info[i].export && c->c[i].set)
			export_one(u, i, &c->c[i]);
	if (u->nxent)
		module_set_number(u->m, "recipe.ignore", (double)u->ignore,
		    u->ignore_at);
	if (c->c[SET_plan_recompute].is_auto)
		module_set_text(u->m, "plan.recompute", "best",
		    c->c[SET_plan_recompute].at);
}
