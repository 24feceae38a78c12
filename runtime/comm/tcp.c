/* Messages between processes: requests, the thread that moves them, the end. */
#include "config.h"

#include "runtime/comm/tcp.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/comm/frames.h"
#include "runtime/comm/meet.h"
#include "runtime/comm/mpi_abi.h"
#include "runtime/main/report.h"

/* Errors; seconds for another rank to say why the run failed, and for what is
 * said last to go out. */
enum { OK, LOST, LEFT, ENDED, CONFUSED, NO_MEMORY, GRACE = 3 };

static struct {
	int rank, ranks;
	struct lt_line *line;     /* by rank; ours is not used */
	struct pollfd *poll;      /* by rank; one more for the bell */
	int bell;                 /* an eventfd: the thread looks again */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool over;                /* the thread is to end */
	uint64_t events, seen;    /* seen: by the last test */
	struct lt_letter **letter; /* by request; kept for the next one */
	int nletter;
	int error, guilty;        /* the first, and whose it is */
} w = {.bell = -1};

/* ---- what has happened ---- */

static const int error_of[] = {
    [LT_OPEN] = OK, [LT_LOST] = LOST, [LT_LEFT] = OK, [LT_ENDED] = ENDED,
    [LT_CONFUSED] = CONFUSED,
};

/* A rank that says why the run has failed is believed before one that finds
 * somebody gone. */
static void
note_error(int rank)
{
	int error = error_of[w.line[rank].end];

	if (!error || (w.error && (w.error == ENDED || error != ENDED)))
		return;
	w.error = error;
	w.guilty = rank;
}

/* After a line was used: has anything happened on it? */
static void
look(int rank, uint64_t before, enum lt_frame_end end)
{
	struct lt_line *l = &w.line[rank];

	if (l->end != end)
		note_error(rank);
	if (l->end == end && l->moved == before)
		return;
	w.events++;
	pthread_cond_signal(&w.moved);
}

static void
use(int rank, void (*how)(struct lt_line *))
{
	struct lt_line *l = &w.line[rank];
	uint64_t before = l->moved;
	enum lt_frame_end end = l->end;

	how(l);
	look(rank, before, end);
}

static void
ring(void)
{
	uint64_t one = 1;
	ssize_t n = write(w.bell, &one, sizeof one);

	(void)n; /* a bell that cannot count higher is ringing */
}

/* ---- the thread ---- */

static void
set_poll(void)
{
	for (int r = 0; r < w.ranks; r++) {
		struct lt_line *l = &w.line[r];

		w.poll[r] = (struct pollfd){.fd = l->end == LT_OPEN ? l->fd :
		    -1, .events = POLLIN};
		if (lt_line_full(l))
			w.poll[r].events |= POLLOUT;
	}
	w.poll[w.ranks] = (struct pollfd){.fd = w.bell, .events = POLLIN};
}

static void
serve(void)
{
	uint64_t count;

	if (w.poll[w.ranks].revents && read(w.bell, &count, sizeof count) < 0)
		return;
	for (int r = 0; r < w.ranks; r++) {
		if (w.poll[r].fd < 0 || !w.poll[r].revents)
			continue;
		use(r, lt_line_pull);
		use(r, lt_line_push);
	}
}

static void *
run(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_mutex_lock(&w.lock);
	while (!w.over) {
		set_poll();
		pthread_mutex_unlock(&w.lock);
		(void)poll(w.poll, (nfds_t)w.ranks + 1, -1);
		pthread_mutex_lock(&w.lock);
		serve();
	}
	pthread_mutex_unlock(&w.lock);
	return arg;
}

/* ---- messages ---- */

/* So many letters, which do not move; false: out of memory. */
static bool
make_letters(int n)
{
	struct lt_letter **all = n > w.nletter ? realloc(w.letter,
	    (size_t)n * sizeof *all) : w.letter;

	if (n > w.nletter && !all)
		return false;
	for (w.letter = all; w.nletter < n; w.nletter++) {
		all[w.nletter] = calloc(1, sizeof **all);
		if (!all[w.nletter])
			return false;
	}
	return true;
}

