/*
 * Processes that are all on one machine exchange their messages through memory
 * that they share (near.h).  Others keep the wire that they met by, which also
 * says whether somebody has failed.
 *
 * Rank 0 makes the memory, a file without a name that only /proc/PID/fd leads
 * to, and the others prove that what they have mapped is that: they find the
 * random token in it that has come to them by the wire.  The memory goes with
 * the last process that has it.
 */
#ifndef LT_RUNTIME_COMM_SHM_H
#define LT_RUNTIME_COMM_SHM_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/comm/mpi_abi.h"

struct lt_shm_ask {
	int rank, ranks;
	bool want;      /* false: this rank will not */
	bool spin;      /* near.h */
	uint64_t most;  /* bytes of the memory, at most */
	double timeout; /* seconds to wait for another rank */
};

/*
 * All ranks call it together, with a wire that has started.  *wire is what
 * messages go by: through shared memory, or `base`, and then *why, a static
 * text, says why not.  LT_OK, or an exit code after a message.
 */
int lt_shm_start(const struct lt_mpi *base, const struct lt_shm_ask *,
    const struct lt_mpi **wire, const char **why);

/* After the rank has closed, before the base stops; nothing if there is no
 * shared memory. */
void lt_shm_stop(void);

#endif
