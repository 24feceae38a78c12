/*
 * Options of the command line.  The table options.def is the parser, the
 * fields below, --help and the manual page.
 */
#ifndef LOONG_DRIVER_OPTIONS_H
#define LOONG_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

/* Exit codes, as in the manual. */
enum { EXIT_ERRORS = 1, EXIT_USAGE = 2, EXIT_INTERNAL = 70 };

/* In the order of the words in options.def. */
enum emit { EMIT_EXE, EMIT_C, EMIT_PLAN, EMIT_IR, EMIT_AST,
	EMIT_TIMELINE, EMIT_LAUNCH, EMIT_CUDA, EMIT_PTX, EMIT_CUBIN, EMIT_KERNELS };
enum diagnostics { DIAGNOSTICS_HUMAN, DIAGNOSTICS_JSON };
enum verify_mode { VERIFY_NOT, VERIFY_ALL, VERIFY_STATIC };
enum target { TARGET_CPU, TARGET_CUDA };

struct text_list {
	const char **item;
	int n;
};

struct options {
	const char *file;
#define GROUP(title)
#define FLAG(field, letter, name, summary) bool field;
#define TEXT(field, letter, name, metavar, summary) const char *field;
#define LIST(field, letter, name, metavar, summary) struct text_list field;
#define WORD(field, letter, name, words, summary) int field;
#define MODE(field, letter, name, words, summary) int field;
#include "driver/options.def"
};

enum option_kind {
	OPTION_GROUP, OPTION_FLAG, OPTION_TEXT, OPTION_LIST, OPTION_WORD,
	OPTION_MODE
};

struct option_row {
	int kind;          /* enum option_kind */
	char letter;       /* or 0 */
	const char *name;  /* without dashes; title of a group */
	const char *arg;   /* metavar or words; NULL: takes none */
	const char *summary;
	size_t offset;     /* of its field in struct options */
};
extern const struct option_row option_rows[];
extern const int option_count;

/*
 * Reads argv into o.  Pointers in o are into argv, or lists of that size
 * which options_free releases.  On a mistake: a message to stderr, false.
 */
bool options_parse(struct options *o, int argc, char **argv);
void options_free(struct options *o);

void options_help(FILE *out);
void options_manual(FILE *out); /* loongc(1) in roff */

#endif