/* A free request; -1: out of memory. */
static int
take(void)
{
	int i = 0;

	while (i < w.nletter && w.letter[i]->used)
		i++;
	return i < w.nletter || make_letters(2 * w.nletter + 64) ? i : -1;
}

static int
reserve(int messages)
{
	bool ok;

	pthread_mutex_lock(&w.lock);
	ok = make_letters(messages);
	pthread_mutex_unlock(&w.lock);
	return ok ? OK : NO_MEMORY;
}

static int
post(void (*how)(struct lt_line *, int, struct lt_letter *), int lane,
    int rank, void *data, uint32_t bytes, int *request)
{
	struct lt_letter *x;

	pthread_mutex_lock(&w.lock);
	*request = take();
	if (*request < 0) {
		pthread_mutex_unlock(&w.lock);
		return NO_MEMORY;
	}
	x = w.letter[*request];
	*x = (struct lt_letter){.data = data, .bytes = bytes, .peer = rank,
	    .used = true};
	how(&w.line[rank], lane, x);
	use(rank, lt_line_push);
	if (lt_line_full(&w.line[rank]))
		ring();
	pthread_mutex_unlock(&w.lock);
	return OK;
}

static int
send_to(int lane, int rank, const void *data, uint32_t bytes, int *request)
{
	return post(lt_line_send, lane, rank, (void *)data, bytes, request);
}

static int
receive_from(int lane, int rank, void *data, uint32_t bytes, int *request)
{
	return post(lt_line_receive, lane, rank, data, bytes, request);
}

/* What is done is done, even if a rank has gone since. */
static int
test(int request, int *done)
{
	struct lt_letter *x;
	int error = OK;

	pthread_mutex_lock(&w.lock);
	x = w.letter[request];
	w.seen = w.events;
	*done = x->done;
	if (*done) {
		x->used = false;
	} else if (w.error) {
		error = w.error;
	} else if (w.line[x->peer].end == LT_LEFT) {
		w.guilty = x->peer;
		error = w.error = LEFT;
	}
	pthread_mutex_unlock(&w.lock);
	return error;
}

static struct timespec
after(double seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)seconds;
	t.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void
wait_for(double seconds)
{
	struct timespec end = after(seconds > 0 ? seconds : 0);
	int err = 0;

	pthread_mutex_lock(&w.lock);
	while (w.events == w.seen && !err)
		err = pthread_cond_timedwait(&w.moved, &w.lock, &end);
	pthread_mutex_unlock(&w.lock);
}

static const char *
library(void)
{
	return "transport tcp";
}

static const char *
text(int error)
{
	static char said[128];
	static const char *const what[] = {
	    [LOST] = "rank %d is gone: its process or its machine has ended",
	    [LEFT] = "rank %d has left the run",
	    [CONFUSED] = "what rank %d sends is not what is awaited: its "
		"trainer is another one",
	};

	if (error == NO_MEMORY)
		return "out of memory";
	snprintf(said, sizeof said, error < (int)(sizeof what / sizeof *what) &&
	    what[error] ? what[error] : "rank %d has failed", w.guilty);
	return said;
}

/* ---- the end ---- */

/* The lowest rank that is left says who is gone; the others hear of it. */
static bool
is_speaker(void)
{
	for (int r = 0; r < w.rank; r++)
		if (w.line[r].end == LT_OPEN)
			return false;
	return true;
}

static int
ended(void)
{
	struct timespec end = after(GRACE);
	int err = 0, code;

	pthread_mutex_lock(&w.lock);
	while (w.error == LOST && !is_speaker() && !err)
		err = pthread_cond_timedwait(&w.moved, &w.lock, &end);
	code = w.error == ENDED ? w.line[w.guilty].code : 0;
	pthread_mutex_unlock(&w.lock);
	return code;
}

