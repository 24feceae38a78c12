/* Shared memory: made, found, agreed on. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/comm/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/comm/hello.h"
#include "runtime/comm/near.h"
#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

/* Of a ring: fewer bytes bring little, more bring nothing.  Seconds for whoever
 * started the processes to end them, after one has died. */
enum { LEAST = 1 << 16, MOST = 1 << 20, PAGE = 4096, GRACE = 3 };
enum { LANE = LT_MPI_LANES - 1, SEALS = F_SEAL_SHRINK | F_SEAL_GROW };

/* What each rank tells rank 0. */
struct card {
	uint32_t version, want;
	int32_t pid, uid;
	uint64_t space[2]; /* device and number of its namespace of pids */
	uint64_t mark;     /* where MARK is in its memory */
	char boot[40];
};

/* What rank 0 tells each rank: if go, where its memory is. */
struct offer {
	uint32_t go;
	int32_t pid, fd;
	uint64_t bytes, ring;
	unsigned char token[LT_SHA256];
};

/* The first page of the memory. */
struct cover {
	unsigned char token[LT_SHA256];
	struct whose {
		uint64_t mark;
		int32_t pid, pad;
	} rank[];
};

enum { PROTOCOL = 1,
    RANKS_MAX = (PAGE - LT_SHA256) / sizeof(struct whose) };
enum { MAPPED = 1, LENDS = 2 }; /* what a rank can do */

static const uint64_t MARK = UINT64_C(0x6c6f6f6e67206b6d);

static struct {
	const struct lt_mpi *base;
	struct lt_near *near;
	struct cover *cover;
	uint64_t bytes;
	int fd;
} w = {.fd = -1};

/* ---- the wire ---- */

/* Errors of ours are negative, the base's are not. */
static int
send_to(int lane, int to, const void *data, uint32_t bytes, int *request)
{
	return -lt_near_send(w.near, lane, to, data, bytes, request);
}

static int
receive_from(int lane, int from, void *data, uint32_t bytes, int *request)
{
	return -lt_near_recv(w.near, lane, from, data, bytes, request);
}

static int
base_trouble(void)
{
	return w.base->trouble ? w.base->trouble() : 0;
}

/* Of a rank that is gone the base has heard why, or will soon. */
static int
why_lost(void)
{
	struct timespec nap = {0, 1000000};
	int base = 0;

	for (int i = 0; w.base->trouble && !base && i < GRACE * 1000; i++) {
		base = base_trouble();
		nanosleep(&nap, NULL);
	}
	return base ? base : -LT_NEAR_LOST;
}

static int
test(int request, int *done)
{
	int error = lt_near_test(w.near, request, done);
	int base = *done ? 0 : base_trouble();

	if (base || error != LT_NEAR_LOST)
		return base ? base : -error;
	return why_lost();
}

static void
wait_for(double seconds)
{
	lt_near_wait(w.near, seconds);
}

static int
trouble(void)
{
	int base = base_trouble();

	return base ? base : -lt_near_trouble(w.near);
}

static const char *
library(void)
{
	return w.base->library();
}

static const char *
text(int error)
{
	static char said[128];
	static const char *const what[] = {
	    [LT_NEAR_LOST] = "rank %d is gone: its process has ended",
	    [LT_NEAR_LEFT] = "rank %d has left the run",
	    [LT_NEAR_CONFUSED] = "what rank %d sends is not what is awaited: "
		"its trainer is another one",
	};

	if (error >= 0)
		return w.base->text(error);
	if (error == -LT_NEAR_NO_MEMORY)
		return "out of memory";
	snprintf(said, sizeof said, what[-error], lt_near_guilty(w.near));
	return said;
}

static void
end_all(int code)
{
	w.base->abort(code);
}

static int
ended(void)
{
	return w.base->ended ? w.base->ended() : 0;
}

static int
reserve(int messages)
{
	return -lt_near_reserve(w.near, messages);
}

static const struct lt_mpi near_wire = {
    LT_MPI_ABI, NULL, send_to, receive_from, test, library, text, lt_shm_stop,
    end_all, wait_for, trouble, ended, reserve,
};

/* ---- telling each other ---- */

static int
fail(int error, int rank, const struct lt_shm_ask *ask)
{
	int code = error && w.base->ended ? w.base->ended() : 0;

	if (code)
		return code;
	if (error)
		return lt_fail(LT_EXIT_COMM, "%s", w.base->text(error));
	return lt_fail(LT_EXIT_COMM, "nothing came from rank %d for %g s; "
	    "--comm-timeout sets how long ranks wait for each other", rank,
	    ask->timeout);
}

