/* Where the runtime is. */
#include "config.h"

#include "driver/cc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/say.h"

static bool
fill(struct runtime *rt, const char *include, const char *archive_dir)
{
	int n = snprintf(rt->include, sizeof rt->include, "%s", include);
	int k = snprintf(
	    rt->archive, sizeof rt->archive, "%s/libloong_rt.a", archive_dir);

	return n > 0 && (size_t)n < sizeof rt->include && k > 0 &&
	       (size_t)k < sizeof rt->archive && access(rt->archive, R_OK) == 0;
}

/* As installed: PREFIX/include and PREFIX/libloong_rt.a. */
static bool
in_folder(struct runtime *rt, const char *dir)
{
	char include[sizeof rt->include];
	int n = snprintf(include, sizeof include, "%s/include", dir);

	return n > 0 && (size_t)n < sizeof include && fill(rt, include, dir);
}

/* The folder of the running loongc; false if it cannot be told. */
static bool
own_folder(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n <= 0 || (size_t)n >= size - 1)
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

/* DIR/bin/loongc with DIR/lib/loongc, wherever DIR was moved to. */
static bool
beside_bin(struct runtime *rt, const char *bin)
{
	char dir[4096];
	int n = snprintf(dir, sizeof dir, "%s/../lib/loongc", bin);

	return n > 0 && (size_t)n < sizeof dir && in_folder(rt, dir);
}

bool
runtime_find(struct runtime *rt)
{
	const char *named = getenv("LOONGC_RUNTIME");
	char own[4096];

	if (named && *named) {
		if (in_folder(rt, named))
			return true;
		return say_error("LOONGC_RUNTIME=%s: no libloong_rt.a there",
		    named);
	}
	if (own_folder(own, sizeof own) &&
	    (fill(rt, LOONGC_SRCDIR, own) || beside_bin(rt, own)))
		return true;
	if (in_folder(rt, LOONGC_LIBDIR))
		return true;
	return say_error("the runtime is not in %s; set LOONGC_RUNTIME to the "
	    "folder with libloong_rt.a", LOONGC_LIBDIR);
}
