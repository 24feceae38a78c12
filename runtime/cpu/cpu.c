/* Finds the instruction sets of the CPU and the permission to use them. */
#define _GNU_SOURCE
#include "runtime/cpu/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

/* The kernel keeps tile registers off until a process asks for them. */
static bool
has_amx(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return false;
	if (!(d >> 22 & 1) || !(d >> 24 & 1)) /* AMX-BF16, AMX-TILE */
		return false;
	return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM,
	    XFEATURE_XTILEDATA) == 0;
}

static bool
has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool
has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl");
}

static bool
has_avx512_bf16(void)
{
	return has_avx512() && __builtin_cpu_supports("avx512bf16");
}
#else
static bool has_amx(void) { return false; }
static bool has_avx2(void) { return false; }
static bool has_avx512(void) { return false; }
static bool has_avx512_bf16(void) { return false; }
#endif

static const char *const f32_names[LT_CPU_LEVELS] = {
	"base", "AVX2", "AVX-512", "AVX-512",
	"AVX-512, products on emulated tiles",
	"AVX-512, products on AMX in three parts",
};
static const char *const bf16_names[LT_CPU_LEVELS] = {
	"base through f32 (no AMX)",
	"AVX2 through f32 (no AMX)",
	"AVX-512 through f32 (no AVX512-BF16, no AMX)",
	"AVX512-BF16",
	"emulated tiles",
	"AMX",
};

static atomic_int forced = -1;
static atomic_int found = -1;

bool
lt_cpu_has(enum lt_cpu_level level)
{
	switch (level) {
	case LT_CPU_BASE:
		return true;
	case LT_CPU_AVX2:
		return has_avx2();
	case LT_CPU_AVX512:
	case LT_CPU_TILE_EMU:
		return has_avx512();
	case LT_CPU_AVX512_BF16:
		return has_avx512_bf16();
	case LT_CPU_AMX:
		return has_avx512() && has_amx();
	case LT_CPU_LEVELS:
		break;
	}
	return false;
}

static int
best_level(void)
{
	static const int order[] = { LT_CPU_AMX, LT_CPU_AVX512_BF16,
		LT_CPU_AVX512, LT_CPU_AVX2 };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (lt_cpu_has(order[i]))
			return order[i];
	return LT_CPU_BASE;
}

enum lt_cpu_level
lt_cpu_level(void)
{
	int level = atomic_load_explicit(&forced, memory_order_relaxed);

	if (level >= 0)
		return level;
	level = atomic_load_explicit(&found, memory_order_relaxed);
	if (level < 0) {
		level = best_level();
		atomic_store_explicit(&found, level, memory_order_relaxed);
	}
	return level;
}

bool
lt_cpu_force(int level)
{
	if (level >= LT_CPU_LEVELS || (level >= 0 && !lt_cpu_has(level)))
		return false;
	atomic_store(&forced, level < 0 ? -1 : level);
	return true;
}

const char *
lt_cpu_describe(void)
{
	static char line[LT_CPU_LEVELS][128];
	enum lt_cpu_level level = lt_cpu_level();

	snprintf(line[level], sizeof(line[level]), "f32: %s, bf16: %s",
	    f32_names[level], bf16_names[level]);
	return line[level];
}

int
lt_cpu_cores(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (int)n : 1;
}
