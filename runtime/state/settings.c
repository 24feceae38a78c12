/* Texts of settings, and their differences. */
#include "runtime/state/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rule { MUST, NOTE, FREE };

static const char *
schedule(int kind)
{
	return kind == LT_COSINE ? "cosine" : kind == LT_WSD ? "wsd" :
	    "constant";
}

struct text {
	char s[40];
};

static struct text
text_INT(int64_t x)
{
	struct text t;

	snprintf(t.s, sizeof t.s, "%" PRId64, x);
	return t;
}

static struct text
text_REAL(double x)
{
	struct text t;

	for (int digits = 6; digits <= 17; digits++) {
		snprintf(t.s, sizeof t.s, "%.*g", digits, x);
		if (strtod(t.s, NULL) == x)
			break;
	}
	return t;
}

static struct text
text_WORD(const char *s)
{
	struct text t;

	snprintf(t.s, sizeof t.s, "%s", s);
	return t;
}

static struct text
text_LINE(const char *s) /* ends with the line */
{
	struct text t;

	snprintf(t.s, sizeof t.s, "%.*s", (int)strcspn(s, "\n"), s);
	return t;
}

/* The value of key in lines "key=value", or what holds without it. */
static const char *
line(const char *text, const char *key, const char *dflt)
{
	size_t n = strlen(key);

	while (text && *text) {
		if (strncmp(text, key, n) == 0 && text[n] == '=')
			return text + n + 1;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return dflt;
}

json_t *
lt_settings_json(const struct lt_program *p, const struct lt_recipe *r)
{
	json_t *j = json_object();

#define SETTING(key, kind, value, rule) \
	json_object_set_new(j, key, json_string(text_##kind(value).s));
#include "runtime/state/settings.def"
#undef SETTING
	return j;
}

static void
compare(const char *key, struct text here, enum rule rule, const json_t *saved,
    struct lt_error *differs, struct lt_error *note)
{
	const char *there = json_string_value(json_object_get(saved, key));

	if (rule == FREE || (there && strcmp(here.s, there) == 0))
		return;
	lt_error_line(rule == MUST ? differs : note,
	    "recipe: %s is %s here and %.60s in the checkpoint", key, here.s,
	    there ? there : "unknown");
}

void
lt_settings_compare(const struct lt_program *p, const struct lt_recipe *r,
    const json_t *saved, struct lt_error *differs, struct lt_error *note)
{
#define SETTING(key, kind, value, rule) \
	compare(key, text_##kind(value), rule, saved, differs, note);
#include "runtime/state/settings.def"
#undef SETTING
}
