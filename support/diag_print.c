/*
 * The two forms of a message.
 *
 * Text:  FILE:LINE:COLUMN: error[CODE]: what
 *		the line
 *		    ^~~~
 * JSON:  one object a line, strings escaped by RFC 8259.
 *
 * Columns count bytes from 1.  Lines of the source are clipped around the
 * span, and nothing in them reaches the terminal as a control character.
 */
#include "config.h"

#include <string.h>

#include "support/diag_print.h"

enum { CLIP_BEFORE = 80, CLIP = 160 };

struct line {
	uint32_t number;
	uint32_t lo, hi; /* without the newline */
};

static const char *const severity_name[] = {"error", "warning"};
static const char *const line_name[] = {"label", "note", "help"};
static const char *const paint[] = {"\033[1;31m", "\033[1;35m"};

static struct line
line_of(const struct source *src, uint32_t at)
{
	struct line l = {.number = 1};

	for (uint32_t i = 0; i < at && i < src->len; i++)
		if (src->text[i] == '\n') {
			l.number++;
			l.lo = i + 1;
		}
	for (l.hi = l.lo; l.hi < src->len && src->text[l.hi] != '\n';)
		l.hi++;
	return l;
}

/* ------------------------------------------------------------------- text */

static bool
continues(unsigned char c) /* inside of a UTF-8 character */
{
	return (c & 0xc0) == 0x80;
}

static void
clip(const struct source *src, struct line *l, uint32_t at)
{
	if (at > l->lo + CLIP_BEFORE && l->hi - l->lo > CLIP) {
		l->lo = at - CLIP_BEFORE;
		while (l->lo < at && continues((unsigned char)src->text[l->lo]))
			l->lo++;
	}
	if (l->hi > l->lo + CLIP) {
		l->hi = l->lo + CLIP;
		while (l->hi > at &&
		    continues((unsigned char)src->text[l->hi]))
			l->hi--;
	}
}

/* Bytes of the control or invisible character at s[0..n), 0 if it is none:
 * ASCII, c2 80 to c2 9f, U+200B.., U+202A.., U+2060.., U+FEFF. */
