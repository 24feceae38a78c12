/* The arenas of a rank. */
#include "config.h"

#include "runtime/main/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/cpu/pool.h"
#include "runtime/gpu/device.h"
#include "runtime/loong_rt.h"
#include "runtime/main/limits.h"
#include "runtime/main/report.h"

static const char *const names[LT_ARENAS] = {
    [LT_STATE] = "state", [LT_KEEP] = "kept activations",
    [LT_ACT] = "activations", [LT_IO] = "input", [LT_HOST] = "offloaded activations",
    [LT_WORK] = "work",
};

const char *
lt_memory_name(int arena)
{
	return names[arena];
}

const char *
lt_memory_text(uint64_t bytes, char buf[32])
{
	static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double x = (double)bytes;
	int u = 0;

	for (; x >= 1024 && u < 4; u++)
		x /= 1024;
	snprintf(buf, 32, u && x < 100 ? "%.1f %s" : "%.0f %s", x, unit[u]);
	return buf;
}

uint64_t
lt_memory_plan(const struct lt_program *p, int threads, uint64_t size[])
{
	uint64_t sum = 0;

	for (int i = 0; i < LT_ARENAS; i++) {
		size[i] = i == LT_WORK ? p->work(threads) : p->arena[i];
		if (i == LT_HOST && p->device != LT_DEVICE_CPU)
			continue; /* not the device's */
		if (__builtin_add_overflow(sum, size[i], &sum))
			sum = UINT64_MAX;
	}
	return sum;
}

/* Linux promises memory it does not have; a run that cannot fit should not
 * begin. */
uint64_t
lt_memory_installed(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t n = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size :
	    0;
	uint64_t limit = lt_limit_memory(LT_CGROUP);

	return limit > 0 && (!n || limit < n) ? limit : n;
}

static int
no_memory(const char *name, uint64_t bytes)
{
	char text[32], have[32];

	return lt_fail(LT_EXIT_CONFIG, "no memory for %s: %s (%" PRIu64
	    " bytes); %s are there", name,
	    lt_memory_text(bytes, text), bytes,
	    lt_memory_text(lt_memory_installed(), have));
}

/* Large arenas in large pages, where the system gives them. */
static void *
allocate(uint64_t size)
{
	const uint64_t huge = UINT64_C(2) << 20;
	void *p = NULL;

	if (posix_memalign(&p, size < huge ? 64 : huge, size) != 0)
		return NULL;
	if (size >= huge)
		(void)madvise(p, size / huge * huge, MADV_HUGEPAGE);
	return p;
}

int
lt_memory_check(const struct lt_program *p, int threads, int ranks)
{
	uint64_t size[LT_ARENAS];
	uint64_t sum = lt_memory_plan(p, threads, size), have = lt_memory_installed();

	if (__builtin_mul_overflow(sum, (uint64_t)ranks, &sum))
		sum = UINT64_MAX;
	return have && sum > have && p->device != LT_DEVICE_CUDA ?
	    no_memory("the plan", sum) : LT_OK;
}

/* The plan of all arenas against what the device has left. */
static int
check_device(struct lt *rt, uint64_t sum)
{
	uint64_t have = rt->gpu->device->available(rt->gpu);
	char text[32], left[32];

	return sum <= have ? LT_OK : lt_fail(LT_EXIT_CONFIG,
	    "rank %d: the plan needs %s (%" PRIu64 " bytes) of the device's "
	    "memory; %s are free", rt->rank, lt_memory_text(sum, text), sum,
	    lt_memory_text(have, left));
}

/* The host's memory for what a device sends there. */
static int
alloc_host(struct lt *rt, uint64_t size, void **p)
{
	const struct lt_device *d = rt->gpu->device;

	if (d->alloc_host)
		return d->alloc_host(rt->gpu, size, p);
	*p = allocate(size);
	if (!*p)
		return LT_EXIT_CONFIG;
	memset(*p, 0, size);
	return LT_OK;
}

static void
free_arena(struct lt *rt, int i)
{
	const struct lt_device *d = rt->gpu ? rt->gpu->device : NULL;

	if (d && i != LT_HOST)
		d->free(rt->gpu, rt->arena[i]);
	else if (d && d->free_host)
		d->free_host(rt->gpu, rt->arena[i]);
	else
		free(rt->arena[i]);
}

static int
alloc_device(struct lt *rt, const uint64_t size[])
{
	for (int i = 0; i < LT_ARENAS; i++) {
		void *p = NULL;
		int rc = !size[i] ? LT_OK : i == LT_HOST ?
		    alloc_host(rt, size[i], &p) :
		    rt->gpu->device->alloc(rt->gpu, size[i], &p);

		if (rc)
			return lt_fail(rc, "rank %d: no memory for %s on the "
			    "%s: %" PRIu64 " bytes", rt->rank, names[i],
			    i == LT_HOST ? "host" : "device", size[i]);
		rt->arena[i] = p;
	}
	return LT_OK;
}

int
lt_memory_alloc(struct lt *rt, int threads, uint64_t *bytes)
{
	uint64_t size[LT_ARENAS];

	*bytes = lt_memory_plan(rt->prog, threads, size);
	if (rt->gpu) {
		int rc = check_device(rt, *bytes);

		rc = rc ? rc : alloc_device(rt, size);
		if (rc)
			lt_memory_free(rt);
		return rc;
	}
	for (int i = 0; i < LT_ARENAS; i++) {
		void *p = size[i] ? allocate(size[i]) : NULL;

		if (!size[i])
			continue;
		if (!p) {
			lt_memory_free(rt);
			return no_memory(names[i], size[i]);
		}
		memset(p, 0, size[i]);
		rt->arena[i] = p;
	}
	return LT_OK;
}

void
lt_memory_free(struct lt *rt)
{
	for (int i = 0; i < LT_ARENAS; i++) {
		if (rt->arena[i])
			free_arena(rt, i);
		rt->arena[i] = NULL;
	}
}

uint64_t
lt_memory_peak(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (uint64_t)kib * 1024;
}
