/*
 * The transport of ranks that are processes.  What a step sends is packed and
 * posted at once, as messages, to be taken when the others need it; what it
 * gets comes into buffers that the step's channel keeps.  Who carries the
 * messages is behind mpi_abi.h.
 */
#ifndef LT_RUNTIME_COMM_MESSAGE_H
#define LT_RUNTIME_COMM_MESSAGE_H

#include "runtime/loong_rt.h"

struct lt_comm;
struct lt_mpi;

/* This process's rank; the functions have started.  NULL: out of memory. */
struct lt_comm *lt_message_open(const struct lt_program *, int rank,
    const struct lt_mpi *);

#endif
