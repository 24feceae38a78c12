#include "config.h"

#include "runtime/comm/meet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/comm/hello.h"
#include "runtime/loong_rt.h"
#include "runtime/main/report.h"
#include "runtime/main/signals.h"

/* Seconds: for one hello, between attempts, and for rank 0 to say that the
 * others have not come. */
static const double hello_time = 5, pause_time = 0.05, grace = 5;

/* Where a rank listens, as rank 0 tells. */
struct seat {
	struct sockaddr_storage at;
	uint32_t n;
};

struct meeting {
	const struct lt_rdzv *at;
	double timeout, end;
	int rank, ranks, listener;
	int *fd;
	struct seat *seat;
	unsigned char token[LT_SHA256];
	struct lt_who me;
	char why[400]; /* what the last attempt met with */
};

static bool
is_stopped(void)
{
	return lt_signals_stop() != 0;
}

static int
stopped(void)
{
	return lt_fail(128 + lt_signals_stop(), "stopped while ranks were "
	    "joining");
}

static double
soon(const struct meeting *m)
{
	double end = lt_now() + hello_time;

	return end < m->end ? end : m->end;
}

/* ---- those who come to me ---- */

static enum lt_answer
judge(const struct lt_who *who, void *arg)
{
	const struct meeting *m = arg;

	if (who->ranks != (uint32_t)m->ranks)
		return LT_WRONG_RANKS;
	if (memcmp(who->job, m->me.job, sizeof who->job) != 0)
		return LT_WRONG_JOB;
	return who->rank > (uint32_t)m->rank && who->rank < who->ranks &&
	    m->fd[who->rank] < 0 ? LT_WELCOME : LT_TAKEN;
}

static void
take_seat(struct meeting *m, const struct lt_who *who, int fd)
{
	struct lt_address a = {.n = sizeof a.at};

	m->fd[who->rank] = fd;
	(void)getpeername(fd, (struct sockaddr *)&a.at, &a.n);
	lt_net_set_port(&a, (int)who->port);
	m->seat[who->rank] = (struct seat){a.at, a.n};
}

static void
say_refused(int fd, enum lt_answer answer)
{
	struct lt_address a = {.n = sizeof a.at};
	char text[128];

	if (getpeername(fd, (struct sockaddr *)&a.at, &a.n) != 0)
		return;
	lt_net_text(&a, text);
	text[strcspn(text, " ")] = '\0';
	if (answer == LT_WRONG_TOKEN)
		lt_warn("a process on %s has another token: refused", text);
	else if (answer != LT_NOBODY && answer != LT_TAKEN)
		lt_warn("a process on %s is of another run: refused", text);
}

/* One connection, whoever it is; false: nobody came until the end. */
static bool
receive(struct meeting *m)
{
	int fd = lt_net_accept(m->listener, m->end);
	struct lt_who who;
	enum lt_answer answer;

	if (fd < 0)
		return false;
	answer = lt_hello_accept(fd, m->token, &who, judge, m, soon(m));
	if (answer == LT_WELCOME) {
		take_seat(m, &who, fd);
		return true;
	}
	if (m->rank == 0)
		say_refused(fd, answer);
	close(fd);
	return true;
}

static int
missing_after(const struct meeting *m)
{
	int n = 0;

	for (int r = m->rank + 1; r < m->ranks; r++)
		n += m->fd[r] < 0;
	return n;
}

static int
say_missing(const struct meeting *m)
{
	char who[256];
	size_t at = 0;
	int n = missing_after(m);

	for (int r = m->rank + 1; r < m->ranks && at < sizeof who - 16; r++)
		if (m->fd[r] < 0)
			at += (size_t)snprintf(who + at, sizeof who - at,
			    "%s%d", at ? ", " : "", r);
	return lt_fail(LT_EXIT_COMM, "rank%s %s %s not come within %g s; "
	    "--comm-timeout sets how long ranks wait for each other",
	    n > 1 ? "s" : "", who, n > 1 ? "have" : "has", m->timeout);
}

/* All ranks after mine. */
static int
receive_all(struct meeting *m)
{
	while (missing_after(m))
		if (!receive(m))
			return is_stopped() ? stopped() : say_missing(m);
	return LT_OK;
}

/* ---- those whom I go to ---- */

/* Whether there is no use in trying again. */
static bool
is_final(const struct meeting *m, enum lt_answer answer)
{
	return answer == LT_WRONG_RANKS || answer == LT_WRONG_JOB ||
	    answer == LT_STRANGER ||
	    (answer == LT_WRONG_TOKEN && m->at->kind == LT_RDZV_TCP);
}

