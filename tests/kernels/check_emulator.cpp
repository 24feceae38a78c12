/* The emulator: what each primitive does, and which mistakes it finds. */
#include "tests/kernels/emu_test.h"

static const unsigned one[3] = {1, 1, 1};

struct io {
	const void *x, *y;
	float *out;
	int n;
	lk_tmap map, map2;
};

/* ---- warps and barriers ---- */

LK_KERNEL(exchange, 64, 1, struct io)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const float x = (float)threadIdx.x;
	float *out = a.out + threadIdx.x * 8;

	out[0] = lk_shfl_xor(x, 5);
	out[1] = lk_shfl(x, 3);
	out[2] = (float)lk_shfl_i((int)threadIdx.x, lk_lane() + 1);
	out[3] = (float)lk_ballot(lk_lane() < 3);
	out[4] = lk_block_sum(x, s);
	out[5] = lk_block_max(-x, s);
	lk_sync();
	lk_sts(s + 4 * threadIdx.x, x);
	lk_syncwarp();
	out[6] = lk_lds<float>(s + 4 * (threadIdx.x ^ 31));
	lk_sync();
	out[7] = lk_lds<float>(s + 4 * (threadIdx.x ^ 63));
}

TEST(lanes_exchange)
{
	each_mode([] {
		float out[64][8];
		io a = {};

		a.out = out[0];
		exchange(&a, one, 64, 256);
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

/* ---- mma.sync ---- */

/* C[16, 8] = A[16, 16] B[16, 8]; A and B (row-major) by ldmatrix. */
LK_KERNEL(product, 32, 1, struct io)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem);
	const int lane = lk_lane();
	float c[4] = {};
	u32 m[4], b[4];

	for (int i = lane; i < 32; i += 32)
		lk_cpasync16(s + 16 * (u32)i, (const u16 *)a.x + i * 8, true);
	if (lane < 16)
		lk_cpasync16(s + 512 + 16 * (u32)lane,
		    (const u16 *)a.y + lane * 8, true);
	lk_cpasync_commit();
	lk_cpasync_wait<0>();
	lk_syncwarp();
	lk_ldsm4(m, s + (u32)(lane % 16 * 32 + lane / 16 * 16));
	lk_ldsm4t(b, s + 512 + (u32)(lane % 16 * 16));
	lk_mma(c, m, b[0], b[1]);
	for (int i = 0; i < 4; i++)
		a.out[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

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
		io a = {};
		Compare c;

		a.x = x;
		a.y = y;
		a.out = out;
		product(&a, one, 32, 768);
		for (int i = 0; i < 16; i++)
			for (int j = 0; j < 8; j++) {
				double sum = 0, size = 0;

				for (int k = 0; k < 16; k++) {
					double t = (double)lk_bf(x[i * 16 + k]) *
					    lk_bf(y[k * 8 + j]);

					sum += t;
					size += fabs(t);
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

/* out[64, 64] = X[64, 64] Y[64, 64]^T (a.n 0), X Y (1), X^T Y (2), and 0 with
 * X in registers (3).  Rows beyond those of the tensor are zero. */
LK_KERNEL(group_product, 128, 1, struct io)
{
	LK_DYN_SMEM(smem);
	const u32 x = lk_saddr(smem), y = x + 8192, bar = y + 8192;
	const int t = (int)threadIdx.x, row = t / 32 * 16 + t % 32 / 4;
	float d[32];

	if (t == 0) {
		lk_mbar_init(bar, 1);
		lk_mbar_fence_init();
	}
	lk_sync();
	if (t == 0) {
		lk_mbar_expect(bar, 16384);
		lk_tma_ld4(x, &a.map, bar, 0, 0, 0, 0);
		lk_tma_ld4(y, &a.map2, bar, 0, 0, 0, 0);
	}
	lk_mbar_wait(bar, 0);
	lk_wg_fence();
	for (int k = 0; k < 4; k++) {
		const u64 rx = lk_desc(x, 16, 1024) + (u64)(k * 2);
		const u64 ry = lk_desc(y, 16, 1024) + (u64)(k * 2);
		const u64 cx = lk_desc(x, 8192, 1024) + (u64)(k * 128);
		const u64 cy = lk_desc(y, 8192, 1024) + (u64)(k * 128);
		u32 m[4] = {};

		if (a.n == 3) {
			const u32 at = x + (u32)((t / 32 * 16 + t % 16) * 128);
			const u32 chunk = (u32)(k * 2 + t % 32 / 16);

			lk_ldsm4(m, at + ((chunk ^ (u32)(t % 8)) << 4));
			lk_wgmma_rs<0>(d, m, ry, k > 0);
			lk_wg_commit();
			lk_wg_wait<0>();
		} else if (a.n == 2) {
			lk_wgmma_sst<1, 1>(d, cx, cy, k > 0);
		} else if (a.n == 1) {
			lk_wgmma_ss<1>(d, rx, cy, k > 0);
		} else {
			lk_wgmma_ss<0>(d, rx, ry, k > 0);
		}
	}
	lk_wg_commit();
	lk_wg_wait<0>();
	for (int i = 0; i < 32; i++)
		a.out[(row + i / 2 % 2 * 8) * 64 + i / 4 * 8 + t % 4 * 2 +
		    i % 2] = d[i];
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
			io a = {};
			Compare c;

			a.map = tensor_map(x.data(), 64, ROWS, 64, 64);
			a.map2 = tensor_map(y.data(), 64, 64, 64, 64);
			a.out = out.data();
			a.n = kind;
			group_product(&a, one, 128, 16384 + 64);
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

/* ---- bulk copies ---- */

/* out[0..31] += x, out[32..63] = x */
LK_KERNEL(bulk, 32, 1, struct io)
{
	LK_DYN_SMEM(smem);
	const u32 s = lk_saddr(smem), bar = s + 128;

	if (threadIdx.x == 0) {
		lk_mbar_init(bar, 1);
		lk_mbar_fence_init();
		lk_mbar_expect(bar, 128);
		lk_bulk_ld(s, a.x, 128, bar);
		lk_mbar_wait(bar, 0);
		lk_bulk_red_add(a.out, s, 128);
		lk_bulk_st(a.out + 32, s, 128);
		lk_bulk_commit();
		lk_bulk_wait<0>();
	}
}

TEST(bulk_copies)
{
	each_mode([] {
		alignas(16) float x[32], out[64];
		io a = {};

		for (int i = 0; i < 32; i++) {
			x[i] = (float)i;
			out[i] = 100;
		}
		a.x = x;
		a.out = out;
		bulk(&a, one, 32, 256);
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
under_copy(const io &a, u32 s)
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

LK_KERNEL(wrong, 64, 1, struct io)
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
		io a = {};

		a.x = x;
		a.out = out;
		a.n = w.n;
		DIES(w.says, wrong(&a, one, 64, 1024));
	}
	DIES("needs 64 threads", ({ io a = {}; wrong(&a, one, 32, 0); }));
}

int
main(int argc, char **argv)
{
	return emu_test_main(argc, argv);
}
