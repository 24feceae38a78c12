/*
 * The log for programs: one JSON object per line, "schema": 1 in the first.
 * Readers ignore members they do not know; a member is never renamed within
 * a schema.  Numbers that are not finite are null.
 */
#ifndef LT_RUNTIME_METRICS_JSONL_H
#define LT_RUNTIME_METRICS_JSONL_H

#include <stdint.h>
#include <stdio.h>

struct lt;
struct lt_metrics;

void lt_jsonl_start(FILE *, const struct lt_metrics *);
void lt_jsonl_step(FILE *, const struct lt_metrics *, const struct lt *,
    double seconds);
void lt_jsonl_eval(FILE *, int64_t step, double nats, double tokens);
void lt_jsonl_save(FILE *, int64_t step, const char *error);
void lt_jsonl_end(FILE *, const struct lt_metrics *, int64_t step, int code);

/* A JSON string in quotes; control characters and bytes above 126 are
 * escaped (each such byte as one code point). */
void lt_jsonl_text(FILE *, const char *s);

#endif