/* Somebody who has left as he should is no trouble. */
static int
trouble(void)
{
	int error;

	pthread_mutex_lock(&w.lock);
	error = w.error;
	pthread_mutex_unlock(&w.lock);
	return error;
}

static bool
all_said(void)
{
	for (int r = 0; r < w.ranks; r++)
		if (r != w.rank && w.line[r].end == LT_OPEN &&
		    (w.line[r].say || lt_line_full(&w.line[r])))
			return false;
	return true;
}

/* The last frame to everybody, for as long as they read. */
static void
say_all(void (*how)(struct lt_line *, int), int code)
{
	struct timespec nap = {0, 1000000};

	pthread_mutex_lock(&w.lock);
	for (int r = 0; r < w.ranks; r++)
		if (r != w.rank) {
			how(&w.line[r], code);
			use(r, lt_line_push);
		}
	for (int i = 0; i < GRACE * 1000 && !all_said(); i++) {
		ring();
		pthread_mutex_unlock(&w.lock);
		nanosleep(&nap, NULL);
		pthread_mutex_lock(&w.lock);
	}
	pthread_mutex_unlock(&w.lock);
}

static void
end_all(int code)
{
	say_all(lt_line_fail, code);
}

static void
say_bye(struct lt_line *l, int code)
{
	(void)code;
	lt_line_bye(l);
}

static void
forget(void)
{
	for (int i = 0; i < w.nletter; i++)
		free(w.letter[i]);
	for (int r = 0; w.line && r < w.ranks; r++)
		if (w.line[r].fd >= 0)
			close(w.line[r].fd);
	if (w.bell >= 0)
		close(w.bell);
	w.bell = -1;
	free(w.letter);
	free(w.line);
	free(w.poll);
	w.line = NULL;
	w.letter = NULL;
	w.nletter = 0;
}

void
lt_tcp_stop(void)
{
	if (!w.line)
		return;
	say_all(say_bye, 0);
	pthread_mutex_lock(&w.lock);
	w.over = true;
	ring();
	pthread_mutex_unlock(&w.lock);
	pthread_join(w.thread, NULL);
	forget();
}

/* ---- the beginning ---- */

static bool
allocate(int rank, int ranks)
{
	pthread_condattr_t attr;

	w.rank = rank;
	w.ranks = ranks;
	w.over = false;
	w.error = OK;
	w.line = calloc((size_t)ranks, sizeof *w.line);
	w.poll = calloc((size_t)ranks + 1, sizeof *w.poll);
	for (int r = 0; w.line && r < ranks; r++)
		w.line[r].fd = -1;
	w.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.moved, &attr);
	pthread_condattr_destroy(&attr);
	return w.line && w.poll && w.bell >= 0;
}

int
lt_tcp_start(const struct lt_rdzv *at, double timeout, int rank, int ranks)
{
	int *fd = calloc((size_t)ranks, sizeof *fd), rc = LT_OK;

	if (!fd || !allocate(rank, ranks))
		rc = lt_fail(LT_EXIT_FAIL, "out of memory for connections");
	rc = rc ? rc : lt_meet(at, timeout, rank, ranks, fd);
	for (int r = 0; !rc && r < ranks; r++)
		w.line[r].fd = fd[r];
	free(fd);
	if (!rc && pthread_create(&w.thread, NULL, run, NULL) != 0)
		rc = lt_fail(LT_EXIT_FAIL, "cannot start a thread");
	if (rc)
		forget();
	return rc;
}

static const struct lt_mpi wire = {
    LT_MPI_ABI, NULL, send_to, receive_from, test, library, text, lt_tcp_stop,
    end_all, wait_for, trouble, ended, reserve,
};

const struct lt_mpi *
lt_tcp_wire(void)
{
	return &wire;
}
