/*
 * Why something failed, as the user will read it: one or more lines without
 * a newline at the end, and the exit code that goes with them.
 */
#ifndef LT_RUNTIME_STATE_ERROR_H
#define LT_RUNTIME_STATE_ERROR_H

#include <stdbool.h>

#include "runtime/loong_rt.h"

struct lt_error {
	enum lt_exit code;
	char text[2000];
};

/* Sets code and text; always false, so that callers can return it. */
bool lt_error_set(struct lt_error *, enum lt_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends a line; a text that does not fit is cut. */
void lt_error_line(struct lt_error *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "WHAT: strerror(errno)", LT_EXIT_IO. */
bool lt_error_errno(struct lt_error *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
