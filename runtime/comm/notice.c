/*
 * The file of a rendezvous.
 *
 *	loong rendezvous 1
 *	address 10.0.0.1 4711
 *	token 64 digits
 *	sum 64 digits            SHA-256 of the job and the lines before
 *
 * It is written beside its place and renamed.  Whoever reads it wants it to be
 * a plain file of his own that nobody else can read or write.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/comm/hello.h"
#include "runtime/comm/rdzv.h"
#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

enum { PATH = PATH_MAX + 80, TEXT = 512, HEX = 2 * LT_SHA256, NAME = 16 };

void
lt_notice_path(const struct lt_rdzv *z, char *path)
{
	char hex[HEX + 1];

	lt_digest_text(z->job, hex);
	snprintf(path, PATH, "%s/rdzv.%.*s", z->dir, NAME, hex);
}

static void
seal(const struct lt_rdzv *z, const char *text, size_t n, char hex[HEX + 1])
{
	unsigned char all[LT_SHA256 + TEXT], digest[LT_SHA256];

	memcpy(all, z->job, LT_SHA256);
	memcpy(all + LT_SHA256, text, n);
	lt_sha256(all, LT_SHA256 + n, digest);
	lt_digest_text(digest, hex);
}

/* ---- writing ---- */

static size_t
format(const struct lt_rdzv *z, const struct lt_notice *x, char text[TEXT])
{
	char at[128], token[HEX + 1], sum[HEX + 1];
	int n;

	lt_net_text(&x->at, at);
	lt_digest_text(x->token, token);
	n = snprintf(text, TEXT, "loong rendezvous 1\naddress %s\ntoken %s\n",
	    at, token);
	seal(z, text, (size_t)n, sum);
	return (size_t)n + (size_t)snprintf(text + n, TEXT - (size_t)n,
	    "sum %s\n", sum);
}

static bool
write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n &&
	    fsync(fd) == 0;

	if (fd >= 0 && close(fd) != 0)
		ok = false;
	return ok;
}

/* The folder and the one above it. */
static void
make_folder(const char *dir)
{
	char above[PATH_MAX];
	char *slash;

	snprintf(above, sizeof above, "%s", dir);
	slash = strrchr(above, '/');
	if (slash && slash != above) {
		*slash = '\0';
		(void)mkdir(above, 0700);
	}
	(void)mkdir(dir, 0700);
}

int
lt_notice_put(const struct lt_rdzv *z, const struct lt_notice *x)
{
	char path[PATH], beside[PATH + HEX + 8], text[TEXT], hex[HEX + 1];
	unsigned char name[LT_SHA256];
	int err;

	make_folder(z->dir);
	lt_notice_path(z, path);
	if (!lt_random(name))
		return lt_fail(LT_EXIT_FAIL, "there are no random numbers");
	lt_digest_text(name, hex);
	snprintf(beside, sizeof beside, "%s.%.*s", path, NAME, hex);
	if (write_file(beside, text, format(z, x, text)) &&
	    rename(beside, path) == 0)
		return LT_OK;
	err = errno;
	(void)unlink(beside);
	return lt_fail(LT_EXIT_IO, "%s: %s", path, strerror(err));
}

void
lt_notice_remove(const struct lt_rdzv *z)
{
	char path[PATH];

	lt_notice_path(z, path);
	(void)unlink(path);
}

/* ---- reading ---- */

static const char *
doubt(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a plain file";
	if (st.st_uid != geteuid())
		return "is another user's";
	return st.st_mode & 077 ? "can be read or written by others" : NULL;
}

static const char *
parse(const struct lt_rdzv *z, char *text, struct lt_notice *x)
{
	char host[100], port[16], token[HEX + 1], sum[HEX + 1], want[HEX + 1];
	char *end = strstr(text, "sum ");

	if (!end || sscanf(text, "loong rendezvous 1\naddress %99s %15s\n"
	    "token %64s\nsum %64s", host, port, token, sum) != 4)
		return "is no rendezvous of this version";
	seal(z, text, (size_t)(end - text), want);
	if (strcmp(sum, want) != 0 || !lt_digest_parse(token, x->token))
		return "is of another job, or damaged";
	return lt_net_resolve(host, port, &x->at);
}

const char *
lt_notice_get(const struct lt_rdzv *z, struct lt_notice *x, bool *wrong)
{
	char path[PATH], text[TEXT + 1];
	const char *why;
	ssize_t n;
	int fd;

	*wrong = false;
	lt_notice_path(z, path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		*wrong = errno != ENOENT && errno != ESTALE;
		return strerror(errno);
	}
	why = doubt(fd);
	n = why ? 0 : read(fd, text, TEXT);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	*wrong = why != NULL;
	return why ? why : parse(z, text, x);
}
