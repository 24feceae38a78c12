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
#include "runtime/comm/message.h"
#include "runtime/comm/mpi.h"
#include "runtime/comm/mpi_abi.h"
#include "runtime/comm/rdzv.h"
#include "runtime/comm/shm.h"
#include "runtime/comm/tcp.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/pool.h"
#include "runtime/main/memory.h"
#include "runtime/main/ranks.h"
#include "runtime/main/report.h"
#include "runtime/main/spawn.h"

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
lt_processes_spawn(char **argv, const struct lt_options *o,
    const struct lt_launch *by)
{
	bool mpi = o->mpi || (o->rdzv && strcmp(o->rdzv, "mpi") == 0);

	for (int i = lt_mpi_image_count - 1; mpi && i >= 0; i--)
		if (!o->mpi || strcmp(o->mpi, lt_mpi_images[i].name) == 0)
			become(lt_mpi_images[i].name, o->nproc, argv);
	if (mpi)
		return lt_fail(LT_EXIT_CONFIG, "--nproc %lld: there is no "
		    "mpirun here of %s; without --mpi and --rdzv, the trainer "
		    "starts its processes itself", (long long)o->nproc,
		    o->mpi ? o->mpi : "an MPI that this trainer knows");
	return lt_spawn(argv, (int)o->nproc, (int)by->node, (int)by->nodes);
}

/* ---- joining ---- */

/* Whether an MPI has started the processes that we can talk to. */
static bool
by_mpi(const struct lt_options *o, const struct lt_launch *by)
{
	return o->mpi || (lt_mpi_image_count > 0 &&
	    (strcmp(by->by, "mpirun") == 0 || (getenv("PMIX_RANK") &&
	    strcmp(by->by, "srun") == 0)));
}

/* Whether the launcher says that all ranks are on this machine. */
static bool
are_near(int ranks)
{
	const char *nodes = getenv("SLURM_STEP_NUM_NODES");

	for (size_t i = 0; i < sizeof local_sizes / sizeof *local_sizes; i++) {
		const char *s = getenv(local_sizes[i]);

		if (s && strtol(s, NULL, 10) == ranks)
			return true;
	}
	return nodes && strcmp(nodes, "1") == 0;
}

/* An eighth of what the ranks have, and as much as small programs need. */
static uint64_t
shared_bytes(const struct lt *rt)
{
	uint64_t size[LT_ARENAS], have = lt_memory_installed() / 16;
	uint64_t sum = lt_memory_plan(rt->prog, rt->run->threads, size) / 8;

	if (__builtin_mul_overflow(sum, (uint64_t)rt->run->ranks, &sum) ||
	    __builtin_add_overflow(sum, UINT64_C(64) << 20, &sum))
		sum = UINT64_MAX;
	return have && have < sum ? have : sum;
}

static int
open_wire(struct lt *rt, const struct lt_mpi *base, int rank, int ranks)
{
	struct lt_shm_ask ask = {.rank = rank, .ranks = ranks,
	    .want = !rt->run->opt.no_shm, .most = shared_bytes(rt),
	    .spin = rt->run->here * rt->run->threads <= lt_cpu_cores(),
	    .timeout = rt->run->opt.comm_timeout};
	const struct lt_mpi *wire;
	const char *why = NULL;
	int rc = lt_shm_start(base, &ask, &wire, &why);

	if (rc)
		base->abort(rc);
	else if (why && rank == 0 && !rt->run->opt.no_shm)
		lt_note("no memory is shared by the ranks: %s", why);
	if (!rc)
		rt->comm = lt_message_open(rt->prog, rank, wire);
	return rc;
}

static int
take_place(struct lt *rt, int rank, int ranks)
{
	rt->rank = rank;
	rt->ranks = ranks;
	lt_report_rank(rank);
	lt_mesh_coord(rt->prog, rank, rt->coord);
	if (!rt->comm)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	rt->comm->timeout = rt->run->opt.comm_timeout;
	rt->comm->serial = rt->run->opt.serial_comm;
	return LT_OK;
}

static int
join_tcp(struct lt *rt, const struct lt_rdzv *at, const struct lt_launch *by)
{
	int rank = (int)by->rank, ranks = (int)by->ranks;
	int rc = lt_tcp_start(at, rt->run->opt.comm_timeout, rank, ranks);

	rc = rc ? rc : open_wire(rt, lt_tcp_wire(), rank, ranks);
	return rc ? rc : take_place(rt, rank, ranks);
}

static int
join_mpi(struct lt *rt, const struct lt_launch *by)
{
	int rank = 0, ranks = 1, want = lt_mesh_ranks(rt->prog);
	int rc = lt_mpi_start(rt->run->opt.mpi,
	    rt->run->opt.comm_timeout, &rank, &ranks);

	if (rc)
		return rc;
	if (ranks != want) {
		rc = lt_fail(LT_EXIT_CONFIG, "%s started %lld processes, but "
		    "%s sees %d: ranks as processes need an mpirun of the MPI "
		    "that --mpi names, srun --mpi=pmix, or --rdzv", by->by,
		    (long long)by->ranks, lt_mpi_library(), ranks);
		lt_mpi_stop();
		return rc;
	}
	rc = open_wire(rt, lt_mpi_wire(), rank, ranks);
	return rc ? rc : take_place(rt, rank, ranks);
}

int
lt_processes_join(struct lt *rt, const struct lt_launch *by)
{
	const struct lt_options *o = &rt->run->opt;
	struct lt_rdzv at;
	int rc = lt_rdzv_choose(&(struct lt_rdzv_ask){.option = o->rdzv,
	    .out = o->out, .by = by->by, .by_mpi = by_mpi(o, by),
	    .near = are_near((int)by->ranks)}, &at);

	if (rc)
		return rc;
	return at.kind == LT_RDZV_MPI ? join_mpi(rt, by) :
	    join_tcp(rt, &at, by);
}

static int
enter(struct lt *rt, int rc, int (*body)(struct lt *))
{
	jmp_buf escape;
	int code;

	rt->comm->escape = &escape;
	code = setjmp(escape);
	if (code)
		exit(code); /* the others are gone, or will be */
	rc = lt_ranks_agree(rt, rc);
	return rc ? rc : body(rt);
}

void
lt_processes_leave(struct lt *rt)
{
	if (rt->comm)
		lt_comm_close(rt->comm);
	rt->comm = NULL;
	lt_shm_stop();
	lt_mpi_stop();
	lt_tcp_stop();
}

int
lt_processes_run(struct lt *rt, int rc, int (*body)(struct lt *))
{
	rc = enter(rt, rc, body);
	lt_processes_leave(rt); /* first: nothing comes in any more */
	lt_memory_free(rt);
	if (rt->pool)
		lt_pool_free(rt->pool);
	rt->pool = NULL;
	return rc;
}
