/*
 * What the library kernels of codegen/kernels/ are called with: one struct for
 * each, filled by the host and passed by value.  Plain C that a kernel can
 * include too: int, unsigned, long long, float, double, pointers to device
 * memory, lk_tmap; nothing is included here.
 *
 * Elements "bf16" are unsigned short.  Sizes are in elements unless said.
 */
#ifndef LT_RUNTIME_GPU_ARGS_H
#define LT_RUNTIME_GPU_ARGS_H

/* A tensor as the tensor memory accelerator sees it: a CUtensorMap, made by
 * the device's tensor_map(). */
typedef struct lk_tmap {
	unsigned long long word[16];
} __attribute__((aligned(64))) lk_tmap;

/* What the emulator's tensor_map() puts there: bf16, dimension 0 the fastest
 * with stride 1, up to 5 of them. */
typedef struct lk_emu_tmap {
	const void *base;
	long long stride[5];   /* elements */
	int size[5], box[5];
	int rank;
	int swizzle;           /* 1: 128 bytes, 0: none */
} lk_emu_tmap;

/* fill.cuh */
struct fill_args {
	void *x; /* f32 or bf16 */
	long long n;
	float value;
};

/* probe.cuh */
struct probe_args {
	const void *x, *y;
	float *out;
	int n;
	lk_tmap map, map2;
};

#endif
