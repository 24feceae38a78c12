/* Options from the table: defaults and parsing. */
#include "config.h"

#include "runtime/main/options.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

enum kind { flag, text, count, real };

struct row {
	const char *name;
	enum kind kind;
	size_t at; /* of the field in struct lt_options */
	double lo, hi;
	bool shown;
};

static const struct row rows[] = {
#define GROUP(title)
#define OPT(field, kind, name, arg, lo, hi, help)                             \
	{name, kind, offsetof(struct lt_options, field), lo, hi, sizeof help > 1},
#include "runtime/main/options.def"
#undef OPT
#undef GROUP
};

enum { ROWS = sizeof rows / sizeof *rows, NAME_MAX_LEN = 24 };

void
lt_options_default(struct lt_options *o, const struct lt_program *p)
{
	const struct lt_recipe *r = &p->recipe;

	*o = (struct lt_options){
	    .data = r->train, .val = r->val,
	    .format = r->format ? r->format : "auto",
	    .steps = r->steps, .seed = (int64_t)(r->seed & INT64_MAX),
	    .comm_timeout = 600, .sm_margin = -1, .eval_every = r->eval_every,
	    .save_every = r->save_every,
	    .keep_last = r->keep_last > 0 ? r->keep_last : 2,
	    .temperature = 0.8, .top_k = 40,
	};
}

/* ---- did you mean ---- */

static int
least(int a, int b, int c)
{
	int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edits (insert, delete, replace) from a to b; names are short. */
static int
distance(const char *a, size_t na, const char *b)
{
	int row[NAME_MAX_LEN + 1], nb = (int)strlen(b);

	for (int j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		int diag = row[0];

		row[0] = (int)i;
		for (int j = 1; j <= nb; j++) {
			int up = row[j];

			row[j] = least(up + 1, row[j - 1] + 1,
			    diag + (a[i - 1] != b[j - 1]));
			diag = up;
		}
	}
	return row[nb];
}

static int
unknown(const char *arg, const char *name, size_t n)
{
	const char *best = NULL;
	int nearest = 3;

	for (int i = 0; i < ROWS && n <= NAME_MAX_LEN; i++) {
		int d = distance(name, n, rows[i].name);

		if (rows[i].shown && d < nearest && (size_t)d < n) {
			nearest = d;
			best = rows[i].name;
		}
	}
	if (best)
		return lt_fail(LT_EXIT_USAGE,
		    "unknown option '%s'; did you mean '--%s'?", arg, best);
	return lt_fail(LT_EXIT_USAGE,
	    "unknown option '%s'; --help lists the options", arg);
}

/* ---- values ---- */

static int
set_count(const struct row *r, int64_t *to, const char *s)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (end == s || *end || strchr(" \t\n+", *s) || errno ||
	    v < (long long)r->lo || v > (long long)r->hi)
		return lt_fail(LT_EXIT_USAGE,
		    "--%s: '%s' is not a whole number from %.0f to %.0f",
		    r->name, s, r->lo, r->hi);
	*to = v;
	return LT_OK;
}

static int
set_real(const struct row *r, double *to, const char *s)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(s, &end);
	if (end == s || *end || strchr(" \t\n+", *s) || !isfinite(v) ||
	    v < r->lo || v > r->hi)
		return lt_fail(LT_EXIT_USAGE,
		    "--%s: '%s' is not a number from %g to %g", r->name, s,
		    r->lo, r->hi);
	*to = v;
	return LT_OK;
}

static int
set_text(const struct row *r, const char **to, const char *s)
{
	if (!*s && strcmp(r->name, "prompt") != 0)
		return lt_fail(LT_EXIT_USAGE, "--%s: the value is empty",
		    r->name);
	*to = s;
	return LT_OK;
}

static int
set(struct lt_options *o, const struct row *r, const char *value)
{
	void *field = (char *)o + r->at;

	if (r->kind == count)
		return set_count(r, field, value);
	if (r->kind == real)
		return set_real(r, field, value);
	return set_text(r, field, value);
}

/* One option; argv[*i] starts with "--".  Leaves *i on its last word. */
static int
parse_one(struct lt_options *o, int argc, char **argv, int *i)
{
	const char *arg = argv[*i], *name = arg + 2;
	const char *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	const struct row *r = rows;

	while (r < rows + ROWS &&
	    (strlen(r->name) != n || memcmp(r->name, name, n) != 0))
		r++;
	if (r == rows + ROWS)
		return unknown(arg, name, n);
	if (r->kind == flag) {
		if (eq)
			return lt_fail(LT_EXIT_USAGE, "--%s takes no value",
			    r->name);
		*(bool *)((char *)o + r->at) = true;
		return LT_OK;
	}
	if (eq)
		return set(o, r, eq + 1);
	if (*i + 1 >= argc)
		return lt_fail(LT_EXIT_USAGE, "--%s needs a value", r->name);
	return set(o, r, argv[++*i]);
}

int
lt_options_parse(struct lt_options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];
		int rc;

		if (strcmp(arg, "-h") == 0) {
			o->help = true;
			continue;
		}
		if (strncmp(arg, "--", 2) != 0 || !arg[2])
			return lt_fail(LT_EXIT_USAGE,
			    "unexpected argument '%s'; --help lists the "
			    "options", arg);
		rc = parse_one(o, argc, argv, &i);
		if (rc)
			return rc;
	}
	o->resume |= o->resume_valid;
	return LT_OK;
}
