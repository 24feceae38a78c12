/*
 * What several settings say together: the sizes b, s and mb, and what goes into
 * the module.
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

uint64_t
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

const char *
nearest_multiples(struct unit *u, uint64_t n, uint64_t unit)
{
	uint64_t lo = n / unit * unit;

	return lo ? arena_printf(u->mem, "%" PRIu64 ", %" PRIu64, lo,
	    lo + unit) : arena_printf(u->mem, "%" PRIu64, unit);
}

const char *
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
	return arena_printf(u->mem, lo == hi || x > n ? "%" PRIu64 :
	    "%" PRIu64 ", %" PRIu64, x > n ? n : lo, hi);
}

static void
missing(struct unit *u, const struct choices *c, int id, const char *what)
{
	struct span at = c->recipe ? c->recipe->id.at : (struct span){0};
	struct report r;

	if (c->c[id].bad || u->broken || (!c->recipe && u->o->recipe))
		return;
	report_open(&r, u->d, DIAG_MISSING_SETTING, at,
	    c->recipe ? "recipe '%s' does not say %s" :
	    "there is no recipe, and so no %s%s", c->recipe ?
	    c->recipe->id.name : what, c->recipe ? what : "");
	report_help(&r, "write %s in it, or give --set recipe.%s=...", what,
	    what);
	report_close(&r);
}

/* Sequences of a batch, at least one. */
static uint64_t
batch_sequences(struct unit *u, const struct choices *c, uint64_t s)
{
	const struct chosen *batch = &c->c[SET_recipe_batch];
	uint64_t tokens = number_or(c, SET_recipe_batch, s);

	if (batch->set && tokens % s)
		choice_error(u, batch, DIAG_BATCH, "batch = %" PRIu64 " tokens "
		    "is not a number of sequences of s = %" PRIu64
		    " tokens; nearest: %s", tokens, s,
		    nearest_multiples(u, tokens, s));
	return tokens / s ? tokens / s : 1;
}

/* Sequences of a microbatch, of all dp ranks together. */
static uint64_t
micro_sequences(struct unit *u, struct choices *c, uint64_t seqs)
{
	const struct chosen *micro = &c->c[SET_plan_micro];
	uint64_t dp = c->mesh.dp, each = seqs / dp;
	uint64_t b = number_or(c, SET_plan_micro, each);

	if (seqs % dp) {
		choice_error(u, mesh_said(c, SET_plan_dp), DIAG_BATCH,
		    "dp = %" PRIu64 " does not divide the %" PRIu64
		    " sequences of a batch; nearest: %s", dp, seqs,
		    nearest_divisors(u, seqs, dp));
		return seqs;
	}
	if (each % b == 0)
		return b * dp;
	choice_error(u, micro, DIAG_BATCH, dp == 1 ? "micro = %" PRIu64
	    " does not divide the %" PRIu64 " sequences of a batch; nearest: %s"
	    : "micro = %" PRIu64 " does not divide the %" PRIu64 " sequences "
	    "that each of the dp ranks has of a batch; nearest: %s", b, each,
	    nearest_divisors(u, each, b));
	return seqs;
}

/* batch tokens = mb microbatches of b sequences of s tokens, s before it is
 * padded. */
void
recipe_sizes(struct unit *u, struct choices *c)
{
	const struct chosen *batch = &c->c[SET_recipe_batch];
	const struct chosen *micro = &c->c[SET_plan_micro];
	uint64_t s = number_or(c, SET_recipe_s, 0), seqs, b;

	if (!s)
		missing(u, c, SET_recipe_s, "s");
	if (!batch->set)
		missing(u, c, SET_recipe_batch, "batch");
	s = s ? s : 64;
	seqs = batch_sequences(u, c, s);
	b = micro_sequences(u, c, seqs);
	if (seqs > b)
		add_dim(u, "mb", seqs / b, batch);
	add_dim(u, "b", b, micro->set ? micro : batch);
	add_dim(u, "s", mesh_padded(&c->mesh, s), &c->c[SET_recipe_s]);
}

static bool
says(const struct choices *c, int id, const char *word)
{
	return c->c[id].set && strcmp(c->c[id].text, word) == 0;
}

/* Documents need a token that ends them, and a model that looks at them. */
static void
check_documents(struct unit *u, const struct choices *c, bool takes_doc)
{
	const struct chosen *pack = &c->c[SET_recipe_pack];
	const struct chosen *eos = &c->c[SET_recipe_eos];

	if (says(c, SET_recipe_pack, "eos") && !eos->set)
		choice_error(u, pack, DIAG_DOCUMENTS, "pack = eos needs the "
		    "token that ends a document: eos = N");
	if (takes_doc && c->c[SET_recipe_train].set && !eos->set)
		choice_error(u, &c->c[SET_recipe_train], DIAG_DOCUMENTS,
		    "the model looks at documents, but data does not say "
		    "which token ends one: eos = N");
	if (takes_doc && says(c, SET_recipe_pack, "none"))
		choice_error(u, pack, DIAG_DOCUMENTS, "the model looks at "
		    "documents, so pack must be eos");
}

/* What the tokens of the data cannot be never ends a document. */
static void
check_eos(struct unit *u, const struct choices *c)
{
	const struct chosen *eos = &c->c[SET_recipe_eos];

	if (!eos->set || !u->classes ||
	    eos->num < (double)dim_size(u, u->classes))
		return;
	choice_error(u, eos, DIAG_DOCUMENTS, "eos = %.15g is no token: the "
	    "model has %s = %" PRIu64 ", tokens are smaller", eos->num,
	    u->classes, dim_size(u, u->classes));
}

void
recipe_check(struct unit *u, const struct choices *c, bool takes_doc)
{
	const struct chosen *warmup = &c->c[SET_recipe_warmup];
	const struct chosen *steps = &c->c[SET_recipe_steps];
	const struct chosen *lr = &c->c[SET_recipe_lr];
	const struct chosen *min = &c->c[SET_recipe_lr_min];

	if (warmup->set && steps->set && warmup->num > steps->num)
		choice_error(u, warmup, DIAG_SETTING_RANGE, "warmup = %.15g "
		    "is longer than steps = %.15g", warmup->num, steps->num);
	if (min->set && lr->set && min->num > lr->num)
		choice_error(u, min, DIAG_SETTING_RANGE, "min = %g is above "
		    "the peak, %g", min->num, lr->num);
	if (says(c, SET_recipe_linear, "fp8") &&
	    !says(c, SET_recipe_precision, "bf16"))
		choice_error(u, &c->c[SET_recipe_linear], DIAG_SETTING_VALUE,
		    "linear = fp8 rounds operands of bf16: it needs "
		    "compute = bf16");
	check_documents(u, c, takes_doc);
	check_eos(u, c);
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
	mesh_export(u, c);
	zero_export(u, c);
}
