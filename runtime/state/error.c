/* Texts of errors. */
#include "runtime/state/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
lt_error_set(struct lt_error *e, enum lt_exit code, const char *format, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, format);
	vsnprintf(e->text, sizeof e->text, format, ap);
	va_end(ap);
	return false;
}

void
lt_error_line(struct lt_error *e, const char *format, ...)
{
	size_t n = strlen(e->text);
	va_list ap;

	if (n > 0 && n + 1 < sizeof e->text)
		e->text[n++] = '\n';
	va_start(ap, format);
	vsnprintf(e->text + n, sizeof e->text - n, format, ap);
	va_end(ap);
}

bool
lt_error_errno(struct lt_error *e, const char *format, ...)
{
	int err = errno;
	size_t n;
	va_list ap;

	e->code = LT_EXIT_IO;
	va_start(ap, format);
	vsnprintf(e->text, sizeof e->text, format, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(err));
	return false;
}