static const char *
explain(enum lt_answer answer)
{
	static const char *const text[] = {
	    [LT_NOBODY] = "it does not say who it is",
	    [LT_STRANGER] = "it is a trainer of another version",
	    [LT_WRONG_TOKEN] = "it has another token",
	    [LT_WRONG_JOB] = "it belongs to another job",
	    [LT_WRONG_RANKS] = "it has another number of ranks",
	    [LT_TAKEN] = "somebody else has come as this rank",
	};

	return text[answer];
}

/* I listen where the other one sees me. */
static bool
open_listener(struct meeting *m, int fd)
{
	struct lt_address a = {.n = sizeof a.at};

	if (m->listener >= 0)
		return true;
	if (getsockname(fd, (struct sockaddr *)&a.at, &a.n) != 0)
		return false;
	lt_net_set_port(&a, 0);
	m->listener = lt_net_listen(&a);
	a.n = sizeof a.at;
	if (m->listener < 0 || getsockname(m->listener,
	    (struct sockaddr *)&a.at, &a.n) != 0)
		return false;
	m->me.port = (uint32_t)lt_net_port(&a);
	return true;
}

/* A connection, or -1 and *answer. */
static int
attempt(struct meeting *m, const struct lt_address *a, enum lt_answer *answer)
{
	char text[128];
	int fd = lt_net_connect(a, soon(m));

	*answer = LT_NOBODY;
	lt_net_text(a, text);
	if (fd < 0 || !open_listener(m, fd)) {
		snprintf(m->why, sizeof m->why, "%s: %s", text,
		    strerror(errno));
	} else {
		*answer = lt_hello_send(fd, m->token, &m->me, soon(m));
		if (*answer == LT_WELCOME)
			return fd;
		snprintf(m->why, sizeof m->why, "%s: %s", text,
		    *answer <= LT_TAKEN ? explain(*answer) : "?");
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Where rank 0 may be now. */
static bool
find_first(struct meeting *m, struct lt_address *a, bool *wrong)
{
	const struct lt_rdzv *z = m->at;
	char path[PATH_MAX + 80];
	struct lt_notice x;
	const char *why;

	*wrong = false;
	if (z->kind == LT_RDZV_TCP) {
		why = lt_net_resolve(z->host, z->port, a);
		snprintf(m->why, sizeof m->why, "%s: %s", z->host, why);
		return !why;
	}
	why = lt_notice_get(z, &x, wrong);
	lt_notice_path(z, path);
	if (why)
		snprintf(m->why, sizeof m->why, "%.300s: %s", path, why);
	else
		memcpy(m->token, x.token, sizeof m->token);
	*a = x.at;
	return !why;
}

static int
say_late(const struct meeting *m, int rank)
{
	return lt_fail(LT_EXIT_COMM, "rank %d: rank %d has not come within "
	    "%g s (%s); --comm-timeout sets how long ranks wait for each "
	    "other", m->rank, rank, m->timeout, m->why);
}

static int
go_to_first(struct meeting *m)
{
	while (lt_now() < m->end && !is_stopped()) {
		struct lt_address a;
		enum lt_answer answer = LT_NOBODY;
		bool wrong;

		if (find_first(m, &a, &wrong)) {
			m->fd[0] = attempt(m, &a, &answer);
			if (m->fd[0] >= 0)
				return LT_OK;
		}
		if (wrong || is_final(m, answer))
			return lt_fail(LT_EXIT_COMM, "rank %d cannot join: %s",
			    m->rank, m->why);
		lt_net_nap(pause_time);
	}
	return is_stopped() ? stopped() : say_late(m, 0);
}

static int
go_to(struct meeting *m, int rank)
{
	struct lt_address a = {m->seat[rank].at, m->seat[rank].n};
	enum lt_answer answer;

	while (lt_now() < m->end && !is_stopped()) {
		m->fd[rank] = attempt(m, &a, &answer);
		if (m->fd[rank] >= 0)
			return LT_OK;
		lt_net_nap(pause_time);
	}
	return is_stopped() ? stopped() : say_late(m, rank);
}

/* ---- rank 0 ---- */

static int
say_taken(const struct meeting *m)
{
	const struct lt_rdzv *z = m->at;
	int err = errno;
	const char *what = err == EADDRINUSE ? "another process listens there" :
	    err == EADDRNOTAVAIL ? "this machine, where rank 0 is, has not "
	    "this address" : strerror(err);

	if (z->kind == LT_RDZV_TCP)
		return lt_fail(LT_EXIT_COMM, "rank 0 cannot listen on %s port "
		    "%s: %s", z->host, z->port, what);
	return lt_fail(LT_EXIT_COMM, "rank 0 cannot listen: %s", what);
}

/* A name may be known later than its pod is there. */
static int
my_place(struct meeting *m, struct lt_address *a)
{
	const struct lt_rdzv *z = m->at;
	const char *why;

	if (z->kind == LT_RDZV_FILE && !z->near) {
		lt_net_own(a);
		return LT_OK;
	}
	while ((why = z->kind == LT_RDZV_FILE ? lt_net_resolve("127.0.0.1",
	    "0", a) : lt_net_resolve(z->host, z->port, a)) != NULL) {
		if (is_stopped())
			return stopped();
		if (lt_now() > m->end)
			return lt_fail(LT_EXIT_COMM, "%s: %s", z->host, why);
		lt_net_nap(pause_time);
	}
	return LT_OK;
}

static int
announce(struct meeting *m)
{
	struct lt_notice x = {.at = {.n = sizeof x.at.at}};

	if (!lt_random(m->token))
		return lt_fail(LT_EXIT_FAIL, "there are no random numbers");
	if (getsockname(m->listener, (struct sockaddr *)&x.at.at, &x.at.n))
		return say_taken(m);
	memcpy(x.token, m->token, sizeof x.token);
	return lt_notice_put(m->at, &x);
}

/* A code, and, if it is LT_OK, where everybody listens. */
static void
tell_all(struct meeting *m, int rc)
{
	uint32_t code = (uint32_t)rc;

	for (int r = 1; r < m->ranks; r++) {
		if (m->fd[r] < 0 || !lt_net_write(m->fd[r], &code, sizeof code,
		    lt_now() + grace) || rc)
			continue;
		(void)lt_net_write(m->fd[r], m->seat, (size_t)m->ranks *
		    sizeof *m->seat, lt_now() + grace);
	}
}

static int
be_first(struct meeting *m)
{
	struct lt_address a;
	bool file = m->at->kind == LT_RDZV_FILE;
	int rc = my_place(m, &a);

	if (rc)
		return rc;
	m->listener = lt_net_listen(&a);
	rc = m->listener < 0 ? say_taken(m) : LT_OK;
	if (!rc && file)
		rc = announce(m);
	if (rc)
		return rc;
	rc = receive_all(m);
	if (file)
		lt_notice_remove(m->at);
	tell_all(m, rc);
	return rc;
}

/* ---- the others ---- */

/* Rank 0 waits for as long as we do, and may have begun later. */
static int
hear(struct meeting *m)
{
	double end = lt_now() + m->timeout + grace;
	uint32_t code;

	if (!lt_net_read(m->fd[0], &code, sizeof code, end))
		return is_stopped() ? stopped() : lt_fail(LT_EXIT_COMM,
		    "rank %d: rank 0 is gone: %s", m->rank, strerror(errno));
	if (code)
		return (int)(code & 255);
	if (!lt_net_read(m->fd[0], m->seat, (size_t)m->ranks *
	    sizeof *m->seat, end))
		return lt_fail(LT_EXIT_COMM, "rank %d: rank 0 is gone: %s",
		    m->rank, strerror(errno));
	m->end = lt_now() + m->timeout;
	return LT_OK;
}

static int
be_later(struct meeting *m)
{
	int rc = go_to_first(m);

	rc = rc ? rc : hear(m);
	for (int r = 1; !rc && r < m->rank; r++)
		rc = go_to(m, r);
	return rc ? rc : receive_all(m);
}

/* A connection for each rank, and what a trainer opens besides. */
static void
want_files(int ranks)
{
	struct rlimit r;
	rlim_t n = (rlim_t)ranks + 512;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= n)
		return;
	r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

int
lt_meet(const struct lt_rdzv *z, double timeout, int rank, int ranks, int *fd)
{
	struct meeting m = {.at = z, .timeout = timeout,
	    .end = lt_now() + timeout, .rank = rank, .ranks = ranks,
	    .listener = -1, .fd = fd, .me = {.rank = (uint32_t)rank,
	    .ranks = (uint32_t)ranks}};
	int rc;

	for (int r = 0; r < ranks; r++)
		fd[r] = -1;
	memcpy(m.token, z->token, sizeof m.token);
	memcpy(m.me.job, z->job, sizeof m.me.job);
	m.seat = calloc((size_t)ranks, sizeof *m.seat);
	if (!m.seat)
		return lt_fail(LT_EXIT_FAIL, "out of memory for connections");
	want_files(ranks);
	rc = rank == 0 ? be_first(&m) : be_later(&m);
	for (int r = 0; rc && r < ranks; r++)
		if (fd[r] >= 0)
			close(fd[r]);
	if (m.listener >= 0)
		close(m.listener);
	free(m.seat);
	return rc;
}
