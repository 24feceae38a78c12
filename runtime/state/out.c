/* The directory of a run: lock, list, removal. */
#include "config.h"

#include "runtime/state/out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/state/io.h"

struct lt_step_name
lt_step_name(int64_t step)
{
	struct lt_step_name n;

	snprintf(n.s, sizeof n.s, "step-%06" PRId64, step);
	return n;
}

struct lt_step_name
lt_step_temp(int64_t step)
{
	struct lt_step_name n;
	char nonce[9];

	lt_nonce(nonce);
	snprintf(n.s, sizeof n.s, "step-%06" PRId64 ".tmp.%s", step, nonce);
	return n;
}

/* The step of a name we would have written; -1: another name.  *end is what
 * follows the number. */
static int64_t
step_of(const char *name, const char **end)
{
	char *after;
	int64_t step;

	if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
		return -1;
	errno = 0;
	step = strtoll(name + 5, &after, 10);
	*end = after;
	if (errno != 0 || strncmp(name, lt_step_name(step).s,
	    (size_t)(after - name)) != 0)
		return -1;
	return step;
}

/* Every name in the directory, through one function. */
static bool
each(const struct lt_out *o, void (*f)(const struct lt_out *, const char *,
    void *), void *arg)
{
	int fd = openat(o->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((e = readdir(d)) != NULL)
		f(o, e->d_name, arg);
	closedir(d);
	return true;
}

/* ---- opening ---- */

static void
remove_stale(const struct lt_out *o, const char *name, void *arg)
{
	const char *end;

	(void)arg;
	if (step_of(name, &end) >= 0 && strncmp(end, ".tmp.", 5) == 0)
		lt_dir_remove(o->fd, name);
}

static bool
busy(struct lt_out *o, struct lt_error *error)
{
	char pid[32] = "";
	ssize_t n = pread(o->lock, pid, sizeof pid - 1, 0);

	for (ssize_t i = 0; i < n; i++)
		if (pid[i] < '0' || pid[i] > '9')
			pid[i] = 0;
	return lt_error_set(error, LT_EXIT_IO,
	    "%s: another trainer (process %s) is using it", o->path,
	    *pid ? pid : "unknown");
}

/* The lock goes with the process, so a killed trainer leaves none. */
static bool
lock(struct lt_out *o, struct lt_error *error)
{
	char pid[32];
	int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

	o->lock = openat(o->fd, "lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (o->lock < 0)
		return lt_error_errno(error, "%s/lock", o->path);
	if (flock(o->lock, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? busy(o, error) :
		    lt_error_errno(error, "%s/lock", o->path);
	if (ftruncate(o->lock, 0) != 0 || pwrite(o->lock, pid, (size_t)n, 0)
	    != n)
		return lt_error_errno(error, "%s/lock", o->path);
	return true;
}

static bool
open_dir(struct lt_out *o, struct lt_error *error)
{
	if (mkdir(o->path, 0700) != 0 && errno != EEXIST)
		return lt_error_errno(error, "%s", o->path);
	o->fd = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return o->fd >= 0 || lt_error_errno(error, "%s", o->path);
}

struct lt_out *
lt_out_guest(const char *path, struct lt_error *error)
{
	struct lt_out *o = malloc(sizeof *o);

	if (o == NULL || (o->path = strdup(path)) == NULL) {
		free(o);
		lt_error_set(error, LT_EXIT_FAIL, "out of memory");
		return NULL;
	}
	o->fd = o->lock = -1;
	return o;
}

/*
 * A file size limit must come back as an error of write, not as the signal
 * that ends the process.
 */
struct lt_out *
lt_out_open(const char *path, struct lt_error *error)
{
	struct lt_out *o = lt_out_guest(path, error);

	if (o == NULL)
		return NULL;
	if (!open_dir(o, error) || !lock(o, error)) {
		lt_out_close(o);
		return NULL;
	}
	signal(SIGXFSZ, SIG_IGN);
	each(o, remove_stale, NULL);
	return o;
}

void
lt_out_close(struct lt_out *o)
{
	if (o->lock >= 0)
		close(o->lock);
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	free(o);
}

const char *
lt_out_path(const struct lt_out *o)
{
	return o->path;
}

/* ---- the list ---- */

struct list {
	int64_t *step;
	size_t n, room;
};

static void
collect(const struct lt_out *o, const char *name, void *arg)
{
	struct list *l = arg;
	const char *end = "";
	int64_t step = step_of(name, &end), *more;

	(void)o;
	if (step < 0 || *end)
		return;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		more = realloc(l->step, l->room * sizeof *more);
		if (more == NULL)
			return;
		l->step = more;
	}
	l->step[l->n++] = step;
}

static int
newest_first(const void *p, const void *q)
{
	int64_t a = *(const int64_t *)p, b = *(const int64_t *)q;

	return a < b ? 1 : a > b ? -1 : 0;
}

int64_t *
lt_out_steps(const struct lt_out *o, size_t *n)
{
	struct list l = {0};

	each(o, collect, &l);
	if (l.n > 0)
		qsort(l.step, l.n, sizeof *l.step, newest_first);
	*n = l.n;
	return l.step;
}

int64_t
lt_out_newest(const struct lt_out *o)
{
	size_t n;
	int64_t *step = lt_out_steps(o, &n), newest = n ? step[0] : -1;

	free(step);
	return newest;
}

void
lt_out_remove(struct lt_out *o, int64_t step)
{
	struct lt_step_name from = lt_step_name(step), to = lt_step_temp(step);

	if (renameat(o->fd, from.s, o->fd, to.s) == 0)
		lt_dir_remove(o->fd, to.s);
}
