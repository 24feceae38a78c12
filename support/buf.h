/* A growing string on the heap; text is always terminated. */
#ifndef LOONG_BUF_H
#define LOONG_BUF_H

#include <stddef.h>

#include "support/compiler.h"

struct buf {
	char *text; /* NULL until the first character */
	size_t len, cap;
};

void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_add(struct buf *b, const char *s, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *buf_text(const struct buf *b); /* never NULL */
void buf_free(struct buf *b);

#endif
