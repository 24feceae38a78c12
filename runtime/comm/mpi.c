/* The plugin for MPI: found, loaded, joined. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/comm/mpi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtime/comm/mpi_abi.h"
#include "runtime/main/report.h"

static const struct lt_mpi *mpi;

static const char *
wanted(void)
{
	return getenv("OMPI_COMM_WORLD_SIZE") ? "openmpi" :
	    getenv("PMI_SIZE") ? "mpich" : NULL;
}

static const struct lt_mpi_image *
choose(const char *name)
{
	const char *fits = name ? name : wanted();

	for (int i = 0; i < lt_mpi_image_count; i++)
		if (fits && strcmp(lt_mpi_images[i].name, fits) == 0)
			return &lt_mpi_images[i];
	return name || lt_mpi_image_count == 0 ? NULL : &lt_mpi_images[0];
}

/* Through a file in memory: nothing is written where others could change it. */
static void *
load(const struct lt_mpi_image *x)
{
	int fd = memfd_create(x->name, MFD_CLOEXEC);
	char path[64];
	void *lib = NULL;
	ssize_t n = fd < 0 ? -1 : write(fd, x->bytes, x->n);

	if (n == (ssize_t)x->n) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	}
	if (fd >= 0)
		close(fd);
	return lib;
}

static int
no_plugin(const char *name)
{
	if (lt_mpi_image_count == 0)
		return lt_fail(LT_EXIT_CONFIG, "this trainer was made without "
		    "MPI: run it once, by itself, and all ranks are in it, "
		    "or configure loongc where mpicc is");
	return lt_fail(LT_EXIT_CONFIG, "this trainer has no plugin for MPI "
	    "'%s'; it has %s%s%s", name ? name : wanted(),
	    lt_mpi_images[0].name, lt_mpi_image_count > 1 ? " and " : "",
	    lt_mpi_image_count > 1 ? lt_mpi_images[1].name : "");
}

/*
 * Joining waits inside the library, for ever if a process never comes, and
 * some libraries keep signals from ending it: a thread ends the process.
 */
struct watch {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t joined;
	bool over;
	struct timespec end;
};

static const char *
own_rank(void)
{
	const char *open = getenv("OMPI_COMM_WORLD_RANK");
	const char *other = getenv("PMI_RANK");

	return open ? open : other ? other : "of this process";
}

static void *
watch(void *arg)
{
	struct watch *w = arg;
	int err = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->over && !err)
		err = pthread_cond_timedwait(&w->joined, &w->lock, &w->end);
	pthread_mutex_unlock(&w->lock);
	if (w->over)
		return NULL;
	lt_fail(LT_EXIT_COMM, "rank %s has come, but not all others have "
	    "within --comm-timeout: those that say nothing are missing",
	    own_rank());
	_exit(LT_EXIT_COMM);
}

static bool
watch_start(struct watch *w, double timeout)
{
	*w = (struct watch){.over = false};
	clock_gettime(CLOCK_REALTIME, &w->end);
	w->end.tv_sec += (time_t)timeout + 1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->joined, NULL);
	return pthread_create(&w->thread, NULL, watch, w) == 0;
}

static void
watch_end(struct watch *w)
{
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->joined);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->joined);
	pthread_mutex_destroy(&w->lock);
}

int
lt_mpi_start(const char *name, double timeout, int *rank, int *ranks)
{
	const struct lt_mpi_image *x = choose(name);
	const struct lt_mpi *(*plugin)(void);
	void *lib = x ? load(x) : NULL;
	struct watch w;
	int err;

	if (!x)
		return no_plugin(name);
	if (!lib)
		return lt_fail(LT_EXIT_CONFIG, "cannot load %s: %s", x->name,
		    dlerror());
	*(void **)&plugin = dlsym(lib, LT_MPI_SYMBOL);
	mpi = plugin ? plugin() : NULL;
	if (!mpi || mpi->abi != LT_MPI_ABI)
		return lt_fail(LT_EXIT_INTERNAL, "the plugin for %s is of "
		    "another version", x->name);
	if (!watch_start(&w, timeout))
		return lt_fail(LT_EXIT_FAIL, "cannot start a thread");
	err = mpi->start(rank, ranks);
	watch_end(&w);
	return err ? lt_fail(LT_EXIT_COMM, "%s: %s", x->name,
	    mpi->text(err)) : LT_OK;
}

const char *
lt_mpi_library(void)
{
	return mpi ? mpi->library() : "";
}

void
lt_mpi_stop(void)
{
	if (mpi)
		mpi->stop();
	mpi = NULL;
}

const struct lt_mpi *
lt_mpi_wire(void)
{
	return mpi;
}
