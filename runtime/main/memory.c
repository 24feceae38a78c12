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
#include "runtime/loong_rt.h"
#include "runtime/main/limits.h"
#include "runtime/main/report.h"

static const char *const names[LT_ARENAS] = {
    [LT_STATE] = "state", [LT_KEEP] = "kept activations",
    [LT_ACT] = "activations", [LT_IO] = "input", [LT_WORK] = "work",
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
		if (__builtin_add_overflow(sum, size[i], &sum))
			sum = UINT64_MAX;
	}
	return sum;
}

/* Linux promises memory it does not have; a run that cannot fit should not
 * begin.  0: unknown. */
static uint64_t
installed(void)
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
	    lt_memory_text(installed(), have));
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
	uint64_t sum = lt_memory_plan(p, threads, size), have = installed();

	if (__builtin_mul_overflow(sum, (uint64_t)ranks, &sum))
		sum = UINT64_MAX;
	return have && sum > have ? no_memory("the plan", sum) : LT_OK;
}

int
lt_memory_alloc(struct lt *rt, int threads, uint64_t *bytes)
{
	uint64_t size[LT_ARENAS];

	lt_memory_plan(rt->prog, threads, size);
	*bytes = 0;
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
		*bytes += size[i];
	}
	return LT_OK;
}

void
lt_memory_free(struct lt *rt)
{
	for (int i = 0; i < LT_ARENAS; i++) {
		free(rt->arena[i]);
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
