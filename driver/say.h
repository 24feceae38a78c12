/*
 * What loongc says of itself, where no source is to blame: options, files, the
 * C compiler.  A line of text, or a JSON object a line as for diagnostics:
 * {"severity", "message", "file" if it is about one, "children"}.  All of
 * them return false.
 */
#ifndef LOONG_DRIVER_SAY_H
#define LOONG_DRIVER_SAY_H

#include <stdbool.h>
#include <stddef.h>

#include "support/compiler.h"

/* From now on JSON: --diagnostics=json. */
void say_in_json(void);

/* path, help: what it is about and a way out, or NULL. */
bool say(const char *path, const char *help, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
#define say_error(...) say(NULL, NULL, __VA_ARGS__)
#define say_file(path, ...) say(path, NULL, __VA_ARGS__)
/* A mistake on the command line. */
#define say_usage(...) say(NULL, "try: loongc --help", __VA_ARGS__)
/* The C compiler: what it printed (may be ""), and how it was called. */
bool say_compiler(bool failed, const char *what, const char *command,
    const char *output);

#endif
