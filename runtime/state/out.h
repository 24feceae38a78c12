/*
 * Inside a run's directory:
 *
 *	lock                  held by the trainer that uses the directory
 *	step-000123           a checkpoint
 *	step-000123.tmp.HEX   being written or removed; stale: removed at start
 *	step-000123.bad       found damaged by a resume, kept for people
 */
#ifndef LT_RUNTIME_STATE_OUT_H
#define LT_RUNTIME_STATE_OUT_H

#include <stddef.h>

#include "runtime/state/state.h"

struct lt_out {
	int fd, lock;
	char *path;
};

struct lt_step_name {
	char s[64];
};

struct lt_step_name lt_step_name(int64_t step);
struct lt_step_name lt_step_temp(int64_t step); /* another each time */

/* Steps with a checkpoint directory, newest first; to be freed.  NULL: none,
 * or the directory cannot be read (errno set). */
int64_t *lt_out_steps(const struct lt_out *, size_t *n);

/* Takes a checkpoint out of sight in one step, then removes it. */
void lt_out_remove(struct lt_out *, int64_t step);

#endif
