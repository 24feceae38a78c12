/*
 * Transport `local`: the ranks are threads of one process and read each
 * other's arrays.  A step is posted by publishing where its sources are; who
 * needs them copies or adds them straight from there, and the owner waits
 * until all have.  Nobody works for anybody else: everything happens inside
 * the calls of the ranks concerned.  A rank that has to wait sleeps, unless
 * there is a core for every thread.
 */
#ifndef LT_RUNTIME_COMM_LOCAL_H
#define LT_RUNTIME_COMM_LOCAL_H

#include "runtime/loong_rt.h"

struct lt_comm;
struct lt_local; /* what the ranks share */

/* NULL: out of memory.  Freed after all ranks have closed. */
struct lt_local *lt_local_new(const struct lt_program *);
void lt_local_free(struct lt_local *);

/* A rank's end; to be called by its thread.  NULL: out of memory. */
struct lt_comm *lt_local_open(struct lt_local *, int rank);

/* The exit code of the first rank that failed; 0: none has. */
int lt_local_failed(struct lt_local *);
/* A rank fails outside of any communication; others leave theirs.  False if
 * another one was first. */
bool lt_local_fail(struct lt_local *, int code);

#endif
