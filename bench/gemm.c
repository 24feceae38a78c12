/*
 * The matrix products of the benchmark's models: our kernels beside OpenBLAS
 * and oneDNN, one after the other on each shape, medians of rounds.
 *
 *	cc -O2 -I. bench/gemm.c BUILD/libloong_rt.a -o gemm -ldl -lpthread -lm
 *	gemm [ROUNDS [THREADS [SHAPE]]]
 *
 * Libraries are opened when the program runs; one that is absent is left out.
 * bf16 products with oneDNN are compiled in where dnnl.h is found.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime/cpu/cpu.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/pool.h"

#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#define HAVE_DNNL 1
#endif

struct shape {
	const char *what;
	uint32_t m, n, k;
	bool ta, tb;
};

/* One layer of each model, forward (NN), gradient of the input (NT) and of
 * the weights (TN); then the loss head. */
static const struct shape shapes[] = {
	{ "gpt2 4x64   q", 256, 768, 768, 0, 0 },
	{ "gpt2 4x64   up", 256, 3072, 768, 0, 0 },
	{ "gpt2 4x64   down", 256, 768, 3072, 0, 0 },
	{ "gpt2 4x64   up dx", 256, 768, 3072, 0, 1 },
	{ "gpt2 4x64   up dw", 768, 3072, 256, 1, 0 },
	{ "gpt2 4x64   head", 256, 50257, 768, 0, 1 },
	{ "gpt2 4x64   head dx", 256, 768, 50257, 0, 0 },
	{ "gpt2 4x64   head dw", 50257, 768, 256, 1, 0 },
	{ "gpt2 1x1024 q", 1024, 768, 768, 0, 0 },
	{ "gpt2 1x1024 up", 1024, 3072, 768, 0, 0 },
	{ "gpt2 1x1024 up dx", 1024, 768, 3072, 0, 1 },
	{ "gpt2 1x1024 up dw", 768, 3072, 1024, 1, 0 },
	{ "llama 4x512 k", 2048, 256, 512, 0, 0 },
	{ "llama 4x512 up", 2048, 1408, 512, 0, 0 },
	{ "llama 4x512 down", 2048, 512, 1408, 0, 0 },
	{ "llama 4x512 up dx", 2048, 512, 1408, 0, 1 },
	{ "llama 4x512 up dw", 512, 1408, 2048, 1, 0 },
	{ "llama 4x512 head", 512, 32000, 512, 0, 0 },
	{ "llama 4x512 head dw", 512, 32000, 512, 1, 0 },
};

enum { NSHAPES = sizeof(shapes) / sizeof(*shapes), MAX_ROUNDS = 64 };

typedef void sgemm_fn(int, int, int, int, int, int, float, const float *, int,
    const float *, int, float, float *, int);
typedef int dnnl_sgemm_fn(char, char, int64_t, int64_t, int64_t, float,
    const float *, int64_t, const float *, int64_t, float, float *, int64_t);

static sgemm_fn *openblas;
static dnnl_sgemm_fn *onednn;
static clockid_t clock_used = CLOCK_MONOTONIC;
static struct lt_pool *pool;
static void *a32, *b32, *a16, *b16, *c, *ws;

