/*
 * SIGTERM and SIGINT ask a trainer to stop after the step; a second one ends
 * it at once.
 */
#ifndef LT_RUNTIME_MAIN_SIGNALS_H
#define LT_RUNTIME_MAIN_SIGNALS_H

/* Call first of all: a signal during start-up counts. */
void lt_signals_start(void);

/* The signal that asked for the end, or 0. */
int lt_signals_stop(void);

#endif
