/*
 * The seam between a trainer and an MPI library.
 *
 * MPI has no common binary interface: its handles are ints in one library and
 * pointers in another.  So what calls MPI is a plugin of its own, compiled
 * against each library that configure finds; trainers carry the plugins along
 * and load the one that fits how they were started.  Only types of C cross.
 * Transport `tcp` (tcp.h) stands on the same side of the seam as the plugins.
 *
 * Messages of one lane between two ranks match in the order in which they are
 * posted; each lane has a communicator of its own.  All calls come from the
 * thread that called start.  Functions that can fail return 0 or an MPI error,
 * which `text` explains.
 */
#ifndef LT_RUNTIME_COMM_MPI_ABI_H
#define LT_RUNTIME_COMM_MPI_ABI_H

#include <stdint.h>

enum { LT_MPI_ABI = 3, LT_MPI_LANES = 16 };

struct lt_mpi {
	uint32_t abi;
	/* Joins the others: this rank, how many there are. */
	int (*start)(int *rank, int *ranks);
	/* Posts one message of at most 2^30 bytes; *request names it. */
	int (*send)(int lane, int to, const void *, uint32_t bytes,
	    int *request);
	int (*recv)(int lane, int from, void *, uint32_t bytes, int *request);
	/* *done: the message has gone or come, and its request is no more. */
	int (*test)(int request, int *done);
	/* The name of the library and its version. */
	const char *(*library)(void);
	const char *(*text)(int error);
	void (*stop)(void);      /* when all messages are done */
	void (*abort)(int code); /* ends all ranks; may return */
	/* Of those that move messages without being asked, else NULL: returns
	 * when one has ended since the last test, or after so many seconds. */
	void (*wait)(double seconds);
	/* An error that no message has met yet; 0: none.  NULL: not known. */
	int (*trouble)(void);
	/* After an error: the code with which another rank has ended the run,
	 * having said why; 0: that is for this rank to say.  NULL: always 0. */
	int (*ended)(void);
	/* Room for so many messages under way at a time: posting them takes no
	 * memory of the plugin's.  NULL: it is taken when they are posted. */
	int (*reserve)(int messages);
};

/* What a plugin exports, under this name. */
#define LT_MPI_SYMBOL "lt_mpi_plugin"
const struct lt_mpi *lt_mpi_plugin(void);

#endif
