/* loongc(1), from the table of options. */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "driver/options.h"
#include "support/compiler.h"

struct row {
	const char *name, *text;
};

static const struct row statuses[] = {
    {"0", "What was asked for is done."},
    {"1", "Errors in the input, a file that cannot be read or written, or a "
	  "C compiler that fails.  No output was written or replaced."},
    {"2", "Errors in the command line."},
    {"70", "A bug in loongc: a pass left a wrong program, or --verify found "
	   "a difference.  Please report it."},
};

static const struct row variables[] = {
    {"CC", "The C compiler and its first arguments, separated by blanks; "
	   "default: cc."},
    {"CFLAGS", "More arguments for it, after those of loongc."},
    {"CXX", "The same for C++, of which the kernels of --arch=emu are; "
	    "default: c++."},
    {"CXXFLAGS", "More arguments for that."},
    {"LDFLAGS", "More arguments for linking."},
    {"LOONGC_RUNTIME", "The folder with libloong_rt.a and include/, if "
		       "loongc does not find them itself."},
    {"TMPDIR", "Where --verify puts the program that it compiles and runs; "
	       "default: /tmp."},
    {"NO_COLOR", "If it is not empty, messages have no colors; nor have they "
		 "where TERM is dumb."},
    {"TERM", "The kind of terminal."},
};

static const struct row examples[] = {
    {"loongc quickstart.lt -o train", "Compile a model into its trainer."},
    {"loongc llama3-8b.lt --set s=2048 --emit=plan",
	"See what memory it would need with shorter sequences."},
    {"loongc gpt2.lt --after=autodiff > step.lir",
	"Look at the training step."},
    {"loongc step.lir -o train", "Go on from there."},
};

/* Text as roff: nothing in it is a request, a dash is a dash. */
static void
put_text(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '\'')
			fputs("\\(aq", out);
		else
			fputc(*text, out);
}

static void
put_paragraph(FILE *out, const char *text)
{
	put_text(out, text);
	fputc('\n', out);
}

/* --name=METAVAR, with --name in bold. */
static void
put_option(FILE *out, const struct option_row *r)
{
	fputs(".TP\n", out);
	if (r->letter)
		fprintf(out, "\\fB\\-%c\\fR, ", r->letter);
	fputs("\\fB\\-\\-", out);
	put_text(out, r->name);
	fputs("\\fR", out);
	if (r->kind == OPTION_MODE)
		fprintf(out, "[=\\fB%s\\fR]", r->arg);
	else if (r->arg && r->kind == OPTION_WORD)
		fprintf(out, "=\\fB%s\\fR", r->arg);
	else if (r->arg)
		fprintf(out, "=\\fI%s\\fR", r->arg);
	fputc('\n', out);
	put_paragraph(out, r->summary);
}

static void
put_options(FILE *out)
{
	fputs(".SH OPTIONS\n", out);
	for (int i = 0; i < option_count; i++)
		if (option_rows[i].kind == OPTION_GROUP) {
			fputs(".SS ", out);
			put_paragraph(out, option_rows[i].name);
		} else
			put_option(out, &option_rows[i]);
}

static void
put_rows(FILE *out, const char *title, const struct row *r, size_t n)
{
	fprintf(out, ".SH %s\n", title);
	for (size_t i = 0; i < n; i++) {
		fputs(".TP\n\\fB", out);
		put_text(out, r[i].name);
		fputs("\\fR\n", out);
		put_paragraph(out, r[i].text);
	}
}

void
options_manual(FILE *out)
{
	fputs(".\\\" Generated from driver/options.def by loongc --manual.\n"
	      ".TH LOONGC 1\n.SH NAME\n"
	      "loongc \\- compile a transformer into its trainer\n"
	      ".SH SYNOPSIS\n\\fBloongc\\fR [\\fIOPTION\\fR]... \\fIFILE\\fR\n"
	      ".SH DESCRIPTION\n",
	    out);
	put_paragraph(out,
	    "loongc reads a model, how to train it and where it "
	    "runs from FILE and makes one executable that trains it: "
	    "differentiation, kernels and the place of every byte are settled "
	    "at compile time.  The executable needs neither loongc nor a "
	    "compiler.");
	fputs(".PP\n", out);
	put_paragraph(out,
	    "FILE ends in .lt, the language, or in .lir, the "
	    "program between two passes as --emit=ir prints it; loongc goes on "
	    "with the pass after that.  Output goes to standard output or "
	    "where -o says, diagnostics go to standard error.");
	put_options(out);
	put_rows(out, "EXIT STATUS", statuses, COUNT_OF(statuses));
	put_rows(out, "ENVIRONMENT", variables, COUNT_OF(variables));
	put_rows(out, "EXAMPLES", examples, COUNT_OF(examples));
}