/* One message, sent or received. */
static int
exchange(const struct lt_shm_ask *ask, bool out, int rank, void *data,
    uint32_t bytes)
{
	struct timespec nap = {0, 200000};
	double end = lt_now() + ask->timeout;
	int request, done = 0, error;

	error = out ? w.base->send(LANE, rank, data, bytes, &request) :
	    w.base->recv(LANE, rank, data, bytes, &request);
	while (!error && !(error = w.base->test(request, &done)) && !done) {
		if (lt_now() > end)
			return fail(0, rank, ask);
		if (w.base->wait)
			w.base->wait(end - lt_now());
		else
			nanosleep(&nap, NULL);
	}
	return error ? fail(error, rank, ask) : LT_OK;
}

/* Rank 0 to all others, in the order of ranks. */
static int
tell(const struct lt_shm_ask *ask, void *data, uint32_t bytes)
{
	int rc = LT_OK;

	if (ask->rank != 0)
		return exchange(ask, false, 0, data, bytes);
	for (int r = 1; !rc && r < ask->ranks; r++)
		rc = exchange(ask, true, r, data, bytes);
	return rc;
}

/* ---- the memory ---- */

static void
drop(void)
{
	if (w.cover)
		munmap(w.cover, w.bytes);
	if (w.fd >= 0)
		close(w.fd);
	w.cover = NULL;
	w.fd = -1;
}

/* NULL, or why not. */
static const char *
map(int fd, uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return "it cannot be mapped";
	w.cover = p;
	w.bytes = bytes;
	return NULL;
}

/* A power of two for each ring; 0: less than brings anything. */
static uint64_t
ring_of(const struct lt_shm_ask *ask)
{
	uint64_t ring = MOST, n;

	while (ring >= LEAST) {
		n = lt_near_bytes(ask->ranks, ring);
		if (n && n <= ask->most)
			return ring;
		ring /= 2;
	}
	return 0;
}

/*
 * All of it is there from the start, or nothing: a page that were missing later
 * would end the process.
 */
static const char *
make(const struct lt_shm_ask *ask, struct offer *o)
{
	uint64_t ring = ring_of(ask);
	struct rlimit file;
	const char *why;

	if (!ring)
		return "rings of 64 KiB would be more than memory for them";
	*o = (struct offer){.pid = getpid(), .ring = ring,
	    .bytes = PAGE + lt_near_bytes(ask->ranks, ring)};
	/* More would end the process by a signal. */
	if (getrlimit(RLIMIT_FSIZE, &file) == 0 && file.rlim_cur < o->bytes)
		return "its size is above the limit of files";
	if (!lt_random(o->token))
		return "there are no random numbers";
	w.fd = memfd_create("loong", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w.fd < 0 || fchmod(w.fd, 0600) != 0 ||
	    ftruncate(w.fd, (off_t)o->bytes) != 0 ||
	    fallocate(w.fd, 0, 0, (off_t)o->bytes) != 0 ||
	    fcntl(w.fd, F_ADD_SEALS, SEALS) != 0)
		return "there is no memory for it";
	o->fd = w.fd;
	why = map(w.fd, o->bytes);
	if (!why)
		memcpy(w.cover->token, o->token, LT_SHA256);
	return why;
}

static const char *
find(const struct offer *o)
{
	char path[64];
	struct stat st;
	const char *why;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", o->pid, o->fd);
	w.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (w.fd < 0)
		return "a rank cannot open it";
	if (fstat(w.fd, &st) != 0 || st.st_uid != geteuid() ||
	    (st.st_mode & 077) || st.st_size != (off_t)o->bytes ||
	    (fcntl(w.fd, F_GET_SEALS) & SEALS) != SEALS)
		return "a rank finds another file";
	why = map(w.fd, o->bytes);
	if (!why && memcmp(w.cover->token, o->token, LT_SHA256) != 0)
		why = "a rank finds other memory";
	return why;
}

/* ---- who is where ---- */

static void
read_boot(char boot[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, boot, 36);

	if (n != 36)
		memset(boot, 0, 40);
	if (fd >= 0)
		close(fd);
}

static void
fill(struct card *c, const struct lt_shm_ask *ask)
{
	struct stat st;

	*c = (struct card){.version = PROTOCOL, .want = ask->want,
	    .pid = getpid(), .uid = (int32_t)geteuid(),
	    .mark = (uint64_t)(uintptr_t)&MARK};
	read_boot(c->boot);
	if (stat("/proc/self/ns/pid", &st) == 0) {
		c->space[0] = st.st_dev;
		c->space[1] = st.st_ino;
	}
}

