/* The command line, read by the table in options.def. */
#include "config.h"

#include "driver/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "driver/say.h"
#include "support/diag.h"

#define AT(field) offsetof(struct options, field)
const struct option_row option_rows[] = {
#define GROUP(title) {OPTION_GROUP, 0, title, NULL, NULL, 0},
#define FLAG(field, letter, name, summary)                                     \
	{OPTION_FLAG, letter, name, NULL, summary, AT(field)},
#define TEXT(field, letter, name, metavar, summary)                            \
	{OPTION_TEXT, letter, name, metavar, summary, AT(field)},
#define LIST(field, letter, name, metavar, summary)                            \
	{OPTION_LIST, letter, name, metavar, summary, AT(field)},
#define WORD(field, letter, name, words, summary)                              \
	{OPTION_WORD, letter, name, words, summary, AT(field)},
#define MODE(field, letter, name, words, summary)                              \
	{OPTION_MODE, letter, name, words, summary, AT(field)},
#include "driver/options.def"
};
const int option_count = (int)(sizeof option_rows / sizeof *option_rows);

struct words { /* what is left of the command line */
	int argc, at;
	char **argv;
};

static const struct option_row *
find_long(const char *name, size_t len)
{
	for (int i = 0; i < option_count; i++)
		if (option_rows[i].kind != OPTION_GROUP &&
		    strlen(option_rows[i].name) == len &&
		    memcmp(option_rows[i].name, name, len) == 0)
			return &option_rows[i];
	return NULL;
}

static const struct option_row *
find_letter(char c)
{
	for (int i = 0; i < option_count; i++)
		if (c && option_rows[i].letter == c)
			return &option_rows[i];
	return NULL;
}

/* Index of word in "a|b|c", or -1. */
static int
word_index(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (int i = 0;; i++) {
		size_t n = strcspn(words, "|");

		if (n == len && memcmp(words, word, n) == 0)
			return i;
		if (!words[n])
			return -1;
		words += n + 1;
	}
}

static bool
put_word(const struct option_row *row, int *field, const char *value)
{
	int i = word_index(row->arg, value);

	if (i < 0)
		return say_usage("--%s takes one of %s, not '%s'", row->name,
		    row->arg, value);
	*field = i;
	return true;
}

/* The first word, if none is given. */
static bool
put_mode(const struct option_row *row, int *field, const char *value)
{
	if (value && !put_word(row, field, value))
		return false;
	*field = value ? *field + 1 : 1;
	return true;
}

/* Every option could be one of the same list: argc items are enough. */
static bool
put_item(struct text_list *list, int argc, const char *value)
{
	if (!list->item) {
		list->item = calloc((size_t)argc, sizeof *list->item);
		if (!list->item)
			abort();
	}
	list->item[list->n++] = value;
	return true;
}

static bool
put(struct options *o, const struct option_row *row, int argc,
    const char *value)
{
	char *field = (char *)o + row->offset;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)(void *)field = true;
		return true;
	case OPTION_TEXT:
		*(const char **)(void *)field = value;
		return true;
	case OPTION_LIST:
		return put_item((struct text_list *)(void *)field, argc, value);
	case OPTION_MODE:
		return put_mode(row, (int *)(void *)field, value);
	default:
		return put_word(row, (int *)(void *)field, value);
	}
}

static bool
unknown_long(const char *text, size_t len)
{
	const char *names[64] = {0}, *near;
	char name[64];
	int n = 0;

	for (int i = 0; i < option_count && n < 63; i++)
		if (option_rows[i].kind != OPTION_GROUP)
			names[n++] = option_rows[i].name;
	snprintf(name, sizeof name, "%.*s", (int)(len < 63 ? len : 63), text);
	near = diag_nearest(name, names);
	if (!near)
		return say_usage("unknown option '%s'", text - 2);
	return say_usage("unknown option '--%s'; did you mean '--%s'?", text,
	    near);
}

/* value: text behind '=' or the letter, or NULL. */
static bool
take(struct options *o, const struct option_row *row, struct words *w,
    const char *value)
{
	if (row->kind == OPTION_FLAG) {
		if (value)
			return say_usage("no value is taken by option '%s'",
			    w->argv[w->at - 1]);
	} else if (!value && row->kind != OPTION_MODE) {
		if (w->at == w->argc)
			return say_usage("a value is missing for option '%s'",
			    w->argv[w->at - 1]);
		value = w->argv[w->at++];
	}
	return put(o, row, w->argc, value);
}

static bool
take_long(struct options *o, struct words *w, const char *text)
{
	size_t len = strcspn(text, "=");
	const struct option_row *row = find_long(text, len);

	if (!row)
		return unknown_long(text, len);
	return take(o, row, w, text[len] ? text + len + 1 : NULL);
}

static bool
take_letters(struct options *o, struct words *w, const char *text)
{
	for (text++; *text; text++) {
		const struct option_row *row = find_letter(*text);
		bool flag = row && row->kind == OPTION_FLAG;

		if (!row)
			return say_usage("unknown option '%s'",
			    w->argv[w->at - 1]);
		if (!take(o, row, w, flag || !text[1] ? NULL : text + 1))
			return false;
		if (!flag)
			return true;
	}
	return true;
}

static bool
take_file(struct options *o, const char *text)
{
	if (o->file)
		return say_usage("one file at a time: unexpected '%s'", text);
	o->file = text;
	return true;
}

/* Mistakes before --diagnostics=json are reported in its form, too. */
static void
choose_form(int argc, char **argv)
{
	static const char name[] = "--diagnostics";
	size_t n = sizeof name - 1;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strncmp(argv[i], name, n) == 0 &&
		    ((argv[i][n] == '=' &&
		    strcmp(argv[i] + n + 1, "json") == 0) ||
		    (!argv[i][n] && i + 1 < argc &&
		    strcmp(argv[i + 1], "json") == 0)))
			say_in_json();
}

bool
options_parse(struct options *o, int argc, char **argv)
{
	struct words w = {argc, 1, argv};
	bool options = true, ok = true;

	choose_form(argc, argv);
	*o = (struct options){0};
	while (ok && w.at < argc) {
		const char *text = argv[w.at++];

		if (!options || text[0] != '-' || !text[1])
			ok = take_file(o, text);
		else if (strcmp(text, "--") == 0)
			options = false;
		else if (text[1] == '-')
			ok = take_long(o, &w, text + 2);
		else
			ok = take_letters(o, &w, text);
	}
	return ok;
}

void
options_free(struct options *o)
{
	for (int i = 0; i < option_count; i++)
		if (option_rows[i].kind == OPTION_LIST) {
			struct text_list *list =
			    (void *)((char *)o + option_rows[i].offset);

			free(list->item);
			*list = (struct text_list){0};
		}
}
