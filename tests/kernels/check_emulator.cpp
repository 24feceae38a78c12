/* The emulator: what each primitive does, and which mistakes it finds. */
#include "tests/kernels/emu_test.h"

#include <thread>

#include "codegen/kernels/probe.cuh"

static const unsigned one[3] = {1, 1, 1};

/* ---- warps and barriers ---- */

TEST(lanes_exchange)
{
	each_mode([] {
		float out[64][8];
		probe_args a = {};

		a.out = out[0];
		probe_warp(&a, one, 64, 256);
		for (int i = 0; i < 64; i++) {
			CHECK(out[i][0] == (i ^ 5));
			CHECK(out[i][1] == (i & 32) + 3);
			CHECK(out[i][2] == ((i & 32) | ((i + 1) & 31)));
			CHECK(out[i][3] == 7);
			CHECK(out[i][4] == 63 * 32);
			CHECK(out[i][5] == 0);
			CHECK(out[i][6] == (i ^ 31));
			CHECK(out[i][7] == (i ^ 63));
		}
	});
}

/* ---- numbers and memory ---- */

TEST(functions)
{
	float x[32], out[32][16];
	probe_args a = {};
	Random r = {3};
	Compare c;

	for (float &v : x)
		v = (float)(3 * r.normal());
	a.x = x;
	a.out = out[0];
	probe_math(&a, one, 32, 0);
	for (int i = 0; i < 32; i++) {
		double v = x[i], p = fabs(v);
		const double want[16] = {exp2(v), log2(p), exp(v), log(p),
		    tanh(v), erf(v), sin(v), cos(v), pow(p, 0.75), sqrt(p),
		    1 / sqrt(p), floor(v), v * v + 1, lk_bf(lk_tobf(x[i])), 0,
		    1 / (1 + exp(-v))};

		/* libm: an ulp or two; the GPU: a few */
		for (int j = 0; j < 16; j++)
			c.add(out[i][j], want[j], 8 * F32_EPS *
			    (j == 1 || j == 3 ? 1 + fabs(want[j]) :
			    fabs(want[j])) + 1e-12);
	}
	CHECK_CLOSE(c);
}

TEST(memory_of_each_type)
{
	each_mode([] {
		alignas(16) float x[32], y[128], out[642] = {};
		probe_args a = {};

		for (int i = 0; i < 32; i++)
			x[i] = (float)i - 7.5f;
		for (int i = 0; i < 128; i++)
			y[i] = (float)(i * i);
		a.x = x;
		a.y = y;
		a.out = out;
		probe_shared(&a, one, 32, 512);
		for (int i = 0; i < 384; i++)
			CHECK(out[i] == (i % 12 == 9 ? (float)(i / 12 ^ 1) :
			    x[i / 12]));
		for (int i = 0; i < 128; i++)
			CHECK(out[384 + i] == y[i] && out[512 + i] == y[i]);
		CHECK(out[640] == 32 && out[641] == 64);
	});
}

