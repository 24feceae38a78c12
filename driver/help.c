/* --help, from the table of options. */
#include "config.h"

#include <string.h>

#include "driver/options.h"

enum { WIDTH = 79, INDENT = 26 };

static void
print_blanks(FILE *out, int n)
{
	fprintf(out, "%*s", n, "");
}

/* Words of text, broken before WIDTH, continued at column INDENT. */
static void
print_wrapped(FILE *out, const char *text)
{
	int column = INDENT;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > INDENT && column + 1 + len > WIDTH) {
			fputc('\n', out);
			print_blanks(out, INDENT);
			column = INDENT;
		} else if (column > INDENT) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", len, text);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* "  -o, --output=PATH", returns its length. */
static int
print_name(FILE *out, const struct option_row *r)
{
	char letter[8] = "    ";
	int words = r->kind == OPTION_WORD && strlen(r->arg) > 8;

	if (r->letter)
		snprintf(letter, sizeof letter, "-%c, ", r->letter);
	if (r->kind == OPTION_MODE)
		return fprintf(out, "  %s--%s[=WORD]", letter, r->name);
	return fprintf(out, "  %s--%s%s%s", letter, r->name, r->arg ? "=" : "",
	    !r->arg ? ""
	    : words ? "WORD"
		    : r->arg);
}

void
options_help(FILE *out)
{
	fputs("loongc FILE.lt -o train     compile a model into its trainer\n"
	      "loongc FILE.lt --verify     check the compiler on this model\n"
	      "loongc FILE.lt --emit=c     look at what it makes\n",
	    out);
	for (int i = 0; i < option_count; i++) {
		const struct option_row *r = &option_rows[i];
		int n;

		if (r->kind == OPTION_GROUP) {
			fprintf(out, "\n%s:\n", r->name);
			continue;
		}
		n = print_name(out, r);
		if (n >= INDENT) {
			fputc('\n', out);
			n = 0;
		}
		print_blanks(out, INDENT - n);
		print_wrapped(out, r->summary);
	}
	fputs("\nFILE ends in .lt (the language) or .lir (a dump of --emit=ir,"
	      " which goes on\nfrom its stage).  Exit: 0 ok, 1 errors in the "
	      "input, 2 usage, 70 a bug.\n",
	    out);
}
