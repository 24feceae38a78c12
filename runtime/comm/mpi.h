/* Ranks as processes that mpirun or srun started: messages by an MPI. */
#ifndef LT_RUNTIME_COMM_MPI_H
#define LT_RUNTIME_COMM_MPI_H

#include "runtime/loong_rt.h"

struct lt_mpi;

/* A plugin that trainers carry, see mpi_abi.h; name: "openmpi", "mpich". */
struct lt_mpi_image {
	const char *name;
	const unsigned char *bytes;
	uint64_t n;
};
extern const struct lt_mpi_image lt_mpi_images[];
extern const int lt_mpi_image_count; /* 0: built without MPI */

/*
 * Loads the named plugin (NULL: the one that fits the environment, else any)
 * and joins the other processes, or ends this one with a message if that has
 * not happened after timeout seconds.  An exit code after a message; on LT_OK
 * *rank and *ranks are what MPI says.
 */
int lt_mpi_start(const char *name, double timeout, int *rank, int *ranks);
const char *lt_mpi_library(void); /* after start: name and version */
void lt_mpi_stop(void);           /* after the rank has closed */

/* What messages go by, once started. */
const struct lt_mpi *lt_mpi_wire(void);

#endif
