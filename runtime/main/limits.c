/* Limits of control groups. */
#include "config.h"

#include "runtime/main/limits.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

/* One or two numbers of a file; how many there are ("max" is none). */
static int
read_numbers(const char *root, const char *name, int64_t v[2])
{
	char path[512];
	FILE *f;
	int n;

	if (snprintf(path, sizeof path, "%s/%s", root, name) >=
	    (int)sizeof path)
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fscanf(f, "%" SCNd64 " %" SCNd64, &v[0], &v[1]);
	fclose(f);
	return n > 0 ? n : 0;
}

int
lt_limit_cores(const char *root)
{
	int64_t v[2], quota, period, cores;

	if (read_numbers(root, "cpu.max", v) == 2) {
		quota = v[0];
		period = v[1];
	} else if (read_numbers(root, "cpu/cpu.cfs_quota_us", v) > 0 &&
	    v[0] > 0) {
		quota = v[0];
		if (read_numbers(root, "cpu/cpu.cfs_period_us", v) < 1)
			return 0;
		period = v[0];
	} else {
		return 0;
	}
	if (quota < 1 || period < 1)
		return 0;
	cores = quota / period + (quota % period != 0);
	return cores < 4096 ? (int)cores : 4096;
}

uint64_t
lt_limit_memory(const char *root)
{
	/* version 1 says "no limit" with a number next to 2^63 */
	const int64_t none = INT64_C(1) << 60;
	int64_t v[2];

	if (read_numbers(root, "memory.max", v) < 1 &&
	    read_numbers(root, "memory/memory.limit_in_bytes", v) < 1)
		return 0;
	return v[0] > 0 && v[0] < none ? (uint64_t)v[0] : 0;
}
