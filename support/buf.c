#include "config.h"

#include "support/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for len more characters and the terminator. */
static char *
reserve(struct buf *b, size_t len)
{
	size_t cap = b->cap ? b->cap : 64;

	while (cap - b->len <= len) {
		if (cap > (size_t)-1 / 2)
			abort();
		cap *= 2;
	}
	if (cap != b->cap) {
		b->text = realloc(b->text, cap);
		if (!b->text) {
			fputs("loongc: out of memory\n", stderr);
			abort();
		}
		b->cap = cap;
	}
	return b->text + b->len;
}

void
buf_add(struct buf *b, const char *s, size_t len)
{
	memcpy(reserve(b, len), s, len);
	b->len += len;
	b->text[b->len] = '\0';
}

void
buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	va_start(args, fmt);
	vsnprintf(reserve(b, (size_t)len), (size_t)len + 1, fmt, args);
	va_end(args);
	b->len += (size_t)len;
}

const char *
buf_text(const struct buf *b)
{
	return b->text ? b->text : "";
}

void
buf_free(struct buf *b)
{
	free(b->text);
	*b = (struct buf){0};
}
