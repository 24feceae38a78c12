/* Characters to words and numbers. */
#include "config.h"

#include "ir/reader.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

void
skip_blank(struct reader *r)
{
	while (r->p < r->end) {
		if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r')
			r->p++;
		else if (*r->p == '/' && r->end - r->p > 1 && r->p[1] == '/')
			while (r->p < r->end && *r->p != '\n')
				r->p++;
		else
			break;
	}
}

void
skip_lines(struct reader *r)
{
	for (;;) {
		skip_blank(r);
		if (r->p == r->end || *r->p != '\n')
			return;
		r->p++;
	}
}

struct span
span_from(const struct reader *r, const char *from)
{
	const char *to = r->p;

	while (to > from + 1 && isspace((unsigned char)to[-1]))
		to--;
	return (struct span){(uint32_t)(from - r->start),
	    (uint32_t)((to > from ? to : from + 1) - r->start)};
}

void
fail_at(struct reader *r, struct span at, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (!r->failed) {
		va_start(args, fmt);
		vsnprintf(text, sizeof text, fmt, args);
		va_end(args);
		diag_error(r->m->diag, at, "%s", text);
	}
	r->failed = true;
	r->p = r->end;
}

void
fail_here(struct reader *r, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	fail_at(r, span_from(r, r->p), "%s", text);
}

bool
at_char(struct reader *r, char c)
{
	skip_blank(r);
	return r->p < r->end && *r->p == c;
}

bool
at_word(struct reader *r)
{
	skip_blank(r);
	return r->p < r->end && is_name_start(*r->p);
}

bool
at_line_end(struct reader *r)
{
	skip_blank(r);
	return r->p == r->end || *r->p == '\n' || *r->p == '}' ||
	    *r->p == ';';
}

bool
accept(struct reader *r, const char *text)
{
	size_t n = strlen(text);

	skip_blank(r);
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
		return false;
	r->p += n;
	return true;
}

bool
accept_word(struct reader *r, const char *word)
{
	const char *p;

	skip_blank(r);
	p = r->p + strlen(word);
	if ((size_t)(r->end - r->p) > strlen(word) && is_name_char(*p))
		return false;
	return accept(r, word);
}

void
expect(struct reader *r, const char *text)
{
	if (!r->failed && !accept(r, text))
		fail_here(r, "expected '%s'", text);
}

void
expect_line_end(struct reader *r)
{
	if (!r->failed && !at_line_end(r))
		fail_here(r, "expected the end of the line");
}

enum dots { NO_DOTS, NAMES, ANY_PARTS }; /* what may follow a dot */

static bool
dot_joins(const struct reader *r, enum dots dots)
{
	if (dots == NO_DOTS || *r->p != '.' || r->end - r->p < 2)
		return false;
	return dots == NAMES ? is_name_start(r->p[1]) : is_name_char(r->p[1]);
}

static const char *
read_chars(struct reader *r, enum dots dots)
{
	const char *from;

	skip_blank(r);
	from = r->p;
	if (r->p == r->end || !is_name_start(*r->p)) {
		fail_here(r, "expected a name");
		return module_namez(r->m, "_");
	}
	while (r->p < r->end && (is_name_char(*r->p) || dot_joins(r, dots)))
		r->p++;
	if (r->p - from > READ_NAME) {
		fail_at(r, span_from(r, from),
		    "a name of more than %d characters", READ_NAME);
		return module_namez(r->m, "_");
	}
	return module_name(r->m, from, (size_t)(r->p - from));
}

const char *
read_name(struct reader *r)
{
	return read_chars(r, NO_DOTS);
}

const char *
read_path(struct reader *r)
{
	return read_chars(r, NAMES);
}

const char *
read_slot_name(struct reader *r)
{
	return read_chars(r, ANY_PARTS);
}

int64_t
read_int(struct reader *r, int64_t lo, int64_t hi)
{
	const char *from;
	bool minus = accept(r, "-");
	int64_t n = 0;

	skip_blank(r);
	from = r->p;
	while (r->p < r->end && isdigit((unsigned char)*r->p)) {
		if (n <= INT64_MAX / 10 - 1)
			n = n * 10 + (*r->p - '0');
		else
			n = INT64_MAX / 10;
		r->p++;
	}
	if (r->p == from) {
		fail_here(r, "expected a number");
		return lo;
	}
	n = minus ? -n : n;
	if (n < lo || n > hi) {
		fail_at(r, span_from(r, from),
		    "%s is not in %lld..%lld",
		    minus ? "the negative number" : "the number",
		    (long long)lo, (long long)hi);
		return lo;
	}
	return n;
}

double
read_real(struct reader *r)
{
	char text[64], *rest;
	size_t n = 0;
	double v;

	skip_blank(r);
	while (n < sizeof text - 1 && r->p + n < r->end &&
	    (is_name_char(r->p[n]) || strchr("+-.", r->p[n])) && r->p[n])
		n++;
	memcpy(text, r->p, n);
	text[n] = '\0';
	v = strtod(text, &rest);
	if (rest == text) {
		fail_here(r, "expected a number");
		return 0;
	}
	r->p += rest - text;
	return v;
}

bool
enter(struct reader *r)
{
	if (r->depth == READ_NESTING) {
		fail_here(r, "nested more than %d deep", READ_NESTING);
		return false;
	}
	r->depth++;
	return true;
}

void
leave(struct reader *r)
{
	r->depth--;
}