static uint32_t
hidden(const char *s, uint32_t n)
{
	const unsigned char *c = (const unsigned char *)s;

	if ((c[0] < 32 && c[0] != '\t') || c[0] == 127)
		return 1;
	if (n >= 2 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
		return 2;
	if (n < 3)
		return 0;
	if ((c[0] == 0xe2 && c[1] == 0x80 && ((c[2] >= 0x8b && c[2] <= 0x8f) ||
	    (c[2] >= 0xa8 && c[2] <= 0xae))) ||
	    (c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa0 && c[2] <= 0xaf) ||
	    (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf))
		return 3;
	return 0;
}

static void
print_source(FILE *out, const struct source *src, struct line l)
{
	for (uint32_t i = l.lo; i < l.hi;) {
		uint32_t n = hidden(src->text + i, l.hi - i);

		fputc(n ? '?' : src->text[i], out);
		i += n ? n : 1;
	}
}

/* Repeats the blanks of the line, so tabs keep the caret aligned. */
static void
print_caret(const struct diag *d, struct line l, struct span at,
    const char *color)
{
	const char *s = d->src->text;
	uint32_t hi = at.hi < l.hi ? at.hi : l.hi;

	fputs("\t", d->out);
	for (uint32_t i = l.lo; i < at.lo && i < l.hi; i++)
		if (!continues((unsigned char)s[i]))
			fputc(s[i] == '\t' ? '\t' : ' ', d->out);
	fputs(d->color ? color : "", d->out);
	fputc('^', d->out);
	for (uint32_t i = at.lo + 1; i < hi; i++)
		if (!continues((unsigned char)s[i]))
			fputc('~', d->out);
	fputs(d->color ? "\033[0m\n" : "\n", d->out);
}

static void
print_excerpt(const struct diag *d, struct span at, const char *color)
{
	struct line l;

	if (at.hi == 0 || at.lo > d->src->len)
		return;
	l = line_of(d->src, at.lo);
	clip(d->src, &l, at.lo);
	fputc('\t', d->out);
	print_source(d->out, d->src, l);
	fputc('\n', d->out);
	print_caret(d, l, at, color);
}

/* A span that ends at 0 is the whole source. */
static void
print_place(const struct diag *d, struct span at)
{
	struct line l = line_of(d->src, at.lo);

	if (at.hi == 0) {
		fprintf(d->out, "%s: ", d->src->name);
		return;
	}
	fprintf(d->out, "%s:%u:%u: ", d->src->name, l.number,
	    at.lo - l.lo + 1);
}

static void
print_line(const struct report *r, const struct report_line *l)
{
	const struct diag *d = r->d;

	if (l->kind != LINE_LABEL) {
		fprintf(d->out, "\t%s: %s\n", line_name[l->kind], l->text);
		return;
	}
	print_place(d, l->at);
	fprintf(d->out, "note: %s\n", l->text);
	print_excerpt(d, l->at, "\033[1;36m");
}

void
diag_print_human(const struct report *r)
{
	const struct diag *d = r->d;
	const struct diag_info *x = &diag_info[r->code];
	const char *color = d->color ? paint[x->severity] : "";

	print_place(d, r->at);
	fprintf(d->out, "%s%s%s%s%s:%s %s\n", color,
	    severity_name[x->severity], *x->code ? "[" : "", x->code,
	    *x->code ? "]" : "", d->color ? "\033[0m" : "", r->text);
	print_excerpt(d, r->at, paint[x->severity]);
	for (int i = 0; i < r->nline; i++)
		print_line(r, &r->line[i]);
}

/* ------------------------------------------------------------------- JSON */

/* Length of the well-formed UTF-8 character at s, 0 if it is none. */
static int
utf8_length(const char *s)
{
	unsigned char c = (unsigned char)s[0], d = (unsigned char)s[1];
	int n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 :
	    (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

	for (int i = 1; i < n; i++)
		if (!continues((unsigned char)s[i]))
			return 0;
	if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) ||
	    (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
		return 0;
	return n;
}

void
diag_print_string(FILE *out, const char *s)
{
	fputc('"', out);
	while (*s) {
		unsigned char c = (unsigned char)*s;
		int n = utf8_length(s);

		if (n == 0)
			fputs("\\ufffd", out);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 32 || c == 127)
			fprintf(out, "\\u%04x", c);
		else
			fwrite(s, 1, (size_t)n, out);
		s += n ? n : 1;
	}
	fputc('"', out);
}

static void
print_span(const struct diag *d, struct span at)
{
	struct line lo = line_of(d->src, at.lo);
	struct line hi = line_of(d->src, at.hi > at.lo ? at.hi : at.lo);

	fprintf(d->out, "\"line\":%u,\"column\":%u,\"end_line\":%u,"
	    "\"end_column\":%u,\"offset\":%u,\"length\":%u", lo.number,
	    at.lo - lo.lo + 1, hi.number,
	    (at.hi > at.lo ? at.hi : at.lo) - hi.lo + 1, at.lo,
	    at.hi > at.lo ? at.hi - at.lo : 0);
}

void
diag_print_json(const struct report *r)
{
	const struct diag *d = r->d;
	const struct diag_info *x = &diag_info[r->code];

	fprintf(d->out, "{\"severity\":\"%s\",", severity_name[x->severity]);
	if (*x->code)
		fprintf(d->out, "\"code\":\"%s\",", x->code);
	fputs("\"message\":", d->out);
	diag_print_string(d->out, r->text);
	fputs(",\"file\":", d->out);
	diag_print_string(d->out, d->src->name);
	fputc(',', d->out);
	print_span(d, r->at);
	fputs(",\"children\":[", d->out);
	for (int i = 0; i < r->nline; i++) {
		const struct report_line *l = &r->line[i];

		fprintf(d->out, "%s{\"kind\":\"%s\",\"message\":", i ? "," : "",
		    line_name[l->kind]);
		diag_print_string(d->out, l->text);
		if (l->kind == LINE_LABEL) {
			fputc(',', d->out);
			print_span(d, l->at);
		}
		fputc('}', d->out);
	}
	fputs("]}\n", d->out);
}
