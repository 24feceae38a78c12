#include "config.h"

#include "driver/output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/child.h"
#include "driver/say.h"

/* What a signal has to remove; one output is open at a time. */
static char *volatile leave_file, *volatile leave_dir;
static char *volatile leave_part[OUTPUT_PARTS];

/* SIGABRT: out of memory. */
static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE,
    SIGABRT};

static void
on_signal(int sig)
{
	child_end(); /* it may still write to what is removed now */
	if (leave_file)
		unlink(leave_file);
	for (int i = 0; i < OUTPUT_PARTS && leave_part[i]; i++)
		unlink(leave_part[i]);
	if (leave_dir)
		rmdir(leave_dir);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
set_handlers(void (*handler)(int))
{
	for (size_t i = 0; i < COUNT_OF(deadly); i++) {
		struct sigaction old;

		if (sigaction(deadly[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			signal(deadly[i], handler);
	}
#ifdef SIGXFSZ
	signal(SIGXFSZ, SIG_IGN); /* a full disk is an error like others */
#endif
}

static char *
join(const char *a, size_t n, const char *b)
{
	char *s = malloc(n + strlen(b) + 1);

	if (!s)
		abort();
	memcpy(s, a, n);
	strcpy(s + n, b);
	return s;
}

static void
forget(struct output *w)
{
	set_handlers(SIG_DFL);
	leave_file = leave_dir = NULL;
	if (w->temp)
		unlink(w->temp);
	for (int i = 0; i < w->npart; i++) {
		leave_part[i] = NULL;
		unlink(w->part[i]);
		free(w->part[i]);
	}
	if (w->dir)
		rmdir(w->dir);
	free(w->temp);
	free(w->dir);
	*w = (struct output){0};
}

/* A folder beside path: rename within one file system is atomic. */
static bool
open_beside(struct output *w, bool exe)
{
	const char *slash = strrchr(w->path, '/');
	size_t n = slash ? (size_t)(slash - w->path) + 1 : 0;
	const char *path = w->path;

	w->dir = join(path, n, ".loongc-XXXXXX");
	if (!mkdtemp(w->dir)) {
		free(w->dir);
		*w = (struct output){0};
		return say_file(path, "%s", strerror(errno));
	}
	w->temp = join(w->dir, strlen(w->dir), "/out");
	leave_file = w->temp;
	leave_dir = w->dir;
	set_handlers(on_signal);
	if (!exe && !(w->file = fopen(w->temp, "wbe"))) {
		int why = errno;

		forget(w);
		return say_file(path, "%s", strerror(why));
	}
	return true;
}

static bool
open_device(struct output *w, bool exe)
{
	const char *path = w->path;

	if (exe)
		return say_file(path, "is not a regular file");
	w->file = fopen(path, "wbe");
	return w->file ? true : say_file(path, "%s", strerror(errno));
}

bool
output_open(
    struct output *w, const char *path, const struct input *in, bool exe)
{
	struct stat st;

	*w = (struct output){0};
	if (!path || strcmp(path, "-") == 0) {
		w->file = stdout;
		return true;
	}
	w->path = path;
	if (stat(path, &st) != 0)
		return errno == ENOENT ? open_beside(w, exe)
				       : say_file(path, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return say_file(path, "is a directory");
	if (in && st.st_dev == in->dev && st.st_ino == in->ino)
		return say_file(path, "is the input; choose another output");
	if (!S_ISREG(st.st_mode))
		return open_device(w, exe);
	if (access(path, W_OK) != 0)
		return say_file(path, "%s", strerror(errno));
	return open_beside(w, exe);
}

const char *
output_part(struct output *w)
{
	char name[32];
	int i = w->npart;

	if (!w->dir || i == OUTPUT_PARTS) {
		say_error("the program has more than %d parts", OUTPUT_PARTS);
		return NULL;
	}
	snprintf(name, sizeof name, "/part%d.o", i);
	w->part[i] = join(w->dir, strlen(w->dir), name);
	leave_part[i] = w->part[i];
	w->npart++;
	return w->part[i];
}

/* Everything reached the system; a full disk is noticed here. */
static bool
finish_file(struct output *w)
{
	FILE *f = w->file;
	bool ok;

	w->file = NULL;
	if (!f)
		return true;
	ok = !ferror(f) && fflush(f) == 0;
	if (f != stdout && fclose(f) != 0)
		ok = false;
	return ok;
}

bool
output_commit(struct output *w)
{
	const char *path = w->path ? w->path : "standard output";
	int why = 0;

	if (!finish_file(w) || (w->temp && rename(w->temp, w->path) != 0))
		why = errno ? errno : EIO;
	if (w->dir)
		forget(w);
	return why ? say_file(path, "%s", strerror(why)) : true;
}

void
output_discard(struct output *w)
{
	if (w->file && w->file != stdout)
		fclose(w->file);
	if (w->dir)
		forget(w);
	*w = (struct output){0};
}
