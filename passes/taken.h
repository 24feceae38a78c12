/* Which bytes of an arena are taken when: a set of rectangles. */
#ifndef LOONG_PASSES_TAKEN_H
#define LOONG_PASSES_TAKEN_H

#include <stdint.h>

#include "support/arena.h"

/* Of ticks 0 .. ticks-1; nothing is taken.  Lives in mem. */
struct taken *taken_new(struct arena *mem, int ticks);
/* Bytes lo .. hi-1 are taken from tick `from` to tick `to`, inclusive. */
void taken_add(struct taken *t, int from, int to, uint64_t lo, uint64_t hi);
/* The lowest offset from which on `need` bytes, more than none, are free in
 * all ticks `from` .. `to`. */
uint64_t taken_lowest(struct taken *t, int from, int to, uint64_t need);
/* Runs of bytes looked at or moved so far, for tests of the time it takes. */
uint64_t taken_steps(const struct taken *t);

#endif
