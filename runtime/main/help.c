/* --help and the man page, from the table of options. */
#include "config.h"

#include <string.h>

#include "runtime/loong_rt.h"
#include "runtime/main/options.h"

static const char *const exit_text[] = {
#define EXIT(code, when) [code] = when,
#include "runtime/main/exits.def"
#undef EXIT
};

enum { EXITS = sizeof exit_text / sizeof *exit_text, LINE = 78, INDENT = 24 };

/* ---- help ---- */

/* Words from column *at on, folded at LINE with an indent. */
static void
put_folded(FILE *f, const char *s, int at)
{
	while (*s) {
		int n = (int)strcspn(s, " ");

		if (at + 1 + n > LINE) {
			fprintf(f, "\n%*s", INDENT, "");
			at = INDENT;
		} else if (at > INDENT) {
			fputc(' ', f);
			at++;
		}
		fprintf(f, "%.*s", n, s);
		at += n;
		s += n + (s[n] == ' ');
	}
}

static void
default_flag(char *buf, size_t n, bool v)
{
	(void)v;
	snprintf(buf, n, "%s", "");
}

static void
default_text(char *buf, size_t n, const char *v)
{
	snprintf(buf, n, v ? " [%s]" : "", v);
}

static void
default_count(char *buf, size_t n, int64_t v)
{
	/* Below zero: not given, and the text says what happens then. */
	snprintf(buf, n, v < 0 ? "" : " [%lld]", (long long)v);
}

static void
default_real(char *buf, size_t n, double v)
{
	snprintf(buf, n, " [%g]", v);
}

static void
put_option(FILE *f, const char *name, const char *arg, const char *help,
    const char *dflt)
{
	char left[64], right[1024];
	int n = snprintf(left, sizeof left, "  --%s%s%s", name, arg ? " " : "",
	    arg ? arg : "");

	if (!*help)
		return;
	snprintf(right, sizeof right, "%s%s", help, dflt);
	fprintf(f, "%-*s", INDENT, left);
	if (n >= INDENT)
		fprintf(f, "\n%*s", INDENT, "");
	put_folded(f, right, INDENT);
	fputc('\n', f);
}

static void
put_options(FILE *f, const struct lt_options *o)
{
	char dflt[512];

#define GROUP(title) fprintf(f, "\n%s:\n", title);
#define OPT(field, kind, name, arg, lo, hi, help)                             \
	default_##kind(dflt, sizeof dflt, o->field);                          \
	put_option(f, name, arg, help, dflt);
#include "runtime/main/options.def"
#undef OPT
#undef GROUP
}

static void
put_exits(FILE *f)
{
	fputs("\nExit codes:\n", f);
	for (int i = 0; i < EXITS; i++)
		if (exit_text[i]) {
			fprintf(f, "  %-*d", INDENT - 2, i);
			put_folded(f, exit_text[i], INDENT);
			fputc('\n', f);
		}
	fprintf(f, "  %-*s", INDENT - 2, "128 + N");
	put_folded(f, "stopped by signal N without --out", INDENT);
	fputc('\n', f);
}

void
lt_options_help(FILE *f, const char *argv0, const struct lt_program *p,
    const struct lt_options *o)
{
	const char *slash = strrchr(argv0, '/');
	const char *name = slash ? slash + 1 : argv0;

	fprintf(f, "usage: %s [OPTION]...\n"
	    "Train %s, a model of %llu parameters compiled by loongc %s.\n\n"
	    "Examples:\n"
	    "  ./%s --data book.txt --out run --sample 200\n"
	    "  ./%s --data book.txt --out run --resume --steps 2000\n",
	    name, p->name, (unsigned long long)p->parameters, p->version,
	    name, name);
	put_options(f, o);
	put_exits(f);
}

/* ---- man page ---- */

/* Text of a man page: nothing in it may look like a request. */
static void
put_roff(FILE *f, const char *s)
{
	for (; *s; s++)
		if (*s == '-')
			fputs("\\-", f);
		else if (*s == '\\')
			fputs("\\e", f);
		else
			fputc(*s, f);
	fputc('\n', f);
}

static void
man_option(FILE *f, const char *name, const char *arg, const char *help)
{
	if (!*help)
		return;
	fputs(".TP\n.B \\-\\-", f);
	if (arg) {
		for (; *name; name++)
			fputs(*name == '-' ? "\\-" : (char[]){*name, 0}, f);
		fprintf(f, " \\fI%s\\fR\n", arg);
	} else {
		put_roff(f, name);
	}
	put_roff(f, help);
}

void
lt_options_man(FILE *f)
{
	fputs(".\\\" Generated from runtime/main/options.def; do not edit.\n"
	    ".TH LOONG\\-TRAIN 1 \"\" loongc \"User Commands\"\n"
	    ".SH NAME\nloong\\-train \\- a trainer made by loongc\n"
	    ".SH SYNOPSIS\n.B ./train\n[\\fIOPTION\\fR]...\n"
	    ".SH DESCRIPTION\n"
	    ".B loongc\n"
	    "compiles a model, a recipe and a plan into one executable.  It "
	    "trains the\nmodel on a text or token file, shows progress on "
	    "standard error, and prints\nsamples on standard output.  "
	    "Defaults come from the recipe;\n"
	    ".B \\-\\-help\nshows them.\n", f);
#define GROUP(title) fprintf(f, ".SH \"OPTIONS: %s\"\n", title);
#define OPT(field, kind, name, arg, lo, hi, help)                             \
	man_option(f, name, arg, help);
#include "runtime/main/options.def"
#undef OPT
#undef GROUP
	fputs(".SH \"EXIT STATUS\"\n", f);
	for (int i = 0; i < EXITS; i++)
		if (exit_text[i]) {
			fprintf(f, ".TP\n.B %d\n", i);
			put_roff(f, exit_text[i]);
		}
	fputs(".TP\n.B 128 + N\nstopped by signal N without "
	    "\\-\\-out\n", f);
	fputs(".SH SIGNALS\nAfter SIGTERM or SIGINT the trainer finishes the "
	    "step, saves a checkpoint and\nleaves with status 75.  A second "
	    "signal ends it at once.\n"
	    ".SH ENVIRONMENT\n.TP\n.B TORCHELASTIC_ERROR_FILE\nwhere an error message is also "
	    "written, as JSON\n"
	    ".TP\n.B LOONG_RDZV_TOKEN\nthe secret that processes show each "
	    "other before they join over TCP, 16\ncharacters or more\n"
	    ".TP\n.B LOONG_RDZV_ADDR\nthe address of this machine that rank "
	    "0 publishes for \\-\\-rdzv file:DIR\n"
	    ".TP\n.B LOONG_RDZV_ID\na name of the job, where the launcher "
	    "gives none\n"
	    ".TP\n.B RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, "
	    "MASTER_ADDR, MASTER_PORT\nas torchrun sets them: this process's "
	    "place in the run\n"
	    ".TP\n.B PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR, "
	    "PET_MASTER_PORT\nof a machine of several, on each of which "
	    "\\-\\-nproc starts its share of the ranks\n"
	    ".SH \"SEE ALSO\"\n.BR loongc (1)\n", f);
}
