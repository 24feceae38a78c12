/*
 * The rehearsal: a run goes through its steps once before the first, and
 * nothing happens but that everything takes the memory that it will need.  Steps
 * after that allocate nothing.
 */
#ifndef LT_RUNTIME_MAIN_REHEARSE_H
#define LT_RUNTIME_MAIN_REHEARSE_H

#include "runtime/loong_rt.h"

/*
 * Of this rank, whose machine is open, alone: nobody waits for anybody.  Adds
 * the messages of moves to run->allocated.  LT_OK, or an exit code after a
 * message.
 */
int lt_rehearse(struct lt *);

#endif
