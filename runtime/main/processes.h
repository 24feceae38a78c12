/*
 * The ranks of a program as processes, each with one rank, joined over MPI
 * (comm/mpi.h) or by a rendezvous (comm/rdzv.h, comm/tcp.h).
 */
#ifndef LT_RUNTIME_MAIN_PROCESSES_H
#define LT_RUNTIME_MAIN_PROCESSES_H

#include "runtime/main/launch.h"
#include "runtime/main/run.h"

/*
 * Starts this program once for each rank of this machine, with the same
 * arguments: by itself (spawn.h), or it becomes the mpirun that --mpi or
 * --rdzv asks for.  The exit code.
 */
int lt_processes_spawn(char **argv, const struct lt_options *,
    const struct lt_launch *);

/* Joins the other processes and takes this one's place among them: rank,
 * ranks, coordinates.  LT_OK, or an exit code after a message. */
int lt_processes_join(struct lt *rt, const struct lt_launch *by);

/*
 * Calls body for this process's rank, unless rc, what has happened to this
 * process so far, is not LT_OK for all of them.  The exit code.
 */
int lt_processes_run(struct lt *rt, int rc, int (*body)(struct lt *));

/* Parts from the others; nothing if that has happened. */
void lt_processes_leave(struct lt *rt);

/* Ranks on this machine, as the launcher says; all if it does not. */
int lt_processes_here(int ranks);

#endif
