/* Reading and writing without surprises. */
#include "config.h"

#include "runtime/state/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Linux moves at most 2^31 - 4096 bytes a call; less keeps signals prompt. */
#define PIECE ((size_t)64 << 20)

int
lt_dir_open(int at, const char *name)
{
	return openat(at, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
lt_file_create(int at, const char *name)
{
	return openat(at, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* O_NONBLOCK: opening a FIFO must not wait for its other end. */
int
lt_file_open(int at, const char *name, uint64_t *size, struct lt_error *error)
{
	int fd = openat(at, name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		lt_error_errno(error, "%s", name);
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		lt_error_set(error, LT_EXIT_DATA, "%s: not a regular file",
		    name);
		close(fd);
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

bool
lt_write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t k = write(fd, p, n < PIECE ? n : PIECE);

		if (k < 0 && errno == EINTR)
			continue;
		if (k == 0)
			errno = ENOSPC;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

bool
lt_read_all(int fd, void *bytes, size_t n, uint64_t offset)
{
	char *p = bytes;

	while (n > 0) {
		ssize_t k = pread(fd, p, n < PIECE ? n : PIECE,
		    (off_t)offset);

		if (k < 0 && errno == EINTR)
			continue;
		if (k == 0)
			errno = 0;
		if (k <= 0)
			return false;
		p += k;
		offset += (uint64_t)k;
		n -= (size_t)k;
	}
	return true;
}

char *
lt_file_read(int at, const char *name, uint64_t limit, size_t *n,
    struct lt_error *error)
{
	uint64_t size;
	int fd = lt_file_open(at, name, &size, error);
	char *text = NULL;

	if (fd < 0)
		return NULL;
	if (size > limit)
		lt_error_set(error, LT_EXIT_DATA,
		    "%s: %llu bytes, more than any real one", name,
		    (unsigned long long)size);
	else if ((text = malloc(size + 1)) == NULL)
		lt_error_errno(error, "%s", name);
	else if (!lt_read_all(fd, text, size, 0)) {
		lt_error_set(error, LT_EXIT_DATA, "%s: %s", name,
		    errno ? strerror(errno) : "ends early");
		free(text);
		text = NULL;
	}
	close(fd);
	if (text != NULL)
		text[*n = size] = 0;
	return text;
}

static void
remove_files(DIR *d)
{
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
}

bool
lt_dir_remove(int at, const char *name)
{
	int fd = lt_dir_open(at, name);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d != NULL) {
		remove_files(d);
		closedir(d);
	} else if (fd >= 0) {
		close(fd);
	}
	return unlinkat(at, name, AT_REMOVEDIR) == 0;
}

void
lt_nonce(char text[9])
{
	uint32_t x;
	struct timespec t;

	if (getrandom(&x, sizeof x, 0) != sizeof x) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		x = (uint32_t)t.tv_nsec ^ (uint32_t)getpid() << 16;
	}
	snprintf(text, 9, "%08x", (unsigned)x);
}