TEST(rounding_to_bf16)
{
	static const struct {
		u32 x;
		u16 to;
	} want[] = {
		{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, /* tie to even */
		{0x3f818000, 0x3f82}, {0x3f808001, 0x3f81},
		{0x7f7fffff, 0x7f80}, {0x7f800000, 0x7f80},
		{0xff800000, 0xff80}, {0x7fc00001, 0x7fff},
		{0x7f800001, 0x7fff}, {0x80000000, 0x8000},
	};
	double up = 0;

	for (auto &w : want)
		CHECK(lk_tobf(lk_u2f(w.x)) == w.to);
	each_mode([&] {
		float x[32] = {}, out[32][2];
		u32 y[32] = {};
		probe_args a = {};
		int n = 0;

		for (auto &w : want)
			x[n++] = lk_u2f(w.x);
		for (int i = 0; i < 32; i++)
			y[i] = (u32)i << 11;
		a.x = x;
		a.y = y;
		a.out = out[0];
		probe_round(&a, one, 32, 0);
		for (int i = 0; i < n; i++) {
			CHECK(out[i][0] == (float)want[i].to);
			CHECK(out[i][1] == (float)lk_tobf_random(x[i], y[i]));
		}
	});
	/* a quarter of the way from one bf16 to the next: up in one of four */
	for (u32 i = 0; i < 65536; i++)
		up += lk_tobf_random(lk_u2f(0x3f804000), i) == 0x3f81;
	CHECK(up == 16384);
	CHECK(lk_tobf_random(lk_u2f(0x7f800000), 0xffff) == 0x7f80);
	CHECK(lk_tobf_random(lk_u2f(0x7fc00000), 0xffff) == 0x7fff);
}

/* ---- mma.sync ---- */

TEST(mma_multiplies)
{
	Random r = {1};
	alignas(16) u16 x[256], y[128];

	for (u16 &v : x)
		v = lk_tobf((float)r.normal());
	for (u16 &v : y)
		v = lk_tobf((float)r.normal());
	each_mode([&] {
		float out[128];
		probe_args a = {};
		Compare c;

		a.x = x;
		a.y = y;
		a.out = out;
		probe_mma(&a, one, 32, 768);
		for (int i = 0; i < 16; i++)
			for (int j = 0; j < 8; j++) {
				double sum = 0, size = 0;

				for (int k = 0; k < 16; k++) {
					double a = lk_bf(x[i * 16 + k]);
					double b = lk_bf(y[k * 8 + j]);

					sum += a * b;
					size += fabs(a * b);
				}
				/* products of bf16 are exact in f32 */
				c.add(out[i * 8 + j], sum,
				    16 * F32_EPS * size + 1e-30);
			}
		CHECK_CLOSE(c);
	});
}

/* ---- TMA and wgmma ---- */

static lk_tmap
tensor_map(const u16 *x, int columns, int rows, int box_columns, int box_rows)
{
	lk_emu_tmap m = {};
	lk_tmap t = {};

	m.base = x;
	m.rank = 4;
	m.stride[0] = 1;
	m.stride[2] = columns;
	m.size[0] = columns;
	m.size[1] = m.size[3] = 1;
	m.size[2] = rows;
	m.box[0] = box_columns;
	m.box[1] = m.box[3] = 1;
	m.box[2] = box_rows;
	m.swizzle = 1;
	memcpy(&t, &m, sizeof m);
	return t;
}

TEST(wgmma_multiplies)
{
	enum { ROWS = 61 };
	Random r = {2};
	std::vector<u16> x = normal_bf16(r, ROWS * 64);
	std::vector<u16> y = normal_bf16(r, 64 * 64);

	auto X = [&](int i, int j) {
		return i < ROWS ? (double)lk_bf(x[(size_t)(i * 64 + j)]) : 0;
	};
	auto Y = [&](int i, int j) {
		return (double)lk_bf(y[(size_t)(i * 64 + j)]);
	};
	for (int kind = 0; kind < 4; kind++)
		each_mode([&] {
			std::vector<float> out(64 * 64);
			probe_args a = {};
			Compare c;

			a.map = tensor_map(x.data(), 64, ROWS, 64, 64);
			a.map2 = tensor_map(y.data(), 64, 64, 64, 64);
			a.out = out.data();
			a.n = kind;
			probe_wgmma(&a, one, 128, 16384 + 64);
			for (int i = 0; i < 64 * 64; i++) {
				double sum = 0, size = 1e-30;

				for (int k = 0; k < 64; k++) {
					double p = kind == 2 ? X(k, i / 64) :
					    X(i / 64, k);
					double q = kind == 1 || kind == 2 ?
					    Y(k, i % 64) : Y(i % 64, k);

					sum += p * q;
					size += fabs(p * q);
				}
				c.add(out[(size_t)i], sum, 64 * F32_EPS * size);
			}
			CHECK_CLOSE(c);
		});
}

/* Boxes of 64 columns that lie behind each other, and the last not whole. */
template <class F> static void
width_multiplies(int n, F probe)
{
	Random r = {(u64)n};
	std::vector<u16> x = normal_bf16(r, 64 * 64);
	std::vector<u16> y = normal_bf16(r, (size_t)(64 * n));

	for (int kind = 0; kind < 3; kind++)
		each_mode([&] {
			std::vector<float> out((size_t)(64 * n));
			probe_args a = {};
			Compare c;

			a.map = tensor_map(x.data(), 64, 64, 64, 64);
			a.map2 = kind == 0 ?
			    tensor_map(y.data(), 64, n, 64, n) :
			    tensor_map(y.data(), n, 64, 64, 64);
			a.out = out.data();
			a.n = kind;
			probe(&a, one, 128, 5 * 8192 + 64);
			for (int i = 0; i < 64 * n; i++) {
				double sum = 0, size = 1e-30;

				for (int k = 0; k < 64; k++) {
					int at = kind == 0 ? i % n * 64 + k :
					    k * n + i % n;
					double p = lk_bf(x[(size_t)(i / n * 64 +
					    k)]) * (double)lk_bf(y[(size_t)at]);

					sum += p;
					size += fabs(p);
				}
				c.add(out[(size_t)i], sum, 64 * F32_EPS * size);
			}
			CHECK_CLOSE(c);
		});
}

TEST(wgmma_of_each_width)
{
	width_multiplies(64, probe_width_64);
	width_multiplies(80, probe_width_80);
	width_multiplies(96, probe_width_96);
	width_multiplies(128, probe_width_128);
	width_multiplies(256, probe_width_256);
}

TEST(warpgroups_take_turns)
{
	enum { N = 5 };

	each_mode([] {
		alignas(16) float x[N][32], out[256];
		probe_args a = {};

		for (int i = 0; i < N * 32; i++)
			x[i / 32][i % 32] = (float)(i * i % 1009);
		a.x = x[0];
		a.out = out;
		a.n = N;
		probe_turns(&a, one, 384, 1536);
		for (int t = 0; t < 256; t++) {
			float sum = 0;

			for (int i = 0; i < N; i++)
				sum += x[i][t % 32];
			CHECK(out[t] == sum);
		}
	});
}

/* ---- bulk copies ---- */

TEST(bulk_copies)
{
	each_mode([] {
		alignas(16) float x[32], out[64];
		probe_args a = {};

		for (int i = 0; i < 32; i++) {
			x[i] = (float)i;
			out[i] = 100;
		}
		a.x = x;
		a.out = out;
		probe_bulk(&a, one, 32, 256);
		for (int i = 0; i < 32; i++) {
			CHECK(out[i] == 100.f + (float)i);
			CHECK(out[i + 32] == (float)i);
		}
	});
}

/* ---- mistakes; a.n says which ---- */

enum mistake {
	NO_SYNC, NO_SYNCWARP, NO_SYNCWARP_AFTER_READ, NO_FENCE, DEADLOCK,
	DIVERGES, OUT_OF_BOUNDS, NOT_ALIGNED, TOO_MANY, COPY_LEFT, BULK_LEFT,
	EARLY_EXIT, WRITE_UNDER_COPY
};

LK_FN void
under_warp(int n, u32 s)
{
	const u32 t = threadIdx.x;

	switch (n) {
	case NO_SYNC:
		lk_sts(s + 4 * t, 1.f);
		lk_lds<float>(s + 4 * (t ^ 32));
		break;
	case NO_SYNCWARP:
		lk_sts(s + 4 * t, 1.f);
		lk_lds<float>(s + 4 * (t ^ 1));
		break;
	case NO_SYNCWARP_AFTER_READ:
		lk_lds<float>(s + 4 * (t ^ 1));
		lk_sts(s + 4 * t, 1.f);
		break;
	case DEADLOCK:
		if (t < 32)
			lk_bar_sync(1, 64);
		else
			lk_bar_sync(2, 64);
		break;
	case DIVERGES:
		if (t % 32 < 16)
			lk_syncwarp();
		else
			lk_shfl(1.f, 0);
		break;
	case OUT_OF_BOUNDS:
		lk_sts(s + 1024, 1.f);
		break;
	case NOT_ALIGNED:
		lk_sts(s + 4, float2{1, 2});
		break;
	case TOO_MANY:
		lk_bar_arrive(1, 32);
		lk_bar_arrive(1, 64);
		break;
	case EARLY_EXIT:
		if (t < 32)
			lk_sync();
		break;
	}
}

LK_FN void
under_copy(const probe_args &a, u32 s)
{
	const u32 t = threadIdx.x, bar = s + 512;

	if (t != 0)
		return;
	switch (a.n) {
	case NO_FENCE:
		lk_sts(s, float4{1, 2, 3, 4});
		lk_bulk_st(a.out, s, 16);
		lk_bulk_commit();
		lk_bulk_wait<0>();
		break;
	case COPY_LEFT:
		lk_cpasync16(s, a.x, true);
		break;
	case BULK_LEFT:
		lk_bulk_st(a.out, s, 16);
		lk_bulk_commit();
		break;
	case WRITE_UNDER_COPY:
		lk_mbar_init(bar, 1);
		lk_mbar_expect(bar, 16);
		lk_bulk_ld(s, a.x, 16, bar);
		lk_sts(s, 1.f);
		lk_mbar_wait(bar, 0);
		break;
	}
}

/* Warp 1 arrives once more than warp 0 waits for. */
LK_KERNEL(arrives_twice, 64, 1, struct probe_args)
{
	for (int i = 0; i < 2; i++) {
		if (lk_warp() == 1)
			lk_bar_arrive(1, 64);
		else if (i == 0)
			lk_bar_sync(1, 64);
		lk_sync();
	}
	if (threadIdx.x == 0)
		a.out[blockIdx.x] = 1;
}

TEST(blocks_begin_with_new_barriers)
{
	each_mode([] {
		const unsigned three[3] = {3, 1, 1};
		float out[3] = {};
		probe_args a = {};

		a.out = out;
		arrives_twice(&a, three, 64, 0);
		CHECK(out[0] + out[1] + out[2] == 3);
	});
}

LK_KERNEL(wrong, 64, 1, struct probe_args)
{
	LK_DYN_SMEM(smem);

	under_warp(a.n, lk_saddr(smem));
	under_copy(a, lk_saddr(smem));
}

TEST(mistakes_are_found)
{
	static const struct {
		int n;
		const char *says;
	} want[] = {
		{NO_SYNC, "RACE: write by warp 1"},
		/* lane 0 reads what lane 1 has yet to write, and so on */
		{NO_SYNCWARP, "a read of another lane"},
		{NO_SYNCWARP_AFTER_READ, "a write of another lane"},
		{NO_FENCE, "lk_fence_proxy() after a write"},
		{DEADLOCK, "deadlock"},
		{DIVERGES, "warp divergence"},
		{OUT_OF_BOUNDS, "out of bounds"},
		{NOT_ALIGNED, "not aligned"},
		{TOO_MANY, "more arrivals than the barrier counts"},
		{COPY_LEFT, "ended with a cp.async"},
		{BULK_LEFT, "ended with a bulk copy"},
		{EARLY_EXIT, "deadlock"},
		{WRITE_UNDER_COPY, "RACE: write by warp 0"},
	};

	for (auto &w : want) {
		alignas(16) float x[4] = {}, out[4] = {};
		[[maybe_unused]] probe_args a = {};

		a.x = x;
		a.out = out;
		a.n = w.n;
		DIES(w.says, wrong(&a, one, 64, 1024));
	}
	probe_args a = {};
	DIES("needs 64 threads", wrong(&a, one, 32, 0));
}

/* A thread that fills most of its stack. */
LK_KERNEL(deep, 32, 1, struct probe_args)
{
	volatile char big[emu::STACK - emu::STACK / 10];

	for (volatile char &x : big)
		x = (char)a.n;
	lk_syncwarp();
	a.out[threadIdx.x] = big[a.n];
}

TEST(stacks_that_are_too_small)
{
	float out[32];
	[[maybe_unused]] probe_args a = {};

	a.out = out;
	DIES("do not fit its stack", deep(&a, one, 32, 0));
}

/* Part of a warp, and blocks larger and smaller than the ones before. */
LK_KERNEL(lonely, 1, 1, struct probe_args)
{
	a.out[blockIdx.x] = (float)blockIdx.x;
}

TEST(blocks_of_any_size)
{
	const unsigned grid[3] = {5, 1, 1};
	float out[64][8];
	probe_args a = {};

	each_mode([&] {
		a.out = out[0];
		lonely(&a, grid, 1, 0);
		for (int i = 0; i < 5; i++)
			CHECK(out[0][i] == (float)i);
		probe_warp(&a, one, 64, 256);
		CHECK(out[63][4] == 63 * 32);
		lonely(&a, grid, 1, 0);
		CHECK(out[0][4] == 4);
	});
}

/* Grids of three dimensions: every block once, in any mode. */
LK_KERNEL(where, 32, 1, struct probe_args)
{
	if (threadIdx.x == 0)
		a.out[(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x +
		    blockIdx.x] += 1;
}

TEST(every_block_runs_once)
{
	each_mode([] {
		const unsigned grid[3] = {7, 3, 2};
		float out[42] = {};
		probe_args a = {};

		a.out = out;
		where(&a, grid, 32, 0);
		for (float n : out)
			CHECK(n == 1);
	});
}

/* Ranks are threads that launch at the same time. */
TEST(threads_launch_at_once)
{
	std::vector<std::thread> ranks;
	int wrong[4] = {};

	for (int r = 0; r < 4; r++)
		ranks.emplace_back([r, &wrong] {
			for (int i = 0; i < 20; i++) {
				float out[64][8];
				probe_args a = {};

				a.out = out[0];
				probe_warp(&a, one, 64, 256);
				for (int t = 0; t < 64; t++)
					wrong[r] += out[t][4] != 63 * 32 ||
					    out[t][7] != (t ^ 63);
			}
		});
	for (std::thread &t : ranks)
		t.join();
	for (int n : wrong)
		CHECK(n == 0);
}

int
main(int argc, char **argv)
{
	return emu_test_main(argc, argv);
}
