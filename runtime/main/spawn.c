#include "config.h"

#include "runtime/main/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/comm/hello.h"
#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

/* Seconds for the others, when one has failed. */
enum { GRACE = 30 };

struct family {
	pid_t *child;    /* 0: it has ended */
	int n, first, left;
	int code;        /* of the first that failed */
	bool killed;     /* those that are left */
	time_t end;      /* when those that are left are killed; 0: never */
	sigset_t signals, before;
};

/* ---- a child ---- */

static void
set_number(const char *name, int n)
{
	char text[16];

	snprintf(text, sizeof text, "%d", n);
	setenv(name, text, 1);
}

/* What Kubernetes calls otherwise, if it says so at all. */
static void
set_like(const char *name, const char *other)
{
	const char *s = getenv(other);

	if (s)
		setenv(name, s, 0);
}

/* Of this machine alone: no other run has this name. */
static void
set_job(void)
{
	unsigned char bytes[LT_SHA256];
	char text[2 * LT_SHA256 + 1];

	if (!lt_random(bytes))
		return;
	lt_digest_text(bytes, text);
	setenv("LOONG_RDZV_ID", text, 1);
}

static _Noreturn void
become(const struct family *f, char **argv, int local, int ranks, pid_t parent)
{
	set_number("RANK", f->first + local);
	set_number("WORLD_SIZE", ranks);
	set_number("LOCAL_RANK", local);
	set_number("LOCAL_WORLD_SIZE", f->n);
	/* a parent that is killed cannot pass it on */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(LT_EXIT_FAIL);
	sigprocmask(SIG_SETMASK, &f->before, NULL);
	execv("/proc/self/exe", argv);
	fprintf(stderr, "%s: error: cannot start rank %d: %s\n", argv[0],
	    f->first + local, strerror(errno));
	_exit(LT_EXIT_FAIL);
}

/* ---- the parent ---- */

static int
start(struct family *f, char **argv, int ranks)
{
	pid_t self = getpid();

	for (int i = 0; i < f->n; i++) {
		fflush(NULL);
		f->child[i] = fork();
		if (f->child[i] == 0)
			become(f, argv, i, ranks, self);
		if (f->child[i] < 0) {
			f->child[i] = 0;
			return lt_fail(LT_EXIT_FAIL, "cannot start rank %d: "
			    "%s", f->first + i, strerror(errno));
		}
		f->left++;
	}
	return LT_OK;
}

static void
signal_all(const struct family *f, int sig)
{
	for (int i = 0; i < f->n; i++)
		if (f->child[i])
			kill(f->child[i], sig);
}

static time_t
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int
code_of(const struct family *f, int i, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return lt_fail(LT_EXIT_COMM, "rank %d: ended by signal %d (%s)",
	    f->first + i, WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static void
buried(struct family *f, int i, int status)
{
	int code = f->killed ? LT_EXIT_COMM : code_of(f, i, status);

	f->child[i] = 0;
	f->left--;
	if (f->code || !code)
		return;
	f->code = code;
	if (code != LT_EXIT_SAVED)
		f->end = seconds() + GRACE;
}

static void
bury(struct family *f)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < f->n; i++)
			if (f->child[i] == pid)
				buried(f, i, status);
}

/* A signal of the terminal has reached them as well. */
static void
pass_on(const struct family *f, const siginfo_t *s)
{
	if ((s->si_signo == SIGTERM || s->si_signo == SIGINT) &&
	    s->si_code != SI_KERNEL)
		signal_all(f, s->si_signo);
}

static void
watch(struct family *f)
{
	struct timespec second = {1, 0};
	siginfo_t s;

	while (f->left) {
		if (sigtimedwait(&f->signals, &s, &second) >= 0)
			pass_on(f, &s);
		bury(f);
		f->killed = f->end && seconds() >= f->end;
		if (f->killed)
			signal_all(f, SIGKILL);
	}
}

int
lt_spawn(char **argv, int n, int node, int nodes)
{
	struct family f = {.child = calloc((size_t)n, sizeof *f.child), .n = n,
	    .first = node * n};

	if (!f.child)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	sigemptyset(&f.signals);
	sigaddset(&f.signals, SIGTERM);
	sigaddset(&f.signals, SIGINT);
	sigaddset(&f.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &f.signals, &f.before);
	if (nodes == 1)
		set_job();
	set_like("MASTER_ADDR", "PET_MASTER_ADDR");
	set_like("MASTER_PORT", "PET_MASTER_PORT");
	f.code = start(&f, argv, n * nodes);
	if (f.code) {
		signal_all(&f, SIGTERM);
		f.end = seconds() + GRACE;
	}
	watch(&f);
	sigprocmask(SIG_SETMASK, &f.before, NULL);
	free(f.child);
	return f.code;
}
