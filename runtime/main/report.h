/*
 * What a trainer says to people: notes, warnings, errors, and the status
 * line that is rewritten in place on a terminal.  All goes to stderr; stdout
 * is for results (samples, the plan of a dry run).  No colours, so NO_COLOR
 * asks for nothing.
 */
#ifndef LT_RUNTIME_MAIN_REPORT_H
#define LT_RUNTIME_MAIN_REPORT_H

#include <stdbool.h>

#define LT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Name in front of messages (the last part of argv[0]); quiet: no notes and
 * no status line. */
void lt_report_start(const char *argv0, bool quiet);

/*
 * Ranks that are threads of one process: to be called by each, with its
 * number.  Only rank 0 notes and warns, and of several ranks that fail the
 * first one says why.  -1: this thread is no rank (any more).
 */
void lt_report_rank(int rank);

/*
 * "NAME: error: ..." and returns `code`, an enum lt_exit.  The message also
 * goes where launchers look for it: the JSON file that torchrun names in
 * TORCHELASTIC_ERROR_FILE, and Kubernetes' termination log.
 */
int lt_fail(int code, const char *fmt, ...) LT_PRINTF(2, 3);

/* "NAME: warning: ..." */
void lt_warn(const char *fmt, ...) LT_PRINTF(1, 2);

/* A line without a prefix; nothing if quiet. */
void lt_note(const char *fmt, ...) LT_PRINTF(1, 2);

/* Replaces the status line, cut to the terminal's width; only if
 * lt_report_tty().  The next message starts on a line of its own. */
void lt_status(const char *line);

bool lt_report_tty(void); /* stderr is a terminal that can rewrite a line */
int lt_report_columns(void); /* that a status line may have */
bool lt_report_quiet(void); /* no notes from this thread */

#endif
