/*
 * What loongc says of itself, where no source is to blame: options, files, the
 * C compiler.  A line of text, or a JSON object a line as for diagnostics:
 * {"severity", "message", "file" if it is about one, "children"}.  All of
 * them return false.
 */
#ifndef LOONG_DRIVER_SAY_H
#define LOONG_DRIVER_SAY_H

#include <stdbool.h>

#include "support/compiler.h"

/* From now on JSON: --diagnostics=json. */
void say_in_json(void);

bool say_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
bool say_file(const char *path, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A mistake on the command line; --help may help. */
bool say_usage(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The C compiler: what it printed (may be ""), and how it was called. */
bool say_compiler(bool failed, const char *what, const char *command,
    const char *output);

#endif
