/*
 * What generated programs call on a GPU against what they call on a CPU: the
 * same numbers from the library kernels in the emulator.  Copies, casts and
 * sums in a given order agree bit by bit; others within the roundings that a
 * different order makes, n 2^-24 of the sum of magnitudes for n terms in f32.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/act.h"
#include "runtime/cpu/fp8.h"
#include "runtime/cpu/pool.h"
#include "runtime/cpu/rows.h"
#include "runtime/gpu/host.h"
#include "runtime/gpu/nest.h"
#include "tests/gpu/kernels.h"

enum { ROOM = 40 << 20, WORK = 33 << 20, RANKS = 1000 };

/* A CPU rank and a GPU rank of the same program. */
static struct lt_program prog;
static const struct lt_move move = {.name = "sums", .lane = 3};
static struct lt cpu, gpu;
static char *room;
static size_t used;
static uint64_t state;

static void
setup(void)
{
	void *p;

	prog = (struct lt_program){.recipe = {.beta1 = 0.9, .beta2 = 0.95,
	    .eps = 1e-8, .wd = 0.1}};
	kernels_program(&prog);
	prog.move = &move;
	prog.nmove = 1;
	cpu = (struct lt){.prog = &prog, .step = 3, .lr = 0.01,
	    .pool = lt_pool_new(1)};
	gpu = cpu;
	gpu.ranks = RANKS;
	ck_assert_int_eq(lt_gpu_open(&gpu), LT_OK);
	ck_assert_int_eq(gpu.gpu->device->alloc(gpu.gpu, ROOM, &p), LT_OK);
	room = p;
	gpu.arena[LT_WORK] = room;
	used = WORK;
	lt_gpu_begin(&gpu);
	cpu.arena[LT_WORK] = aligned_alloc(64, ROOM);
	state = 1;
}

static void
teardown(void)
{
	gpu.gpu->device->free(gpu.gpu, room);
	lt_gpu_close(&gpu);
	free(cpu.arena[LT_WORK]);
	lt_pool_free(cpu.pool);
}

