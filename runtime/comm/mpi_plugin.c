/* The calls to MPI; compiled by mpicc into a plugin, see mpi_abi.h. */
#include "runtime/comm/mpi_abi.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

static MPI_Comm lanes[LT_MPI_LANES];
static MPI_Request *requests;
static char *used;
static int room;

static int
start(int *rank, int *ranks)
{
	int have, err = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED,
	    &have);

	if (err)
		return err;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_rank(MPI_COMM_WORLD, rank);
	MPI_Comm_size(MPI_COMM_WORLD, ranks);
	for (int i = 0; !err && i < LT_MPI_LANES; i++) {
		err = MPI_Comm_dup(MPI_COMM_WORLD, &lanes[i]);
		if (!err)
			MPI_Comm_set_errhandler(lanes[i], MPI_ERRORS_RETURN);
	}
	return err;
}

static int
reserve(int n)
{
	MPI_Request *r = n > room ? realloc(requests, (size_t)n * sizeof *r) :
	    requests;
	char *u;

	if (n <= room)
		return MPI_SUCCESS;
	if (r)
		requests = r;
	u = r ? realloc(used, (size_t)n) : NULL;
	if (!u)
		return MPI_ERR_NO_MEM;
	used = u;
	memset(used + room, 0, (size_t)(n - room));
	room = n;
	return MPI_SUCCESS;
}

/* A free request, or -1: out of memory. */
static int
take(void)
{
	int i = 0;

	while (i < room && used[i])
		i++;
	if (i == room && reserve(room ? 2 * room : 64) != MPI_SUCCESS)
		return -1;
	used[i] = 1;
	return i;
}

static int
send_to(int lane, int to, const void *data, uint32_t bytes, int *request)
{
	*request = take();
	if (*request < 0)
		return MPI_ERR_NO_MEM;
	return MPI_Isend(data, (int)bytes, MPI_BYTE, to, 0, lanes[lane],
	    &requests[*request]);
}

static int
recv_from(int lane, int from, void *data, uint32_t bytes, int *request)
{
	*request = take();
	if (*request < 0)
		return MPI_ERR_NO_MEM;
	return MPI_Irecv(data, (int)bytes, MPI_BYTE, from, 0, lanes[lane],
	    &requests[*request]);
}

/* A message longer or shorter than its peer thinks is an error, too. */
static int
test(int request, int *done)
{
	int err = MPI_Test(&requests[request], done, MPI_STATUS_IGNORE);

	if (err || *done)
		used[request] = 0;
	return err;
}

static const char *
library(void)
{
	static char text[MPI_MAX_LIBRARY_VERSION_STRING];
	int n;

	MPI_Get_library_version(text, &n);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static const char *
error_text(int error)
{
	static char text[MPI_MAX_ERROR_STRING];
	int n;

	MPI_Error_string(error, text, &n);
	return text;
}

static void
stop(void)
{
	for (int i = 0; i < LT_MPI_LANES; i++)
		MPI_Comm_free(&lanes[i]);
	MPI_Finalize();
	free(requests);
	free(used);
}

static void
abort_all(int code)
{
	MPI_Abort(MPI_COMM_WORLD, code);
}

static const struct lt_mpi plugin = {
    LT_MPI_ABI, start, send_to, recv_from, test, library, error_text, stop,
    abort_all, NULL, NULL, NULL, reserve,
};

const struct lt_mpi *
lt_mpi_plugin(void)
{
	return &plugin;
}
