/*
 * Transport `tcp`: ranks as processes without an MPI, a connection for every
 * pair.  A thread moves the messages, so that they go on while a rank
 * computes, and sees at once when another process is no more.
 */
#ifndef LT_RUNTIME_COMM_TCP_H
#define LT_RUNTIME_COMM_TCP_H

#include <stdint.h>

#include "runtime/loong_rt.h"

struct lt_mpi;
struct lt_rdzv;

/* Meets the other ranks (meet.h) and starts the thread.  LT_OK, or an exit
 * code after a message. */
int lt_tcp_start(const struct lt_rdzv *, double timeout, int rank, int ranks);

/* Says good-bye; nothing if never started.  After the rank has closed. */
void lt_tcp_stop(void);

/* What messages go by, once started. */
const struct lt_mpi *lt_tcp_wire(void);

#endif