static double
now(void)
{
	struct timespec t;

	clock_gettime(clock_used, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
own(const struct shape *s, enum lt_dtype t)
{
	struct lt_gemm g = {
		.m = s->m, .n = s->n, .k = s->k,
		.lda = s->ta ? s->m : s->k, .ldb = s->tb ? s->k : s->n,
		.ldc = s->n, .ta = s->ta, .tb = s->tb, .a = t, .b = t,
		.c = s->ta ? LT_F32 : t, /* gradients of weights are f32 */
	};

	lt_gemm(pool, &g, t == LT_F32 ? a32 : a16, t == LT_F32 ? b32 : b16, c,
	    NULL, ws);
}

static void
own_f32(const struct shape *s)
{
	own(s, LT_F32);
}

static void
own_bf16(const struct shape *s)
{
	own(s, LT_BF16);
}

static void
blas_f32(const struct shape *s)
{
	openblas(101, s->ta ? 112 : 111, s->tb ? 112 : 111, (int)s->m,
	    (int)s->n, (int)s->k, 1, a32, (int)(s->ta ? s->m : s->k), b32,
	    (int)(s->tb ? s->k : s->n), 0, c, (int)s->n);
}

static void
onednn_f32(const struct shape *s)
{
	onednn(s->ta ? 'T' : 'N', s->tb ? 'T' : 'N', s->m, s->n, s->k, 1, a32,
	    s->ta ? s->m : s->k, b32, s->tb ? s->k : s->n, 0, c, s->n);
}

#ifdef HAVE_DNNL
static struct {
	dnnl_primitive_t prim;
	dnnl_exec_arg_t arg[3];
	dnnl_stream_t stream;
	dnnl_engine_t engine;
	void *lib;
} dn;

#define DNNL(name) ((__typeof__(&name))dlsym(dn.lib, #name))

static void
describe(dnnl_memory_desc_t *d, uint32_t rows, uint32_t cols, bool t,
    dnnl_data_type_t type)
{
	dnnl_dims_t dims = { rows, cols };
	dnnl_dims_t by_row = { cols, 1 }, by_col = { 1, rows };

	DNNL(dnnl_memory_desc_init_by_strides)(d, 2, dims, type,
	    t ? by_col : by_row);
}

/* Builds the primitive of a shape; execution alone is timed. */
static bool
dnnl_make(const struct shape *s)
{
	dnnl_memory_desc_t a, b, r;
	dnnl_matmul_desc_t op;
	dnnl_primitive_desc_t pd;
	dnnl_memory_t mem[3];
	void *data[3] = { a16, b16, c };
	const dnnl_memory_desc_t *desc[3] = { &a, &b, &r };
	static const int slot[3] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS,
		DNNL_ARG_DST };

	describe(&a, s->m, s->k, s->ta, dnnl_bf16);
	describe(&b, s->k, s->n, s->tb, dnnl_bf16);
	describe(&r, s->m, s->n, false, s->ta ? dnnl_f32 : dnnl_bf16);
	if (DNNL(dnnl_matmul_desc_init)(&op, &a, &b, NULL, &r) ||
	    DNNL(dnnl_primitive_desc_create)(&pd, &op, NULL, dn.engine, NULL) ||
	    DNNL(dnnl_primitive_create)(&dn.prim, pd))
		return false;
	for (int i = 0; i < 3; i++) {
		DNNL(dnnl_memory_create)(&mem[i], desc[i], dn.engine, data[i]);
		dn.arg[i] = (dnnl_exec_arg_t){ slot[i], mem[i] };
	}
	return true;
}

static void
dnnl_bf16_run(const struct shape *s)
{
	(void)s;
	DNNL(dnnl_primitive_execute)(dn.prim, dn.stream, 3, dn.arg);
	DNNL(dnnl_stream_wait)(dn.stream);
}
#endif

struct side {
	const char *name;
	void (*run)(const struct shape *);
};

static int
by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

static double
once(const struct side *side, const struct shape *s, int times)
{
	double t = now();

	for (int i = 0; i < times; i++)
		side->run(s);
	return (now() - t) / times;
}

static void
compare(const struct side *side, int n, const struct shape *s, int rounds)
{
	double ms[4][MAX_ROUNDS], flop = 2.0 * s->m * s->n * s->k;
	int times[4];

	for (int i = 0; i < n; i++) {
		double t;

		side[i].run(s);
		t = once(&side[i], s, 1);
		times[i] = t > 0.02 ? 1 : (int)(0.02 / t) + 1;
	}
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++)
			ms[i][r] = once(&side[i], s, times[i]);
	printf("| %-20s| %ux%ux%u %c%c ", s->what, s->m, s->n, s->k,
	    s->ta ? 'T' : 'N', s->tb ? 'T' : 'N');
	for (int i = 0; i < n; i++) {
		qsort(ms[i], rounds, sizeof(double), by_value);
		printf("| %5.0f ", flop / ms[i][rounds / 2] / 1e9);
	}
	printf("|\n");
	fflush(stdout);
}

