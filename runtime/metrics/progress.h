/* The line that people watch. */
#ifndef LT_RUNTIME_METRICS_PROGRESS_H
#define LT_RUNTIME_METRICS_PROGRESS_H

struct lt;
struct lt_metrics;

/*
 * After a step.  On a terminal: one line, rewritten some times a second.
 * Elsewhere: a line every log_every steps, but not more often than every
 * ten seconds, and one for the first and the last step.
 */
void lt_progress(struct lt_metrics *, const struct lt *rt);

/* After the last step: how fast it was, a line. */
void lt_progress_end(const struct lt_metrics *);

/* "1:02:03" or "0:09"; "-" if unknown (negative). */
const char *lt_progress_time(double seconds, char buf[24]);

/* "950", "21.3k", "4.5M". */
const char *lt_progress_short(double x, char buf[16]);

#endif