static uint32_t
roll(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static float
value(void)
{
	return (float)((int)roll(20001) - 10000) / 7000.f;
}

/* n bytes of the device that hold what is at x, or anything. */
static void *
on_device(const void *x, size_t n)
{
	void *to = room + used;

	used += (n + 255) / 256 * 256;
	ck_assert_uint_le(used, ROOM);
	if (x)
		lt_write(&gpu, to, x, n);
	return to;
}

static float *
floats(size_t n)
{
	float *x = malloc((n + 1) * sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = value();
	return x;
}

static uint16_t *
halves(size_t n)
{
	uint16_t *x = malloc((n + 1) * sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = lt_to_bf16(value());
	return x;
}

static int32_t *
indices(size_t n, uint32_t below)
{
	int32_t *x = malloc((n + 1) * sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = (int32_t)roll(below);
	return x;
}

/* The device has the same bytes. */
static void
same(const void *x, const void *want, size_t n)
{
	void *got = malloc(n + 1);

	lt_read(&gpu, got, x, n);
	ck_assert_mem_eq(got, want, n);
	free(got);
}

static void
near(const float *x, const float *want, size_t n, double error)
{
	float *got = malloc((n + 1) * sizeof *got);

	lt_read(&gpu, got, x, n * sizeof *got);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= error,
		    "element %zu: %.9g, not %.9g", i, (double)got[i],
		    (double)want[i]);
	free(got);
}

/* Of numbers that were apart by `error` before they were rounded to bf16. */
static void
near_halves(const uint16_t *x, const uint16_t *want, size_t n, double error)
{
	uint16_t *got = malloc((n + 1) * sizeof *got);

	lt_read(&gpu, got, x, n * sizeof *got);
	for (size_t i = 0; i < n; i++) {
		double a = (double)lt_from_bf16(got[i]);
		double b = (double)lt_from_bf16(want[i]);

		ck_assert_msg(fabs(a - b) <= error + fabs(b) * 0x1p-7,
		    "element %zu: %.9g, not %.9g", i, a, b);
	}
	free(got);
}

/* ---- memory ---- */

START_TEST(rows_are_copied_and_added)
{
	static const int size[][3] = {{3, 32, 48}, {7, 10, 14}, {5, 6, 6},
	    {1, 64, 64}};
	int rows = size[_i][0], n = size[_i][1], stride = size[_i][2];
	float *x = floats((size_t)(rows * stride));
	float *y = floats((size_t)(rows * n));
	float *dx = on_device(x, (size_t)(rows * stride) * 4);
	float *dy = on_device(y, (size_t)(rows * n) * 4);

	lt_gpu_copy_rows(&gpu, dy, (uint64_t)n * 4, dx + 1,
	    (uint64_t)stride * 4, (uint64_t)(n - 1) * 4, (uint64_t)rows);
	for (int i = 0; i < rows; i++)
		memcpy(y + i * n, x + i * stride + 1, (size_t)(n - 1) * 4);
	same(dy, y, (size_t)(rows * n) * 4);
	lt_gpu_add_rows(&gpu, dx, (uint64_t)stride, dy, (uint64_t)n,
	    (uint64_t)n, (uint64_t)rows);
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < n; j++)
			x[i * stride + j] += y[i * n + j];
	same(dx, x, (size_t)(rows * stride) * 4);
	lt_gpu_copy(&gpu, dy, dx, (size_t)n * 4);
	same(dy, x, (size_t)n * 4);
	lt_gpu_set(&gpu, dy, -2.5f, (uint64_t)n);
	lt_gpu_set(&gpu, dx, 0, (uint64_t)n);
	for (int i = 0; i < n; i++) {
		y[i] = -2.5f;
		x[i] = 0;
	}
	same(dy, y, (size_t)n * 4);
	same(dx, x, (size_t)(rows * stride) * 4);
	free(x);
	free(y);
}
END_TEST

/* Sums, and the largest, of as many arrays as a plan may have ranks; one of them
 * is where the sum goes. */
START_TEST(sums_of_arrays)
{
	static const int counts[] = {2, 64, 65, 128, RANKS};
	int count = counts[_i % 5], len = _i / 5 % 2 ? 7 : 12;
	bool max = _i >= 10;
	enum { ROWS = 3, STRIDE = 16 };
	struct lt_nest nest = {.rank = 1, .n = {ROWS}, .src = {STRIDE},
	    .dst = {STRIDE}, .rows = ROWS, .len = (uint64_t)len};
	struct lt_source from[RANKS], to[RANKS];
	size_t each = ROWS * STRIDE;
	float *x = floats(each * (size_t)count);
	float *dx;

	for (size_t i = 0; max && i < each * (size_t)count; i++)
		x[i] = i % 501 ? fabsf(x[i]) : NAN;
	dx = on_device(x, each * (size_t)count * 4);
	for (int i = 0; i < count; i++) {
		int packed = i % 3 == 1;

		from[i] = (struct lt_source){(char *)(x + each * (size_t)i),
		    packed};
		to[i] = (struct lt_source){(char *)(dx + each * (size_t)i),
		    packed};
	}
	for (int i = count - 2; i >= 0; i -= count / 2) { /* twice: the table */
		float *y = x + each * (size_t)(i - i % 3);
		float *dy = dx + each * (size_t)(i - i % 3);

		(max ? lt_nest_max : lt_nest_sum)(cpu.pool, &nest, y, count,
		    from);
		lt_gpu_nest_sum(&gpu, lt_stream_of(move.lane), &nest, dy,
		    count, to, max ? LT_NEST_MAX : LT_NEST_SUM);
	}
	gpu.gpu->device->synchronize(gpu.gpu);
	same(dx, x, each * (size_t)count * 4);
	free(x);
}
END_TEST


/* LT_HOST of so many bytes. */
static void *
host_memory(size_t bytes)
{
	const struct lt_device *d = gpu.gpu->device;
	void *host = NULL;

	if (d->alloc_host)
		ck_assert_int_eq(d->alloc_host(gpu.gpu, bytes, &host), LT_OK);
	else
		host = calloc(1, bytes);
	prog.arena[LT_HOST] = bytes;
	gpu.arena[LT_HOST] = host;
	return host;
}

static void
free_host(void *host)
{
	const struct lt_device *d = gpu.gpu->device;

	if (d->free_host)
		d->free_host(gpu.gpu, host);
	else
		free(host);
}

/* What is on its way to the host is what was there when it set out; nothing
 * goes ahead of what computes, nor stays behind what is finished. */
START_TEST(the_host_keeps_values)
{
	size_t n = 5000, bytes = n * sizeof(float);
	float *x = floats(n), *y = floats(n);
	float *dx = on_device(x, bytes), *dy = on_device(NULL, bytes);
	void *host = host_memory(2 * bytes);
	lt_token t[2];

	lt_gpu_copy(&gpu, dy, dx, bytes);
	t[0] = lt_gpu_host_start(&gpu, host, dy, bytes);
	lt_finish(&gpu, t[0]);
	lt_gpu_set(&gpu, dy, 3, n);
	t[0] = lt_gpu_host_start(&gpu, (char *)host + bytes, dy, bytes);
	lt_gpu_set(&gpu, dx, 0, n);
	t[1] = lt_gpu_host_start(&gpu, dx, host, bytes);
	lt_finish(&gpu, t[0]);
	lt_gpu_set(&gpu, dy, 4, n);
	lt_finish(&gpu, t[1]);
	lt_gpu_copy(&gpu, dy, dx, bytes);
	same(dy, x, bytes);
	t[0] = lt_gpu_host_start(&gpu, dy, (char *)host + bytes, bytes);
	lt_finish(&gpu, t[0]);
	for (size_t i = 0; i < n; i++)
		y[i] = 3;
	same(dy, y, bytes);
	free_host(host);
	free(x);
	free(y);
}
END_TEST

/* The device, and what it is asked of events. */
static struct {
	const struct lt_device *inner;
	struct lt_device device;
	struct lt_event *last, *waited; /* last: recorded behind a copy */
	int events, waits;              /* made; of what computes */
} spy;

static struct lt_event *
spy_event(struct lt_gpu *g)
{
	spy.events++;
	return spy.inner->event(g);
}

static void
spy_record(struct lt_gpu *g, struct lt_event *e, enum lt_stream s)
{
	spy.last = s == LT_COMPUTE ? spy.last : e;
	spy.inner->record(g, e, s);
}

static void
spy_wait(struct lt_gpu *g, enum lt_stream s, struct lt_event *e)
{
	spy.waits += s == LT_COMPUTE;
	spy.waited = s == LT_COMPUTE ? e : spy.waited;
	spy.inner->wait(g, s, e);
}

static void
spy_on(struct lt_gpu *g)
{
	memset(&spy, 0, sizeof spy);
	spy.inner = g->device;
	spy.device = *g->device;
	spy.device.event = spy_event;
	spy.device.record = spy_record;
	spy.device.wait = spy_wait;
	g->device = &spy.device;
}

/* A copy has an event to itself, there since the device was opened: whoever
 * finishes it waits for nothing else, in whatever order and with as many under
 * way as may be.  One more, and the first ends. */
START_TEST(copies_are_waited_for_one_by_one)
{
	enum { N = LT_COPIES_MAX, MORE = 6 };
	struct lt_event *of[N + MORE];
	lt_token t[N + MORE];
	const size_t each = 64;
	char *x = on_device(NULL, (N + MORE) * each), want[64];
	char *host = host_memory((N + MORE) * each);

	memset(want, 7, sizeof want);
	for (int i = 0; i < N + MORE; i++)
		lt_write(&gpu, x + (size_t)i * each, want, each);
	spy_on(gpu.gpu);
	for (int i = 0; i < N + MORE; i++) {
		size_t at = (size_t)i * each;
		bool out = i % 3 != 0;

		t[i] = lt_gpu_host_start(&gpu, (out ? host : x) + at,
		    (out ? x : host) + at, each);
		of[i] = spy.last;
		ck_assert_int_eq(spy.waits, i < N ? 0 : i - N + 1);
		if (i >= N)
			ck_assert_ptr_eq(spy.waited, of[i - N]);
	}
	for (int i = 0; i < N; i++)
		for (int k = i + 1; k < N; k++)
			ck_assert_ptr_ne(of[i], of[k]);
	for (int i = 0; i < N + MORE; i++) {
		int k = (N + MORE - 1 - i) / 2 + i % 2 * ((N + MORE) / 2);

		spy.waited = NULL;
		lt_finish(&gpu, t[k]);
		ck_assert_ptr_eq(spy.waited, k < MORE ? NULL : of[k]);
	}
	ck_assert_int_eq(spy.waits, N + MORE);
	ck_assert_int_eq(spy.events, 0);
	ck_assert_uint_eq(gpu.gpu->copying, 0);
	gpu.gpu->device = spy.inner;
	gpu.gpu->device->synchronize(gpu.gpu);
	for (size_t i = 0; i < N + MORE; i++)
		ck_assert_int_eq(host[i * each], i % 3 ? 7 : 0);
	free_host(host);
}
END_TEST

/* ---- rows ---- */

START_TEST(tables_are_read_and_added_to)
{
	static const int width[] = {16, 24, 5, 1030};
	size_t w = (size_t)width[_i], n = 37, rows = 19;
	bool half = _i % 2;
	void *table = half ? (void *)halves(rows * w) :
	    (void *)floats(rows * w);
	size_t size = half ? 2 : 4;
	int32_t *index = indices(n, (uint32_t)rows);
	char *out = malloc(n * w * size);
	float *grad = floats(rows * w);
	void *dtable = on_device(table, rows * w * size);
	int32_t *dindex = on_device(index, n * 4);
	void *dout = on_device(NULL, n * w * size);
	float *dgrad = on_device(grad, rows * w * 4);
	enum lt_dtype t = half ? LT_BF16 : LT_F32;

	lt_embed(cpu.pool, n, w * size, table, index, out);
	lt_gpu_embed(&gpu, n, w * size, dtable, dindex, dout);
	same(dout, out, n * w * size);
	lt_embed_bwd(cpu.pool, n, rows, w, t, out, index, grad);
	lt_gpu_embed_bwd(&gpu, n, rows, w, t, dout, dindex, dgrad);
	same(dgrad, grad, rows * w * 4);
	free(table);
	free(index);
	free(out);
	free(grad);
}
END_TEST

START_TEST(positions_and_angles)
{
	static const struct lt_runs runs = {2, {{8, 4}, {1048576, 12}}};
	int32_t x[16];
	float table[16 * 8];
	int32_t *dx = on_device(NULL, sizeof x);
	float *dt = on_device(NULL, sizeof table);

	lt_iota(x, &runs);
	lt_gpu_iota(&gpu, dx, &runs);
	same(dx, x, sizeof x);
	lt_rope_table(table, &runs, 8, 10000);
	lt_gpu_rope_table(&gpu, dt, &runs, 8, 10000);
	near(dt, table, 16 * 8, 0x1p-23);
}
END_TEST

START_TEST(elements_and_columns)
{
	size_t n = 3001, blocks = 7, cols = 130, stride = 133;
	float *x = floats(n), *y = floats(n), *sum = floats(cols);
	uint16_t *half = halves(n);
	float *dx = on_device(x, n * 4), *dy = on_device(y, n * 4);
	float *dsum = on_device(sum, cols * 4);
	uint16_t *dh = on_device(half, n * 2);

	for (int add = 0; add < 2; add++) {
		lt_accum(cpu.pool, n, LT_BF16, half, y, add);
		lt_gpu_accum(&gpu, n, LT_BF16, dh, dy, add);
		same(dy, y, n * 4);
		lt_accum(cpu.pool, n, LT_F32, x, y, add);
		lt_gpu_accum(&gpu, n, LT_F32, dx, dy, add);
		same(dy, y, n * 4);
		lt_colsum(cpu.pool, x, blocks, stride, cols, sum, add);
		lt_gpu_colsum(&gpu, dx, blocks, stride, cols, dsum, add);
		near(dsum, sum, cols, 8 * 12 * 0x1p-24);
	}
	lt_round(cpu.pool, n, x, half);
	lt_gpu_round(&gpu, n, dx, dh);
	same(dh, half, n * 2);
	free(x);
	free(y);
	free(sum);
	free(half);
}
END_TEST

/* ---- numbers ---- */

START_TEST(single_numbers)
{
	size_t n = 5000;
	float *x = floats(n), want[4] = {0, 0, 1, 0}, *out;
	int32_t *lab = indices(n, 9);
	float *dx = on_device(x, n * 4);
	int32_t *dl = on_device(lab, n * 4);
	struct lt_gpu_array all[] = {{dx, 100}, {dx + 7, n - 7}, {dx, 0}};
	double squares = lt_sumsq(&cpu, 100, x) + lt_sumsq(&cpu, n - 7, x + 7);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i];
	out = on_device(want, sizeof want);
	want[1] = lt_count(n, lab, 4);
	lt_gpu_count(&gpu, n, dl, 4, out + 1);
	lt_gpu_recip(&gpu, out + 1, out + 2);
	lt_gpu_recip(&gpu, out, out + 3);
	want[2] = 1 / want[1];
	same(out, want, sizeof want);
	lt_gpu_clip(&gpu, out + 1, 2, out + 2);
	lt_gpu_clip(&gpu, out + 2, 2, out + 3);
	want[2] = 2 / want[1];
	want[3] = 1;
	same(out, want, sizeof want);
	ck_assert_uint_le(lt_gpu_sumsq_workspace(3), WORK);
	lt_gpu_sumsq(&gpu, 3, all, out);
	want[0] = (float)squares;
	near(out, want, 1, squares * 0x1p-22);
	want[0] = (float)sum;
	lt_gpu_sum(&gpu, n, dx, out);
	near(out, want, 1, (double)n * 1.5 * 0x1p-24);
	free(x);
	free(lab);
}
END_TEST

/* The largest magnitude wherever it is, and NaN above all. */
START_TEST(largest_magnitude)
{
	static const uint64_t sizes[] = {1, 2, 255, 5001, 300000};
	uint64_t n = sizes[_i];
	uint16_t *x = calloc(n, sizeof *x), *dx;
	uint64_t where[] = {0, n / 2, n - 1};
	float want, *out = on_device(&(float){0}, sizeof(float));

	for (uint64_t i = 0; i < n; i++)
		x[i] = (uint16_t)(i * 40503 % 0x3f80 | (i & 1) << 15);
	ck_assert_uint_le(lt_gpu_amax_workspace(), WORK);
	for (int i = 0; i < 6; i++) {
		x[where[i % 3]] = i < 3 ? 0xbf81 : 0xffc0; /* -1.0078, NaN */
		dx = on_device(x, n * sizeof *x);
		lt_amax(cpu.pool, n, x, &want);
		ck_assert(i < 3 ? want == 1.0078125f : isnan(want));
		lt_gpu_amax(&gpu, n, dx, out);
		same(out, &want, sizeof want);
		x[where[i % 3]] = 0;
	}
	free(x);
}
END_TEST

START_TEST(a_step_that_is_not_finite)
{
	float x[3] = {2, 3, NAN}, *dx = on_device(x, sizeof x);

	lt_gpu_check(&gpu, dx, dx + 1);
	lt_gpu_return(&gpu, dx, dx + 1);
	ck_assert(!gpu.skipped);
	ck_assert(gpu.loss == 2 && gpu.gnorm == 3);
	lt_gpu_check(&gpu, dx, dx + 2);
	lt_gpu_return(&gpu, dx, dx + 2);
	ck_assert(gpu.skipped);
	lt_gpu_begin(&gpu);
	lt_gpu_check(&gpu, dx, NULL);
	lt_gpu_return(&gpu, dx, dx + 1);
	ck_assert(!gpu.skipped);
	gpu.eval_nll = gpu.eval_count = 1;
	lt_gpu_eval_return(&gpu, dx, dx + 1);
	ck_assert(gpu.eval_nll == 3 && gpu.eval_count == 4);
}
END_TEST

/* ---- updates: f32 of the same operations, one rounding each ---- */

struct moments {
	size_t n;
	float *w, *g, *m, *v, *dw, *dg, *dm, *dv;
};

static struct moments
moments(size_t n)
{
	struct moments x = {.n = n, .w = floats(n), .g = floats(n),
	    .m = floats(n), .v = floats(n)};

	for (size_t i = 0; i < n; i++)
		x.v[i] = fabsf(x.v[i]);
	x.dw = on_device(x.w, n * 4);
	x.dg = on_device(x.g, n * 4);
	x.dm = on_device(x.m, n * 4);
	x.dv = on_device(x.v, n * 4);
	return x;
}

static void
same_moments(struct moments *x)
{
	near(x->dw, x->w, x->n, 1.5 * 0x1p-22);
	near(x->dm, x->m, x->n, 1.5 * 0x1p-23);
	near(x->dv, x->v, x->n, 2.5 * 0x1p-23);
	free(x->w);
	free(x->g);
	free(x->m);
	free(x->v);
}

START_TEST(weights_are_updated)
{
	struct moments x = moments(1111);
	float clip = 0.5f, *dclip = on_device(&clip, 4);
	uint16_t *half = halves(x.n), *dhalf = on_device(half, x.n * 2);

	lt_adamw(&cpu, x.n, x.w, x.g, x.m, x.v, half, clip, true);
	lt_gpu_adamw(&gpu, x.n, x.dw, x.dg, x.dm, x.dv, dhalf, dclip, true);
	lt_round(cpu.pool, x.n, x.w, half);
	lt_adamw(&cpu, x.n, x.w, x.g, x.m, x.v, half, 1, false);
	lt_gpu_adamw(&gpu, x.n, x.dw, x.dg, x.dm, x.dv, dhalf, NULL, false);
	same_moments(&x);
	free(half);
}
END_TEST

START_TEST(blocks_of_images_are_updated)
{
	static const struct lt_range decay[] = {{16, 48}, {80, 96}};
	struct lt_flat f = {.name = "W", .layers = 3, .image = 96, .n = 1};
	struct moments x = moments(3 * 48);

	prog.naxis = 1;
	prog.axis_size[0] = 2;
	cpu.coord[0] = gpu.coord[0] = 1;
	lt_adamw_blocks(&cpu, &f, decay, 2, x.w, x.g, x.m, x.v, 1);
	lt_gpu_adamw_blocks(&gpu, &f, decay, 2, x.dw, x.dg, x.dm, x.dv, NULL);
	same_moments(&x);
}
END_TEST

START_TEST(a_bad_step_updates_nothing)
{
	struct moments x = moments(100);
	float bad = INFINITY, *dbad = on_device(&bad, 4);

	lt_gpu_check(&gpu, dbad, NULL);
	lt_gpu_adamw(&gpu, x.n, x.dw, x.dg, x.dm, x.dv, NULL, NULL, true);
	same(x.dw, x.w, x.n * 4);
	same_moments(&x);
}
END_TEST

/* ---- products: sums of k terms of magnitude up to 1.5 * 1.5 ---- */

START_TEST(products)
{
	static const struct {
		uint32_t m, n, k;
		bool half, ta, tb, acc, epilogue;
	} t[] = {{70, 40, 96, true, 0, 0, 0, 0}, {64, 72, 40, true, 0, 1, 1, 0},
	    {24, 64, 80, true, 1, 0, 1, 0}, {64, 64, 64, true, 1, 1, 0, 1},
	    {33, 7, 21, true, 0, 0, 0, 1}, {33, 7, 21, false, 1, 0, 1, 0},
	    {5, 70, 64, false, 0, 1, 0, 1}};
	uint32_t m = t[_i].m, n = t[_i].n, k = t[_i].k;
	enum lt_dtype type = t[_i].half ? LT_BF16 : LT_F32;
	size_t size = t[_i].half ? 2 : 4, e = (size_t)m * n;
	struct lt_gemm g = {m, n, k, t[_i].ta ? m : k, t[_i].tb ? k : n, n,
	    t[_i].ta, t[_i].tb, t[_i].acc, type, type, LT_F32};
	void *a = t[_i].half ? (void *)halves(m * k) : (void *)floats(m * k);
	void *b = t[_i].half ? (void *)halves(n * k) : (void *)floats(n * k);
	float *c = floats(e), *bias = floats(n), *resid = floats(e);
	struct lt_gemm_epilogue x = {bias, LT_F32, resid, LT_F32, n};
	float *dc = on_device(c, e * 4);
	void *da = on_device(a, m * k * size), *db = on_device(b,
	    n * k * size);
	struct lt_gemm_epilogue dx = {on_device(bias, n * 4), LT_F32,
	    on_device(resid, e * 4), LT_F32, n};

	ck_assert_uint_le(lt_gemm_workspace(&g, 1), ROOM);
	lt_gemm(cpu.pool, &g, a, b, c, t[_i].epilogue ? &x : NULL,
	    cpu.arena[LT_WORK]);
	lt_gpu_gemm(&gpu, &g, da, db, dc, t[_i].epilogue ? &dx : NULL);
	near(dc, c, e, (k + 3) * (k * 2.25 + 4.5) * 0x1p-24);
	free(a);
	free(b);
	free(c);
	free(bias);
	free(resid);
}
END_TEST

/* What x becomes in fp8, on both sides: rows times cols, or the other way. */
static void
rounded(enum lt_dtype t, uint32_t rows, uint32_t cols, bool turned,
    uint8_t *code, float *scale, uint8_t **dcode, float **dscale)
{
	uint16_t *x = halves(rows * cols);
	size_t n = (size_t)rows * cols;
	float top;

	lt_amax(cpu.pool, n, x, &top);
	*scale = t == LT_E4M3 ? lt_e4m3_scale(top) : lt_e5m2_scale(top);
	*dscale = on_device(scale, sizeof *scale);
	*dcode = on_device(NULL, n);
	lt_fp8_round(cpu.pool, t, rows, cols, x, scale, turned ? NULL : code,
	    turned ? code : NULL);
	lt_gpu_fp8_round(&gpu, t, rows, cols, on_device(x, 2 * n), *dscale,
	    turned ? NULL : *dcode, turned ? *dcode : NULL);
	same(*dcode, code, n);
	free(x);
}

/* In fp8: by tensor cores where these can, and in bf16 where not. */
START_TEST(products_of_fp8)
{
	static const struct {
		uint32_t m, n, k;
		enum lt_dtype a, b, c;
		bool ta, tb, acc, resid;
	} t[] = {{40, 48, 96, LT_E4M3, LT_E4M3, LT_F32, 0, 1, 0, 0},
	    {16, 64, 32, LT_E5M2, LT_E4M3, LT_F32, 0, 1, 1, 0},
	    {48, 16, 80, LT_E4M3, LT_E5M2, LT_BF16, 0, 1, 0, 1},
	    {33, 7, 21, LT_E4M3, LT_E5M2, LT_F32, 0, 1, 1, 0},
	    {32, 48, 64, LT_E5M2, LT_E4M3, LT_F32, 1, 0, 0, 0},
	    {32, 48, 64, LT_E4M3, LT_E4M3, LT_F32, 0, 0, 1, 0}};
	uint32_t m = t[_i].m, n = t[_i].n, k = t[_i].k;
	bool half = t[_i].c == LT_BF16;
	size_t e = (size_t)m * n, size = half ? 2 : 4;
	struct lt_gemm g = {m, n, k, t[_i].ta ? m : k, t[_i].tb ? k : n, n,
	    t[_i].ta, t[_i].tb, t[_i].acc, t[_i].a, t[_i].b, t[_i].c};
	uint8_t *a = malloc((size_t)m * k), *b = malloc((size_t)n * k);
	uint8_t *da, *db;
	void *c = half ? (void *)halves(m * n) : (void *)floats(e);
	void *dc = on_device(c, e * size);
	float sa, sb, *dsa, *dsb;
	double error = (k + 3) * (k * 2.25 + 4.5) * 0x1p-24;

	rounded(t[_i].a, m, k, t[_i].ta, a, &sa, &da, &dsa);
	rounded(t[_i].b, k, n, t[_i].tb, b, &sb, &db, &dsb);
	ck_assert_uint_le(lt_gemm_workspace(&g, 1), ROOM);
	ck_assert_uint_le(lt_gpu_gemm_workspace(&g, 1), WORK);
	lt_gemm(cpu.pool, &g, a, b, c, &(struct lt_gemm_epilogue){
	    .resid = t[_i].resid ? c : NULL, .resid_type = t[_i].c, .ldr = n,
	    .scale_a = &sa, .scale_b = &sb}, cpu.arena[LT_WORK]);
	lt_gpu_gemm(&gpu, &g, da, db, dc, &(struct lt_gemm_epilogue){
	    .resid = t[_i].resid ? dc : NULL, .resid_type = t[_i].c,
	    .ldr = n, .scale_a = dsa, .scale_b = dsb});
	if (half)
		near_halves(dc, c, e, error);
	else
		near(dc, c, e, error);
	free(a);
	free(b);
	free(c);
}
END_TEST

static int products_noted;
static struct gemm_args noted[8];

static void
note_product(struct lt_gpu *g, enum lt_stream s, int kernel,
    const unsigned grid[3], const void *args)
{
	(void)s;
	(void)grid;
	if (strcmp(g->rt->prog->kernel[kernel].name, "fp8_widen") != 0 &&
	    products_noted < 8)
		memcpy(&noted[products_noted++], args, sizeof *noted);
}

/* Operands that are too large to be widened at once: C in 2 x 2 pieces. */
START_TEST(products_of_fp8_in_pieces)
{
	struct lt_gemm g = {20, 24, 2 << 20, 2 << 20, 2 << 20, 24, false, true,
	    false, LT_E4M3, LT_E5M2, LT_F32};
	const struct lt_device *real = gpu.gpu->device;
	struct lt_device noting = *real;
	char *c = room, *work = room + (32 << 20);
	struct lt_gemm_epilogue e = {.scale_a = (float *)room,
	    .scale_b = (float *)room};

	products_noted = 0;
	noting.launch = note_product;
	noting.gemm = NULL;
	gpu.gpu->device = &noting;
	ck_assert_uint_eq(lt_gpu_gemm_workspace(&g, 1), UINT64_C(160) << 20);
	lt_gpu_gemm(&gpu, &g, room, room, c, &e);
	gpu.gpu->device = real;
	ck_assert_int_eq(products_noted, 4);
	for (int i = 0; i < 4; i++) {
		int m0 = i % 2 * 16, n0 = i / 2 * 16;

		ck_assert_int_eq(noted[i].m, i % 2 ? 4 : 16);
		ck_assert_int_eq(noted[i].n, i / 2 ? 8 : 16);
		ck_assert_ptr_eq(noted[i].c, (float *)(void *)c + m0 * 24 +
		    n0);
		ck_assert_ptr_eq(noted[i].a, work);
		ck_assert_ptr_eq(noted[i].b, work + (64 << 20));
	}
}
END_TEST

static unsigned grid_of[3];

static void
note_grid(struct lt_gpu *g, enum lt_stream s, int kernel,
    const unsigned grid[3], const void *args)
{
	(void)g;
	(void)s;
	(void)kernel;
	(void)args;
	memcpy(grid_of, grid, sizeof grid_of);
}

/* More tiles of rows than a grid is high. */
START_TEST(a_very_high_product)
{
	struct lt_gemm g = {65536 * 64 + 1, 65, 1, 1, 65, 65, false, false,
	    false, LT_F32, LT_F32, LT_F32};
	const struct lt_device *real = gpu.gpu->device;
	struct lt_device noting = *real;
	float x = 0;

	noting.launch = note_grid;
	noting.gemm = NULL;
	gpu.gpu->device = &noting;
	lt_gpu_gemm(&gpu, &g, &x, &x, &x, NULL);
	gpu.gpu->device = real;
	ck_assert_uint_eq(grid_of[0], 65537 * 2);
	ck_assert_uint_eq(grid_of[1], 1);
	ck_assert_uint_eq(grid_of[2], 1);
}
END_TEST

/* Slopes of bf16 are rounded at 2^-9 of at most dn. */
START_TEST(the_loss_head)
{
	bool half = _i & 1, rows_are_width = _i & 2;
	struct lt_head p = {.tokens = 45, .width = 32, .vocab = 72,
	    .chunk = 20, .ignore = 3, .rows_are_width = rows_are_width,
	    .type = half ? LT_BF16 : LT_F32, .w = half ? LT_BF16 : LT_F32};
	size_t nh = p.tokens * p.width, nw = p.width * p.vocab;
	size_t size = half ? 2 : 4, ns = p.chunk * (p.vocab + 1);
	void *h = half ? (void *)halves(nh) : (void *)floats(nh);
	void *w = half ? (void *)halves(nw) : (void *)floats(nw);
	char *dh = malloc(nh * size);
	float *dw = floats(nw), *scratch = floats(ns), nll, dn = 0.25f;
	int32_t *lab = indices(p.tokens, 72);
	void *xh = on_device(h, nh * size), *xw = on_device(w, nw * size);
	void *xdh = on_device(NULL, nh * size);
	float *xdw = on_device(dw, nw * 4), *xn = on_device(NULL, 4);
	float *xs = on_device(NULL, ns * 4), *xdn = on_device(&dn, 4);
	int32_t *xl = on_device(lab, p.tokens * 4);
	double error = half ? 0x1p-8 : 0x1p-18;
	char *got = malloc(nh * size);

	lab[7] = 3;
	lt_write(&gpu, xl, lab, p.tokens * 4);
	ck_assert_uint_le(lt_head_workspace(&p, 1), ROOM);
	lt_head(cpu.pool, &p, h, w, lab, &nll, scratch, cpu.arena[LT_WORK]);
	lt_gpu_head(&gpu, &p, xh, xw, xl, xn, xs);
	near(xn, &nll, 1, fabsf(nll) * 0x1p-18);
	lt_head_bwd(cpu.pool, &p, dn, h, w, lab, &nll, dh, dw, true, scratch,
	    cpu.arena[LT_WORK]);
	lt_gpu_head_bwd(&gpu, &p, xdn, xh, xw, xl, xn, xdh, xdw, true, xs);
	near(xn, &nll, 1, fabsf(nll) * 0x1p-18);
	near(xdw, dw, nw, (double)p.tokens * 1.5 * 0.25 * error);
	lt_read(&gpu, got, xdh, nh * size);
	for (size_t i = 0; i < nh; i++) {
		float x = half ? lt_from_bf16(((uint16_t *)(void *)got)[i]) :
		    ((float *)(void *)got)[i];
		float y = half ? lt_from_bf16(((uint16_t *)(void *)dh)[i]) :
		    ((float *)(void *)dh)[i];

		ck_assert_msg(fabsf(x - y) <= 2 * 1.5 * 0.25 * error,
		    "dh[%zu]: %g, not %g", i, (double)x, (double)y);
	}
	free(got);
	free(h);
	free(w);
	free(dh);
	free(dw);
	free(scratch);
	free(lab);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("calls");
	TCase *t = tcase_create("emulator");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, rows_are_copied_and_added, 0, 4);
	tcase_add_loop_test(t, sums_of_arrays, 0, 20);
	tcase_add_test(t, the_host_keeps_values);
	tcase_add_test(t, copies_are_waited_for_one_by_one);
	tcase_add_loop_test(t, tables_are_read_and_added_to, 0, 4);
	tcase_add_test(t, positions_and_angles);
	tcase_add_test(t, elements_and_columns);
	tcase_add_test(t, single_numbers);
	tcase_add_loop_test(t, largest_magnitude, 0, 5);
	tcase_add_test(t, a_step_that_is_not_finite);
	tcase_add_test(t, weights_are_updated);
	tcase_add_test(t, blocks_of_images_are_updated);
	tcase_add_test(t, a_bad_step_updates_nothing);
	tcase_add_loop_test(t, products, 0, 7);
	tcase_add_loop_test(t, products_of_fp8, 0, 6);
	tcase_add_test(t, products_of_fp8_in_pieces);
	tcase_add_test(t, a_very_high_product);
	tcase_add_loop_test(t, the_loss_head, 0, 4);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