/* In large pages, as a trainer's. */
static void *
memory(size_t bytes)
{
	const size_t huge = (size_t)2 << 20;
	void *p = aligned_alloc(huge, (bytes + huge - 1) / huge * huge);

	if (p == NULL)
		exit(1);
	(void)madvise(p, (bytes + huge - 1) / huge * huge, MADV_HUGEPAGE);
	return p;
}

static void *
filled(size_t n, enum lt_dtype t)
{
	void *p = memory(n * lt_dtype_size(t));
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		float f;
		uint32_t u;

		x = x * 1664525u + 1013904223u;
		f = (float)((int)(x >> 9) % 2001 - 1000) * 1e-3f;
		memcpy(&u, &f, 4);
		if (t == LT_BF16)
			((uint16_t *)p)[i] = (uint16_t)(u >> 16);
		else
			((float *)p)[i] = f;
	}
	return p;
}

static size_t
largest_workspace(int threads)
{
	size_t most = 0;

	for (int i = 0; i < 2 * NSHAPES; i++) {
		const struct shape *s = &shapes[i / 2];
		enum lt_dtype t = i % 2 ? LT_BF16 : LT_F32;
		struct lt_gemm g = { .m = s->m, .n = s->n, .k = s->k,
			.ta = s->ta, .tb = s->tb, .a = t, .b = t,
			.c = s->ta ? LT_F32 : t };
		size_t w = lt_gemm_workspace(&g, threads);

		most = w > most ? w : most;
	}
	return most;
}

static void
open_libraries(void)
{
	void *h = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);

	if (h)
		openblas = (sgemm_fn *)dlsym(h, "cblas_sgemm");
	h = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
	if (h)
		onednn = (dnnl_sgemm_fn *)dlsym(h, "dnnl_sgemm");
#ifdef HAVE_DNNL
	dn.lib = h;
	if (h && (DNNL(dnnl_engine_create)(&dn.engine, dnnl_cpu, 0) ||
	    DNNL(dnnl_stream_create)(&dn.stream, dn.engine,
	        dnnl_stream_default_flags)))
		dn.lib = NULL;
#endif
}

static void
header(const struct side *side, int n)
{
	printf("\n| | m x n x k ");
	for (int i = 0; i < n; i++)
		printf("| %s ", side[i].name);
	printf("|\n|---|---");
	for (int i = 0; i < n; i++)
		printf("|---");
	printf("|\n");
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 7, n = 0;
	int threads = argc > 2 ? atoi(argv[2]) : lt_cpu_cores();
	const char *only = argc > 3 ? argv[3] : "";
	size_t most = (size_t)50257 * 768 + 64;
	struct side side[4];

	rounds = rounds < 1 || rounds > MAX_ROUNDS ? 7 : rounds;
	if (threads == 1) /* not disturbed by other processes */
		clock_used = CLOCK_PROCESS_CPUTIME_ID;
	open_libraries();
	pool = lt_pool_new(threads);
	a32 = filled(most, LT_F32);
	b32 = filled(most, LT_F32);
	a16 = filled(most, LT_BF16);
	b16 = filled(most, LT_BF16);
	c = filled(most, LT_F32);
	ws = memory(largest_workspace(threads));
	printf("%s, %d threads, GFLOP/s\n", lt_cpu_describe(), threads);
	side[n++] = (struct side){ "own f32", own_f32 };
	if (openblas)
		side[n++] = (struct side){ "OpenBLAS f32", blas_f32 };
	if (onednn)
		side[n++] = (struct side){ "oneDNN f32", onednn_f32 };
	header(side, n);
	for (int i = 0; i < NSHAPES; i++)
		if (strstr(shapes[i].what, only))
			compare(side, n, &shapes[i], rounds);
	side[0] = (struct side){ "own bf16", own_bf16 };
	n = 1;
#ifdef HAVE_DNNL
	if (dn.lib)
		side[n++] = (struct side){ "oneDNN bf16", dnnl_bf16_run };
#endif
	header(side, n);
	for (int i = 0; i < NSHAPES; i++) {
#ifdef HAVE_DNNL
		if (dn.lib && !dnnl_make(&shapes[i]))
			continue;
#endif
		if (strstr(shapes[i].what, only))
			compare(side, n, &shapes[i], rounds);
	}
	return 0;
}
