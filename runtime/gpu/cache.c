/*
 * Kernels compiled at run time, kept for the next run.
 *
 *	$XDG_CACHE_HOME/loongc/KEY.cubin, or ~/.cache/loongc/KEY.cubin
 *
 * KEY is the hash of everything that decides on the code: source, options,
 * NVRTC's version, architecture.  A file is the hash of the code and then the
 * code; it appears whole by rename, and is believed only if it is ours, nobody
 * else can write it, and its hash agrees.  A folder that others own or can
 * write is not used at all.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/gpu/cuda.h"
#include "runtime/main/report.h"
#include "runtime/state/hash.h"
#include "runtime/state/io.h"
#include "support/nvrtc.h"

enum { HEX = 32 };
static const uint64_t limit = UINT64_C(1) << 30;

/* ---- the folder ---- */

static bool
is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* $XDG_CACHE_HOME, or ~/.cache; both have to be absolute. */
static bool
parent_path(char *path, size_t size)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n = -1;

	if (cache && *cache == '/')
		n = snprintf(path, size, "%s", cache);
	else if (home && *home == '/')
		n = snprintf(path, size, "%s/.cache", home);
	return n > 0 && (size_t)n < size;
}

/* -1: there is no folder to be used, after a warning if it should be one. */
static int
open_folder(void)
{
	char path[4096];
	int parent, fd = -1;

	if (!parent_path(path, sizeof path))
		return -1;
	(void)mkdir(path, 0700);
	parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent >= 0) {
		(void)mkdirat(parent, "loongc", 0700);
		fd = lt_dir_open(parent, "loongc");
		close(parent);
	}
	if (fd >= 0 && is_ours(fd))
		return fd;
	lt_warn("%s/loongc is not used to keep kernels: %s", path, fd < 0 ?
	    strerror(errno) : "others own it or can write it");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- entries ---- */

struct key {
	char name[HEX + 8];
};

static void
add(struct lt_hasher *h, const char *text)
{
	lt_hasher_add(h, text, strlen(text) + 1);
}

static bool
key_of(const struct lt_unit *u, const char *arch, int version, struct key *k)
{
	struct lt_hasher *h = lt_hasher_new();

	if (!h)
		return false;
	lt_hasher_reset(h);
	add(h, u->source);
	add(h, arch);
	for (int i = 0; nvrtc_options[i]; i++)
		add(h, nvrtc_options[i]);
	lt_hasher_add(h, &version, sizeof version);
	snprintf(k->name, sizeof k->name, "%s.cubin", lt_hasher_end(h).hex);
	lt_hasher_free(h);
	return true;
}

/* The code of an entry that can be believed, or NULL. */
static char *
find(int folder, const struct key *k, size_t *size)
{
	struct lt_error why;
	uint64_t n64;
	int fd = lt_file_open(folder, k->name, &n64, &why);
	bool ours = fd >= 0 && is_ours(fd);
	size_t n = 0;
	char *x;

	if (fd >= 0)
		close(fd);
	x = ours ? lt_file_read(folder, k->name, limit, &n, &why) : NULL;
	if (x && n > HEX && memcmp(x, lt_hash(x + HEX, n - HEX).hex, HEX) ==
	    0) {
		*size = n - HEX;
		memmove(x, x + HEX, *size);
		return x;
	}
	free(x);
	return NULL;
}

/* What cannot be kept is compiled again next time. */
static void
keep(int folder, const struct key *k, const char *code, size_t size)
{
	struct lt_digest d = lt_hash(code, size);
	char nonce[9], temp[64];
	bool ok;
	int fd;

	lt_nonce(nonce);
	snprintf(temp, sizeof temp, "%s.%s", k->name, nonce);
	fd = lt_file_create(folder, temp);
	if (fd < 0)
		return;
	ok = lt_write_all(fd, d.hex, HEX) && lt_write_all(fd, code, size);
	ok = close(fd) == 0 && ok;
	if (!ok || renameat(folder, temp, folder, k->name) != 0)
		(void)unlinkat(folder, temp, 0);
}

/* ---- compiling ---- */

static char *
compile(struct nvrtc *n, const struct lt_unit *u, const char *arch,
    size_t *size, struct lt_error *why)
{
	struct nvrtc_code code;
	char *data;

	lt_note("compiling  %s for %s with NVRTC %d.%d", u->name, arch,
	    nvrtc_version(n) / 1000, nvrtc_version(n) % 1000 / 10);
	if (!nvrtc_compile(n, u->source, u->name, arch, NVRTC_CUBIN, &code)) {
		lt_error_set(why, LT_EXIT_INTERNAL, "NVRTC does not compile "
		    "%s for %s: %.400s", u->name, arch, code.log);
		nvrtc_free(&code);
		return NULL;
	}
	data = code.data;
	*size = code.size;
	code.data = NULL;
	nvrtc_free(&code);
	return data;
}

char *
lt_cache_compile(const struct lt_unit *u, const char *arch, size_t *size,
    struct lt_error *why)
{
	char text[512] = "its source is not there", *code = NULL;
	struct nvrtc *n = u->source ? nvrtc_open(text, sizeof text) : NULL;
	int folder;
	struct key k;

	if (!n) {
		lt_error_set(why, LT_EXIT_CONFIG, "%s", text);
		return NULL;
	}
	folder = open_folder();
	if (folder >= 0 && !key_of(u, arch, nvrtc_version(n), &k)) {
		close(folder);
		folder = -1;
	}
	if (folder >= 0)
		code = find(folder, &k, size);
	if (!code) {
		code = compile(n, u, arch, size, why);
		if (code && folder >= 0)
			keep(folder, &k, code, *size);
	}
	if (folder >= 0)
		close(folder);
	nvrtc_close(n);
	return code;
}