static const char *
compare(const struct card *a, const struct card *b)
{
	if (!a->want || !b->want)
		return "--no-shm is given";
	if (a->version != b->version)
		return "trainers are of different versions";
	if (!*a->boot || memcmp(a->boot, b->boot, sizeof a->boot) != 0)
		return "ranks are on several machines";
	if (!a->space[1] || memcmp(a->space, b->space, sizeof a->space) != 0 ||
	    a->uid != b->uid)
		return "ranks are in several containers";
	return NULL;
}

/* On rank 0, *why: what keeps one of them from it. */
static int
gather(const struct lt_shm_ask *ask, const char **why,
    struct whose *who)
{
	struct card mine, theirs;
	int rc = LT_OK;

	fill(&mine, ask);
	if (ask->rank != 0)
		return exchange(ask, true, 0, &mine, sizeof mine);
	who[0] = (struct whose){mine.mark, mine.pid, 0};
	for (int r = 1; !rc && r < ask->ranks; r++) {
		rc = exchange(ask, false, r, &theirs, sizeof theirs);
		who[r] = (struct whose){theirs.mark, theirs.pid, 0};
		if (!rc && !*why)
			*why = compare(&mine, &theirs);
	}
	return rc;
}

/* The memory of all others. */
static bool
can_read(const struct lt_shm_ask *ask)
{
	bool can = true;

	for (int r = 0; can && r < ask->ranks; r++) {
		const struct whose *who = &w.cover->rank[r];
		uint64_t mark = 0;
		struct iovec to = {&mark, sizeof mark};
		struct iovec at = {(void *)(uintptr_t)who->mark, sizeof mark};

		can = process_vm_readv(who->pid, &to, 1, &at, 1, 0) ==
		    (ssize_t)sizeof mark && mark == MARK;
	}
	return can;
}

/* Rank 0 hears from all others what they can do. */
static int
vote(const struct lt_shm_ask *ask, uint32_t *mine)
{
	int rc = LT_OK;

	if (ask->rank != 0)
		return exchange(ask, true, 0, mine, sizeof *mine);
	for (int r = 1; !rc && r < ask->ranks; r++) {
		uint32_t theirs = 0;

		rc = exchange(ask, false, r, &theirs, sizeof theirs);
		*mine &= theirs;
	}
	return rc;
}

/* All have it, or nobody uses it. */
static int
agree(const struct lt_shm_ask *ask, const char **why,
    const struct whose *who, struct offer *o, uint32_t *can)
{
	int rc;

	if (ask->rank == 0 && !*why)
		*why = make(ask, o);
	o->go = ask->rank == 0 && !*why;
	for (int r = 0; o->go && r < ask->ranks; r++)
		w.cover->rank[r] = who[r];
	rc = tell(ask, o, sizeof *o);
	if (rc || !o->go)
		return rc;
	if (ask->rank != 0)
		*why = find(o);
	*can = *why ? 0 : MAPPED | (can_read(ask) ? LENDS : 0);
	rc = vote(ask, can);
	rc = rc ? rc : tell(ask, can, sizeof *can);
	if (!(*can & MAPPED) && !*why)
		*why = "a rank cannot map it";
	return rc;
}

static void
set_pids(const struct lt_shm_ask *ask, uint32_t can)
{
	int pid[RANKS_MAX];

	for (int r = 0; r < ask->ranks; r++)
		pid[r] = w.cover->rank[r].pid;
	if (can & LENDS)
		lt_near_lend(w.near, pid);
	if (!w.base->trouble)
		lt_near_watch(w.near, pid, GRACE);
}

static const char *
open_near(const struct lt_shm_ask *ask, const struct offer *o, uint32_t can)
{
	w.near = lt_near_new((char *)w.cover + PAGE, ask->rank, ask->ranks,
	    o->ring, ask->spin);
	if (!w.near)
		return "out of memory";
	set_pids(ask, can);
	return NULL;
}

int
lt_shm_start(const struct lt_mpi *base, const struct lt_shm_ask *ask,
    const struct lt_mpi **wire, const char **why)
{
	struct offer o = {.go = 0};
	struct whose who[RANKS_MAX] = {{0}};
	uint32_t can = 0;
	int rc;

	*wire = base;
	*why = ask->ranks > RANKS_MAX ? "there are too many ranks" : NULL;
	w.base = base;
	if (ask->ranks == 1 || *why)
		return LT_OK;
	rc = gather(ask, why, who);
	rc = rc ? rc : agree(ask, why, who, &o, &can);
	if (rc || *why || !o.go) {
		drop();
		return rc;
	}
	if (open_near(ask, &o, can) != NULL) {
		drop();
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	}
	close(w.fd);
	w.fd = -1;
	*wire = &near_wire;
	return LT_OK;
}

void
lt_shm_stop(void)
{
	lt_near_free(w.near);
	w.near = NULL;
	drop();
}
