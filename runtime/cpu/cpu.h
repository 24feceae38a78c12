/*
 * What the CPU found at run time can do.  Every kernel asks lt_cpu_level()
 * once per call; tests force each level in turn.
 */
#ifndef LT_RUNTIME_CPU_CPU_H
#define LT_RUNTIME_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>

enum lt_cpu_level {
	LT_CPU_BASE,     /* what every CPU of the architecture has */
	LT_CPU_AVX2,     /* AVX2 and FMA */
	LT_CPU_AVX512,   /* AVX-512 F, BW, DQ, VL */
	LT_CPU_AVX512_BF16, /* and BF16: its dot products */
	LT_CPU_TILE_EMU, /* AVX512 level, GEMM on emulated tiles (tests) */
	LT_CPU_AMX,      /* AVX512 level, GEMM on AMX tiles */
	LT_CPU_LEVELS
};

/* The best level found, or the forced one. */
enum lt_cpu_level lt_cpu_level(void);

/* True if code of this level can run here. */
bool lt_cpu_has(enum lt_cpu_level);

/* Use this level from now on; -1 returns to the best one.  False, and no
 * change, if the CPU lacks it.  Not for use while kernels run. */
bool lt_cpu_force(int level);

/* One line for the start of a run: the instruction sets in use for f32 and
 * for bf16, and why bf16 runs on a lower path if it does. */
const char *lt_cpu_describe(void);

/* Cores this process may run on, at least 1. */
int lt_cpu_cores(void);

#endif
