/*
 * Times the library's kernels on the first GPU: the C of a trainer for GPUs
 * (models/attn.lt) with another main.  bench/gpu/run compiles it.
 *
 *	kernels attn D HEADS KV TOKENS CAUSAL BATCH    ms forward, step, backward,
 *	                                               and of as much memory as
 *	                                               the pass over o and do has
 *	kernels copy BYTES                             ms of a copy on the device
 *	kernels rows PARAMETERS                        ms of AdamW and of rounding
 *
 * prints a line of JSON; medians of 20 launches after 5.
 */
#define main train_main
#include GENERATED
#undef main
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/gpu/device.h"

enum { WARMUP = 5, TIMED = 20 };

static struct lt rt = {.prog = &program, .ranks = 1, .step = 1, .lr = 1e-3};

static void *
room(uint64_t bytes)
{
	void *p;

	if (rt.gpu->device->alloc(rt.gpu, bytes, &p))
		exit(LT_EXIT_CONFIG);
	return p;
}

/* bf16 that are no numbers in particular: what tensor cores do with zeros takes
 * less power, and so less time. */
static void *
noise(uint64_t n)
{
	uint16_t *x = malloc(n * sizeof *x);
	uint32_t r = 1;
	void *p = room(n * sizeof *x);

	if (!x)
		exit(LT_EXIT_FAIL);
	for (uint64_t i = 0; i < n; i++) {
		r = r * 1664525 + 1013904223;
		x[i] = (uint16_t)(0x3c00 | (r >> 16 & 0x83ff));
	}
	rt.gpu->device->upload(rt.gpu, p, x, n * sizeof *x);
	free(x);
	return p;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int
order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Many calls between two looks at the clock hide what starting one takes. */
static double
median_ms(void (*call)(void))
{
	double ms[TIMED];
	int calls = 1;

	for (int i = 0; i < WARMUP; i++)
		call();
	rt.gpu->device->synchronize(rt.gpu);
	ms[0] = now();
	call();
	rt.gpu->device->synchronize(rt.gpu);
	while (calls < 64 && (now() - ms[0]) * calls < 5)
		calls *= 2;
	for (int i = 0; i < TIMED; i++) {
		double t = now();

		for (int j = 0; j < calls; j++)
			call();
		rt.gpu->device->synchronize(rt.gpu);
		ms[i] = (now() - t) / calls;
	}
	qsort(ms, TIMED, sizeof *ms, order);
	return (ms[TIMED / 2 - 1] + ms[TIMED / 2]) / 2;
}

/* ---- attention ---- */

static struct lt_attn at = {.type = LT_BF16};
static void *q, *k, *v, *o, *dout, *dq, *dk, *dv;
static float *acc, *z, *delta;

static void forward(void) { lt_gpu_attn_fwd(&rt, &at, q, k, v, o, z); }
static void step(void) { lt_gpu_attn_step(&rt, &at, q, k, v, acc, z); }
static void
backward(void)
{
	lt_gpu_attn_bwd(&rt, &at, dout, q, k, v, z, delta, dq, dk, dv);
}

/* What comes before backward, delta = sum of o do, is a fused kernel of the
 * trainer and not of the library: a copy moves as many bytes. */
static uint64_t o_bytes;
static void before_backward(void) { lt_gpu_copy(&rt, dq, o, o_bytes); }

static void
attention(char **a)
{
	uint64_t rows, heads = (uint64_t)atoi(a[1]), kv = (uint64_t)atoi(a[2]);
	double forward_ms, step_ms, delta_ms;

	at.d = (uint32_t)atoi(a[0]);
	at.k = (uint32_t)kv;
	at.g = (uint32_t)(heads / kv);
	at.sq = at.sk = (uint32_t)atoi(a[3]);
	at.causal = atoi(a[4]) != 0;
	at.b = (uint32_t)atoi(a[5]);
	at.scale = (float)(1 / sqrt((double)at.d));
	rows = (uint64_t)at.b * at.sq;
	q = noise(rows * heads * at.d);
	dout = noise(rows * heads * at.d);
	k = noise(rows * kv * at.d);
	v = noise(rows * kv * at.d);
	o_bytes = rows * heads * at.d * 2;
	o = room(o_bytes);
	dq = room(rows * heads * at.d * 2);
	dk = room(rows * kv * at.d * 2);
	dv = room(rows * kv * at.d * 2);
	acc = room(rows * heads * at.d * 4);
	z = room(rows * heads * 4);
	delta = room(rows * heads * 4);
	forward_ms = median_ms(forward);
	step_ms = median_ms(step);
	delta_ms = median_ms(before_backward);
	printf("{\"forward_ms\": %.5f, \"step_ms\": %.5f, \"delta_ms\": %.5f, "
	    "\"backward_ms\": %.5f}\n", forward_ms, step_ms, delta_ms,
	    median_ms(backward));
}

/* ---- what memory limits ---- */

static uint64_t count;
static void *from, *to;
static float *w, *g, *m1, *m2;

static void copy(void) { lt_gpu_copy(&rt, to, from, count); }
static void adamw(void)
{
	lt_gpu_adamw(&rt, count, w, g, m1, m2, to, NULL, true);
}
static void rounding(void) { lt_gpu_round(&rt, count, w, to); }

static void
copies(char **a)
{
	count = (uint64_t)strtoull(a[0], NULL, 10);
	from = room(count);
	to = room(count);
	printf("{\"copy_ms\": %.5f}\n", median_ms(copy));
}

static void
rows(char **a)
{
	double adamw_ms;

	count = (uint64_t)strtoull(a[0], NULL, 10);
	w = room(count * 4);
	g = room(count * 4);
	m1 = room(count * 4);
	m2 = room(count * 4);
	to = room(count * 2);
	adamw_ms = median_ms(adamw);
	printf("{\"adamw_ms\": %.5f, \"round_ms\": %.5f}\n", adamw_ms,
	    median_ms(rounding));
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int nargs;
		void (*run)(char **);
	} what[] = {{"attn", 6, attention}, {"copy", 1, copies},
	    {"rows", 1, rows}};
	int rc = lt_gpu_open(&rt);

	if (rc)
		return rc;
	rt.arena[LT_WORK] = room(UINT64_C(256) << 20);
	lt_gpu_begin(&rt);
	for (size_t i = 0; i < sizeof what / sizeof *what; i++)
		if (argc == 2 + what[i].nargs &&
		    strcmp(argv[1], what[i].name) == 0) {
			what[i].run(argv + 2);
			lt_gpu_close(&rt);
			return 0;
		}
	fprintf(stderr, "usage: see bench/gpu/kernels.c\n");
	return LT_EXIT_USAGE;
}
