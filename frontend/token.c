/* Values of tokens, and what can be wrong with one. */
#include "config.h"

#include "frontend/token.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *
lex_name(struct parse *p, struct span at, const char *s, int n)
{
	if (n > MAX_NAME) {
		diag_report(p->d, DIAG_LONG_NAME, at,
		    "name of %d characters: at most %d", n, MAX_NAME);
		n = MAX_NAME;
	}
	return arena_strndup(p->mem, s, (size_t)n);
}

/* The lexer has checked the form: digits, fraction, exponent, suffix. */
double
lex_number(struct parse *p, struct span at, const char *s, int n)
{
	static const char suffix[] = "KMGT";
	const char *k = n ? strchr(suffix, s[n - 1]) : NULL;
	double x = strtod(s, NULL);

	if (k && s[n - 1])
		x = ldexp(x, 10 * (int)(k - suffix + 1));
	if (isfinite(x))
		return x;
	diag_report(p->d, DIAG_BIG_NUMBER, at, "number is too large");
	return 1;
}

void
lex_bad_number(struct parse *p, struct span at, const char *s)
{
	struct report r;

	report_open(&r, p->d, DIAG_BAD_NUMBER, at, "'%.40s' is not a number",
	    s);
	report_help(&r, "names start with a letter; suffixes are K M G T: 8K "
	    "is 8192");
	report_close(&r);
}

void
lex_open_string(struct parse *p, struct span at)
{
	diag_report(p->d, DIAG_OPEN_STRING, at,
	    "string does not end on its line");
}

bool
lex_open(struct parse *p, struct span at)
{
	if (++p->nest <= MAX_NESTING)
		return true;
	diag_report(p->d, DIAG_NESTING, at, "nested deeper than %d levels",
	    MAX_NESTING);
	p->stopped = true;
	return false;
}

void
lex_stray(struct parse *p, struct span at, const char *s, int n)
{
	struct report r;

	if ((s[0] >= 0 && s[0] < 32) || s[0] == 127)
		report_open(&r, p->d, DIAG_STRAY, at,
		    "unexpected character U+%04X", (unsigned)s[0]);
	else
		report_open(&r, p->d, DIAG_STRAY, at,
		    "unexpected character '%.*s'", n > 40 ? 40 : n, s);
	if (s[0] == '#' || s[0] == '%')
		report_help(&r, "comments start with //");
	else if (s[0] == '@')
		report_help(&r, "a matrix is a map: write w(x), not x @ w");
	else if (s[0] == '.')
		report_help(&r, "numbers start with a digit: 0.5");
	report_close(&r);
	p->stray = at.hi;
}
