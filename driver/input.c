#include "config.h"

#include "driver/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/say.h"

static bool
check_kind(const struct stat *st, const char *path)
{
	if (S_ISDIR(st->st_mode))
		return say_file(path, "is a directory");
	if (!S_ISREG(st->st_mode))
		return say_file(path, "is not a regular file");
	if (st->st_size > INPUT_LIMIT)
		return say_file(path,
		    "has %lld bytes; a source has at most %d MiB",
		    (long long)st->st_size, INPUT_LIMIT >> 20);
	return true;
}

/* Reads up to n bytes; -1 and errno on failure. */
static ssize_t
read_full(int fd, char *to, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, to + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

static bool
read_text(struct input *in, struct arena *mem, int fd, const char *path)
{
	struct stat st;
	char *text;
	ssize_t got;

	if (fstat(fd, &st) != 0)
		return say_file(path, "%s", strerror(errno));
	if (!check_kind(&st, path))
		return false;
	text = arena_alloc(mem, (size_t)st.st_size + 1);
	got = read_full(fd, text, (size_t)st.st_size);
	if (got < 0)
		return say_file(path, "%s", strerror(errno));
	if (got == 0)
		return say_file(path, "is empty");
	in->src = (struct source){path, text, (uint32_t)got};
	in->dev = st.st_dev;
	in->ino = st.st_ino;
	return true;
}

bool
input_read(struct input *in, struct arena *mem, const char *path)
{
	/* Not to wait for a writer if the path names a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool ok;

	if (fd < 0)
		return say_file(path, "%s", strerror(errno));
	ok = read_text(in, mem, fd, path);
	close(fd);
	return ok;
}
