#include "config.h"

#include "driver/load.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/say.h"
#include "frontend/frontend.h"
#include "frontend/setting.h"

enum file_kind
file_kind(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (dot && strcmp(dot, ".lt") == 0)
		return FILE_LT;
	if (dot && strcmp(dot, ".lir") == 0)
		return FILE_LIR;
	return FILE_OTHER;
}

static bool
fail(const char *text, const char *why)
{
	return say_error("--set %s: %s", text, why);
}

/* Sizes are whole and positive; a later verify checks that they fit. */
static bool
set_dim(struct module *m, struct dimdef *d, const char *text, double v)
{
	if (!(v >= 1) || v > 0x1p40 || v != floor(v))
		return fail(text, "a dimension is a whole number from 1 to "
				  "2^40");
	if (m->stage == 'e')
		return fail(text, "the dump's memory is planned already; set "
				  "dimensions before that");
	d->size = (uint64_t)v;
	return true;
}

/* Whether word is among words, which blanks separate. */
static bool
is_one_of(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (; *words; words += strspn(words, " ")) {
		if (strcspn(words, " ") == n && strncmp(words, word, n) == 0)
			return true;
		words += strcspn(words, " ");
	}
	return false;
}

/* A value of its kind; a setting that only dumps have may have any. */
static bool
fits_setting(const struct module *m, const char *key, const char *text,
    const char *value, bool number, double v)
{
	size_t n = strcspn(key, ".");
	char group[8] = "";
	const struct setting_info *s;
	int id;

	memcpy(group, key, n < sizeof group ? n : 0);
	id = setting_find(group, key + n + 1);
	if (id < 0)
		return module_setting(m, key) || fail(text, "no such setting");
	s = &setting_info[id];
	if (s->kind == KIND_WORD && !is_one_of(s->words, value))
		return say_error("--set %s: one of: %s", text, s->words);
	if (s->kind != KIND_INT && s->kind != KIND_REAL)
		return true;
	if (!number)
		return say_error("--set %s: a number; in a dump each setting "
		    "has its own name: recipe.lr, recipe.schedule, "
		    "recipe.warmup, ...", text);
	if (v < s->lo || v > s->hi || (s->kind == KIND_INT && v != floor(v)))
		return say_error("--set %s: a %snumber from %.15g to %.15g",
		    text, s->kind == KIND_INT ? "whole " : "", s->lo, s->hi);
	return true;
}

static bool
set_setting(struct module *m, const char *key, const char *text,
    const char *value, bool number, double v)
{
	struct span nowhere = {0, 0};

	if (strncmp(key, "recipe.", 7) != 0 && strncmp(key, "plan.", 5) != 0)
		return fail(text, "no such dimension; settings start with "
				  "'recipe.' or 'plan.'");
	for (const char *p = key; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '.')
			return fail(text, "not the name of a setting");
	if (!fits_setting(m, key, text, value, number, v))
		return false;
	if (number)
		module_set_number(m, key, v, nowhere);
	else
		module_set_text(m, key, value, nowhere);
	return true;
}

/* name=value for a dump: its dimensions and settings as they stand in it. */
static bool
set_one(struct module *m, const char *text)
{
	const char *eq = strchr(text, '=');
	struct dimdef *d;
	const char *key;
	char *end;
	double v;

	if (!eq || eq == text || !eq[1])
		return fail(text, "expected name=value");
	key = module_name(m, text, (size_t)(eq - text));
	errno = 0;
	v = strtod(eq + 1, &end);
	d = module_dim(m, key);
	if (d && *end)
		return fail(text, "a dimension is a number");
	if (d)
		return set_dim(m, d, text, v);
	return set_setting(m, key, text, eq + 1, !*end && isfinite(v), v);
}

/* The end of documents must be a token, as in a .lt: a row of the table that
 * i32[b,s] indexes. */
static void
check_eos(struct op *op, void *arg)
{
	struct module *m = arg;
	const struct setting *eos = module_setting(m, "recipe.eos");
	const struct type *index, *table;
	struct dimdef *d;

	if (op->code != OP_EMBED)
		return;
	table = arg_type(m, &op->in[0]);
	index = arg_type(m, &op->in[1]);
	d = table && table->rank ? module_dim(m, table->d[0].name) : NULL;
	if (d && index && index->rank == 2 && eos->num >= (double)d->size &&
	    m->diag->errors == 0)
		diag_error(m->diag, eos->at, "recipe.eos = %.15g is no token: "
		    "the table has %s = %" PRIu64 " rows, tokens are smaller",
		    eos->num, d->name, d->size);
}

static struct module *
load_lir(struct arena *mem, struct diag *d, const struct options *o)
{
	struct module *m;

	if (o->mesh) {
		fputs("loongc: --mesh: a dump has its mesh: its sizes, padding "
		      "and plan were chosen for that; give --mesh with the "
		      ".lt, or change the lines mesh, dim and set of the "
		      "dump\n", stderr);
		return NULL;
	}
	m = module_read(mem, d);
	for (int i = 0; m && i < o->set.n; i++)
		if (!set_one(m, o->set.item[i]))
			return NULL;
	for (int i = 0; m && module_setting(m, "recipe.eos") &&
	    i < m->nfunc; i++)
		region_walk(&m->func[i]->body, check_eos, m);
	return m && d->errors ? NULL : m;
}

static struct module *
load_lt(struct arena *mem, struct diag *d, const struct options *o)
{
	struct frontend_options f = {.model = o->model,
	    .recipe = o->recipe,
	    .plan = o->plan,
	    .set = o->set.item,
	    .nset = o->set.n,
	    .mesh = o->mesh};

	return frontend_compile(mem, d, &f);
}

struct module *
load_module(struct arena *mem, struct diag *d, const struct options *o)
{
	return file_kind(o->file) == FILE_LIR ? load_lir(mem, d, o)
					      : load_lt(mem, d, o);
}
