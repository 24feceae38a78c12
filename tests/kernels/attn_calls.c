#include "config.h"

#include "tests/kernels/attn_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gpu/device.h"
#include "runtime/main/run.h"

enum { WORK = 1 << 16, KERNELS = 13 };

typedef void entry(const void *, const unsigned grid[3], unsigned, unsigned);
entry attn_docs, attn_fwd_sm80_d64, attn_bwd_keys_sm80_d64,
    attn_bwd_queries_sm80_d64, attn_fwd_sm80_d256, attn_bwd_keys_sm80_d256,
    attn_bwd_queries_sm80_d256, attn_fwd_sm90_d64, attn_fwd_sm90_d256,
    attn_bwd_keys_sm90_d64, attn_bwd_queries_sm90_d64, attn_bwd_keys_sm90_d256,
    attn_bwd_queries_sm90_d256;

static int launches[KERNELS];
static unsigned blocks;

/* Each entry counts, those over all tiles their blocks, too. */
#define COUNTED(i, name)                                                      \
	static void count_##name(const void *args, const unsigned grid[3],    \
	    unsigned threads, unsigned smem)                                  \
	{                                                                     \
		launches[i]++;                                                \
		if (strstr(#name, "_sm90_") && grid[0] > blocks)              \
			blocks = grid[0];                                     \
		name(args, grid, threads, smem);                              \
	}
COUNTED(0, attn_docs)
COUNTED(1, attn_fwd_sm80_d64)
COUNTED(2, attn_bwd_keys_sm80_d64)
COUNTED(3, attn_bwd_queries_sm80_d64)
COUNTED(4, attn_fwd_sm80_d256)
COUNTED(5, attn_bwd_keys_sm80_d256)
COUNTED(6, attn_bwd_queries_sm80_d256)
COUNTED(7, attn_fwd_sm90_d64)
COUNTED(8, attn_fwd_sm90_d256)
COUNTED(9, attn_bwd_keys_sm90_d64)
COUNTED(10, attn_bwd_queries_sm90_d64)
COUNTED(11, attn_bwd_keys_sm90_d256)
COUNTED(12, attn_bwd_queries_sm90_d256)

#define ROW(name, unit, threads, smem, args)                                  \
	{#name, unit, threads, smem, sizeof(struct args), NULL, count_##name}
static const struct lt_kernel kernels[KERNELS] = {
	ROW(attn_docs, 0, ATTN_DOCS_THREADS, 0, attn_docs_args),
	ROW(attn_fwd_sm80_d64, 0, ATTN80_THREADS, ATTN80_FWD_SMEM(64),
	    attn_args),
	ROW(attn_bwd_keys_sm80_d64, 0, ATTN80_THREADS, ATTN80_KEYS_SMEM(64),
	    attn_args),
	ROW(attn_bwd_queries_sm80_d64, 0, ATTN80_THREADS,
	    ATTN80_QUERIES_SMEM(64), attn_args),
	ROW(attn_fwd_sm80_d256, 0, ATTN80_THREADS, ATTN80_FWD_SMEM(256),
	    attn_args),
	ROW(attn_bwd_keys_sm80_d256, 0, ATTN80_THREADS, ATTN80_KEYS_SMEM(256),
	    attn_args),
	ROW(attn_bwd_queries_sm80_d256, 0, ATTN80_THREADS,
	    ATTN80_QUERIES_SMEM(256), attn_args),
	ROW(attn_fwd_sm90_d64, 1, ATTN90_THREADS, ATTN90_FWD_SMEM(64),
	    attn_tma_args),
	ROW(attn_fwd_sm90_d256, 1, ATTN90_THREADS, ATTN90_FWD_SMEM(256),
	    attn_tma_args),
	ROW(attn_bwd_keys_sm90_d64, 1, ATTN90_THREADS, ATTN90_KEYS_SMEM(64),
	    attn_tma_args),
	ROW(attn_bwd_queries_sm90_d64, 1, ATTN90_THREADS,
	    ATTN90_QUERIES_SMEM(64), attn_tma_args),
	ROW(attn_bwd_keys_sm90_d256, 1, ATTN90_THREADS, ATTN90_KEYS_SMEM(256),
	    attn_tma_args),
	ROW(attn_bwd_queries_sm90_d256, 1, ATTN90_THREADS,
	    ATTN90_QUERIES_SMEM(256), attn_tma_args),
};

static const struct lt_unit units[] = {
	{.name = "attn_sm80", .arch_min = 80, .arch_max = 1000},
	{.name = "attn_sm90", .arch_min = 90, .arch_max = 90},
};

static struct lt_program program = {
	.device = LT_DEVICE_EMU, .unit = units, .nunit = 2, .kernel = kernels,
	.nkernel = KERNELS,
};
static struct lt_run settings;
static struct lt rt = { .prog = &program, .run = &settings, .ranks = 1 };

void
attn_calls_open(int arch, int margin)
{
	char text[16];

	snprintf(text, sizeof text, "%d", arch);
	setenv("LOONG_EMU_ARCH", text, 1);
	setenv("LOONG_EMU_GUARD", "0", 1); /* the test's memory is the device's */
	settings.opt.sm_margin = margin;
	rt.arena[LT_WORK] = aligned_alloc(64, WORK);
	if (!rt.arena[LT_WORK] || lt_gpu_open(&rt))
		abort();
	memset(launches, 0, sizeof launches);
	blocks = 0;
}

void
attn_calls_fwd(const struct lt_attn *p, const struct attn_args *a)
{
	if (lt_gpu_attn_fwd_workspace(p, 1) > WORK)
		abort();
	if (a->acc)
		lt_gpu_attn_step(&rt, p, a->q, a->k, a->v, a->acc, a->z);
	else
		lt_gpu_attn_fwd(&rt, p, a->q, a->k, a->v, a->o, a->z);
}

void
attn_calls_bwd(const struct lt_attn *p, const struct attn_args *a)
{
	if (lt_gpu_attn_bwd_workspace(p, 1) > WORK)
		abort();
	lt_gpu_attn_bwd(&rt, p, a->dout, a->q, a->k, a->v, a->z, a->delta,
	    a->dq, a->dk, a->dv);
}

int
attn_calls_count(const char *part)
{
	int n = 0;

	for (int i = 0; i < KERNELS; i++)
		n += strstr(kernels[i].name, part) ? launches[i] : 0;
	return n;
}

unsigned
attn_calls_blocks(void)
{
	return blocks;
}

void
attn_calls_close(void)
{
	lt_gpu_close(&rt);
	free(rt.arena[LT_WORK]);
}
