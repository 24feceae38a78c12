/* Programs that loongc runs: they end with it, and so does what they start. */
#ifndef LOONG_DRIVER_CHILD_H
#define LOONG_DRIVER_CHILD_H

/*
 * Runs argv[0] (found in PATH) and waits for it.  in, out, err are its
 * standard files.  It gets a process group of its own: it must not use the
 * terminal.  0 and a status of waitpid; errno's number if it cannot be run.
 */
int child_run(char **argv, int in, int out, int err, int *status);

/*
 * Ends the program that is running, if any, with all of its group, and returns
 * when they are gone: SIGTERM first, so that a compiler can remove its files,
 * SIGKILL after two seconds.  For signal handlers.
 */
void child_end(void);

#endif
