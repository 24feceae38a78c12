/* Mapped files that may not vanish silently. */
#include "config.h"

#include "runtime/data/map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

/* What the handler of SIGBUS may look at: a few files per process. */
enum { MAPS_MAX = 16 };
static const struct lt_map *volatile guarded[MAPS_MAX];

static void
guard(const struct lt_map *m)
{
	for (int i = 0; i < MAPS_MAX; i++)
		if (!guarded[i]) {
			guarded[i] = m;
			return;
		}
}

static void
unguard(const struct lt_map *m)
{
	for (int i = 0; i < MAPS_MAX; i++)
		if (guarded[i] == m)
			guarded[i] = NULL;
}

static int
open_file(struct lt_map *m)
{
	struct stat st;

	m->fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (m->fd < 0)
		return lt_fail(LT_EXIT_DATA, "%s: %s", m->path,
		    strerror(errno));
	if (fstat(m->fd, &st) != 0)
		return lt_fail(LT_EXIT_DATA, "%s: %s", m->path,
		    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return lt_fail(LT_EXIT_DATA, "%s: not a regular file",
		    m->path);
	if (st.st_size == 0)
		return lt_fail(LT_EXIT_DATA, "%s: the file is empty",
		    m->path);
	m->size = (uint64_t)st.st_size;
	return LT_OK;
}

int
lt_map_open(struct lt_map *m, const char *path)
{
	void *p;
	int rc;

	*m = (struct lt_map){.path = path, .fd = -1};
	rc = open_file(m);
	if (rc) {
		lt_map_close(m);
		return rc;
	}
	p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
	if (p == MAP_FAILED) {
		rc = lt_fail(LT_EXIT_DATA, "%s: cannot map: %s", path,
		    strerror(errno));
		lt_map_close(m);
		return rc;
	}
	m->p = p;
	guard(m);
	return LT_OK;
}

void
lt_map_close(struct lt_map *m)
{
	unguard(m);
	if (m->p)
		munmap((void *)(uintptr_t)m->p, m->size);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct lt_map){.path = m->path, .fd = -1};
}

int
lt_map_check(const struct lt_map *m)
{
	struct stat st;

	if (!m->p || (fstat(m->fd, &st) == 0 && (uint64_t)st.st_size >= m->size))
		return LT_OK;
	return lt_fail(LT_EXIT_DATA,
	    "%s: the file shrank while it was read (it had %" PRIu64
	    " bytes)", m->path, m->size);
}

/* Only calls that a signal handler may make. */
static void
put(const char *s)
{
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		_exit(LT_EXIT_DATA);
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	const unsigned char *at = info->si_addr;

	(void)context;
	for (int i = 0; i < MAPS_MAX; i++) {
		const struct lt_map *m = guarded[i];

		if (m && at >= m->p && at - m->p < (int64_t)m->size + 65536) {
			put("\nerror: ");
			put(m->path);
			put(": the file shrank while it was read\n");
			_exit(LT_EXIT_DATA);
		}
	}
	signal(sig, SIG_DFL); /* not ours: the fault repeats, and kills */
}

void
lt_map_guard(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus,
	    .sa_flags = SA_SIGINFO};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, NULL);
}
