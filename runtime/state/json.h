/* JSON of files that anybody may have written. */
#ifndef LT_RUNTIME_STATE_JSON_H
#define LT_RUNTIME_STATE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* A whole number that is not negative. */
bool lt_json_whole(const json_t *j, uint64_t *out);

/*
 * Parses n bytes: duplicate keys, deep nesting (over 8) and more values than
 * bytes could honestly hold are refused before memory is spent on them.
 * NULL, with *why set to a static string or one in *error.
 */
json_t *lt_json_load(const char *text, uint64_t n, json_error_t *error,
    const char **why);

#endif
