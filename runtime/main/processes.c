/* A process per rank. */
#include "config.h"

#include "runtime/main/processes.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/group.h"
#include "runtime/comm/mpi.h"
#include "runtime/cpu/pool.h"
#include "runtime/main/memory.h"
#include "runtime/main/ranks.h"
#include "runtime/main/report.h"

static const char *const local_sizes[] = {
    "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE",
    "LOCAL_WORLD_SIZE",
};

int
lt_processes_here(int ranks)
{
	for (size_t i = 0; i < sizeof local_sizes / sizeof *local_sizes; i++) {
		const char *s = getenv(local_sizes[i]);
		char *end;
		long n = s ? strtol(s, &end, 10) : 0;

		if (n > 0 && n <= ranks && *end == '\0')
			return (int)n;
	}
	return ranks;
}

/* mpirun.NAME -np N PROGRAM ARGUMENTS..., if that is here. */
static void
become(const char *name, int64_t n, char **argv)
{
	char run[64], count[32];
	char np[] = "-np", over[] = "--oversubscribe", bind[] = "--bind-to",
	    none[] = "none";
	char *head[] = {run, np, count, over, bind, none};
	bool open = strcmp(name, "openmpi") == 0; /* MPICH never minds */
	size_t skip = open ? 6 : 3, argc = 0;
	char **all;

	while (argv[argc])
		argc++;
	all = calloc(argc + skip + 1, sizeof *all);
	if (!all)
		return;
	snprintf(run, sizeof run, "mpirun.%s", name);
	snprintf(count, sizeof count, "%lld", (long long)n);
	memcpy(all, head, skip * sizeof *all);
	memcpy(all + skip, argv, argc * sizeof *all);
	execvp(run, all);
	free(all);
}

int
lt_processes_spawn(char **argv, int64_t n, const char *mpi)
{
	for (int i = lt_mpi_image_count - 1; i >= 0; i--)
		if (!mpi || strcmp(mpi, lt_mpi_images[i].name) == 0)
			become(lt_mpi_images[i].name, n, argv);
	return lt_fail(LT_EXIT_CONFIG, lt_mpi_image_count ? "--nproc %lld: "
	    "there is no mpirun here of an MPI that this trainer knows; "
	    "without --nproc all ranks are threads of this process" :
	    "--nproc %lld: this trainer was made without MPI; without --nproc "
	    "all ranks are threads of this process", (long long)n);
}

int
lt_processes_join(struct lt *rt, const struct lt_launch *by)
{
	int rank = 0, ranks = 1, want = lt_mesh_ranks(rt->prog);
	int rc = lt_mpi_start(rt->run->opt.mpi,
	    rt->run->opt.comm_timeout, &rank, &ranks);

	if (rc)
		return rc;
	if (ranks != want) {
		rc = lt_fail(LT_EXIT_CONFIG, "%s started %lld processes, but "
		    "%s sees %d: ranks as processes need an mpirun of the MPI "
		    "that --mpi names, or srun --mpi=pmix", by->by,
		    (long long)by->ranks, lt_mpi_library(), ranks);
		lt_mpi_stop();
		return rc;
	}
	rt->rank = rank;
	rt->ranks = ranks;
	lt_report_rank(rank);
	lt_mesh_coord(rt->prog, rank, rt->coord);
	rt->comm = lt_mpi_open(rt->prog, rank);
	if (!rt->comm)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	rt->comm->timeout = rt->run->opt.comm_timeout;
	rt->comm->serial = rt->run->opt.serial_comm;
	return LT_OK;
}

static int
enter(struct lt *rt, int rc, int (*body)(struct lt *))
{
	jmp_buf escape;
	int code;

	rt->comm->escape = &escape;
	code = setjmp(escape);
	if (code)
		exit(code); /* MPI is of no use any more */
	rc = lt_ranks_agree(rt, rc);
	return rc ? rc : body(rt);
}

void
lt_processes_leave(struct lt *rt)
{
	if (rt->comm)
		lt_comm_close(rt->comm);
	rt->comm = NULL;
	lt_mpi_stop();
}

int
lt_processes_run(struct lt *rt, int rc, int (*body)(struct lt *))
{
	rc = enter(rt, rc, body);
	lt_memory_free(rt);
	if (rt->pool)
		lt_pool_free(rt->pool);
	rt->pool = NULL;
	lt_processes_leave(rt);
	return rc;
}
