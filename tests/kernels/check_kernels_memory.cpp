/* fill, convert, nest, embed: what moves elements. */
#include "tests/kernels/launch.h"

TEST(fills)
{
	each_mode([] {
		std::vector<float> x(1003, 7);
		std::vector<u16> h(1003, 7);
		fill_args a = {x.data() + 1, 1001, -2.5f};

		launch_fill_f32(a, 3);
		a.x = h.data() + 1;
		launch_fill_bf16(a, 3);
		for (size_t i = 0; i < 1003; i++) {
			bool in = i > 0 && i < 1002;

			CHECK(x[i] == (in ? -2.5f : 7.f));
			CHECK(h[i] == (in ? lk_tobf(-2.5f) : 7));
		}
	});
}

/* Two runs, as a zigzag shard has. */
static const lk_runs two = {2, 0, {1000, 1 << 20}, {300, 213}};

static i64
position(i64 i)
{
	return i < 300 ? 1000 + i : (1 << 20) + i - 300;
}

TEST(positions)
{
	each_mode([] {
		int x[513];
		iota_args a = {x, 513, two};

		launch_iota(a, 2);
		for (int i = 0; i < 513; i++)
			CHECK(x[i] == position(i));
	});
}

TEST(rope_tables)
{
	enum { D = 16, N = 513 };
	std::vector<float> t(N * D);
	rope_table_args a = {t.data(), N, two, 1e4, D};
	Compare c;

	launch_rope_table(a, 4);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < D / 2; j++) {
			long double turn = (long double)position(i) *
			    powl(1e4L, -2.L * j / D);

			/* pow within 2 ulp of double: an angle of 2^20 is
			 * right to 2^20 2^-51; then a rounding to f32 */
			c.add(t[(size_t)(i * D + j)], (double)cosl(turn),
			    F32_EPS + 0x1p-30);
			c.add(t[(size_t)(i * D + D / 2 + j)],
			    (double)sinl(turn), F32_EPS + 0x1p-30);
		}
	CHECK_CLOSE(c);
}

TEST(accumulates)
{
	Random r = {1};
	const std::vector<float> x = normal_f32(r, 1001, 100);
	const std::vector<u16> h = normal_bf16(r, 1001, 100);
	const std::vector<float> y = normal_f32(r, 1001);

	each_mode([&] {
		for (size_t k = 0; k < 4; k++) { /* k & 2: misaligned */
			const int add = (int)k & 1;
			const size_t from = k / 2;
			std::vector<float> u = y, v = y;

			launch_accum_f32({x.data() + from, u.data() + from,
			    998, add}, 2);
			launch_accum_bf16({h.data() + from, v.data() + from,
			    998, add}, 2);
			for (size_t i = 0; i < 1001; i++) {
				bool in = i >= from && i < from + 998;
				float f = in ? x[i] : y[i];
				float g = in ? lk_bf(h[i]) : y[i];

				CHECK(u[i] == (in && add ? y[i] + f : f));
				CHECK(v[i] == (in && add ? y[i] + g : g));
			}
		}
	});
}

TEST(rounds)
{
	Random r = {2};
	const std::vector<float> x = normal_f32(r, 1010, 1e6);

	each_mode([&] {
		for (size_t from = 0; from < 2; from++) { /* and misaligned */
			std::vector<u16> y(1010, 7);

			launch_round_bf16({x.data() + from, y.data() + from,
			    1001}, 2);
			for (size_t i = 0; i < 1010; i++)
				CHECK(y[i] == (i >= from && i < from + 1001 ?
				    lk_tobf(x[i]) : 7));
		}
	});
}

/* ---- boxes ---- */

/* A nest of three loops around rows of `len`, in arrays with gaps.  The loops'
 * lengths have common factors, so that no two orders are the same. */
static lk_nest
some_nest(i64 len)
{
	lk_nest x = {};

	x.rank = 3;
	x.n[0] = 3, x.n[1] = 2, x.n[2] = 4;
	x.src[2] = len + 8, x.src[1] = 6 * x.src[2], x.src[0] = 2 * x.src[1];
	x.dst[2] = 2 * len, x.dst[0] = 5 * x.dst[2], x.dst[1] = 3 * x.dst[0];
	x.rows = 24;
	x.len = len;
	return x;
}

/* Calls f(row number, place in src, place in dst). */
template <class F> static void
each_row(const lk_nest &x, F f)
{
	i64 row = 0;

	for (i64 i = 0; i < x.n[0]; i++)
		for (i64 j = 0; j < x.n[1]; j++)
			for (i64 k = 0; k < x.n[2]; k++)
				f(row++, i * x.src[0] + j * x.src[1] +
				    k * x.src[2], i * x.dst[0] + j * x.dst[1] +
				    k * x.dst[2]);
}

template <class T, class F> static void
check_copy(i64 len, F launch)
{
	const lk_nest x = some_nest(len);
	std::vector<T> from((size_t)(3 * x.src[0])),
	    to((size_t)(6 * x.dst[0]) + 64), want;
	unsigned char *bytes = (unsigned char *)from.data();

	for (size_t i = 0; i < from.size() * sizeof(T); i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	want = to;
	each_row(x, [&](i64, i64 src, i64 dst) {
		for (i64 i = 0; i < len; i++)
			want[(size_t)(dst + i)] = from[(size_t)(src + i)];
	});
	launch(nest_copy_args{from.data(), to.data(), x});
	CHECK(!memcmp(to.data(), want.data(), to.size() * sizeof(T)));
}

TEST(copies_boxes)
{
	each_mode([] {
		for (i64 len : {1, 33, 1100}) {
			check_copy<u16>(len, [](const nest_copy_args &a) {
				launch_nest_copy_2(a, 3);
			});
			check_copy<u32>(len, [](const nest_copy_args &a) {
				launch_nest_copy_4(a, 3);
			});
			check_copy<uint4>(len, [](const nest_copy_args &a) {
				launch_nest_copy_16(a, 1);
			});
		}
	});
}

TEST(copies_a_single_row)
{
	float x[5] = {1, 2, 3, 4, 5}, y[5] = {};
	nest_copy_args a = {x, y, {}};

	a.nest.rows = 1;
	a.nest.len = 5;
	launch_nest_copy_4(a);
	CHECK(!memcmp(x, y, sizeof x));
}

/* In units of `unit` elements. */
static lk_nest
in_units(lk_nest x, int unit)
{
	x.len /= unit;
	for (int i = 0; i < x.rank; i++) {
		x.src[i] /= unit;
		x.dst[i] /= unit;
	}
	return x;
}

/* Sums of four sources, two of them packed. */
static void
check_sum(i64 len, int add, int unit)
{
	const lk_nest x = some_nest(len);
	const size_t all = (size_t)(6 * x.dst[0]) + 64;
	Random r = {3};
	std::vector<float> to = normal_f32(r, all), box[2], packed[2], want;
	nest_sum_args a = {};

	for (int i = 0; i < 2; i++) {
		box[i] = normal_f32(r, (size_t)(3 * x.src[0]), 1e4);
		packed[i] = normal_f32(r, (size_t)(24 * len), 1e4);
	}
	want = to;
	each_row(x, [&](i64 row, i64 src, i64 dst) {
		for (i64 i = 0; i < len; i++) {
			const size_t s = (size_t)(src + i);
			const size_t p = (size_t)(row * len + i);
			float sum = box[0][s];

			if (add)
				sum = want[(size_t)(dst + i)] + sum;
			sum += packed[0][p];
			sum += packed[1][p];
			want[(size_t)(dst + i)] = sum + box[1][s];
		}
	});
	a.src[0] = box[0].data();
	a.src[1] = packed[0].data();
	a.src[2] = packed[1].data();
	a.src[3] = box[1].data();
	a.packed = 6;
	a.dst = to.data();
	a.nest = in_units(x, unit);
	a.nsrc = 4;
	a.add = add;
	if (unit == 4)
		launch_nest_sum_16(a, 3);
	else
		launch_nest_sum_4(a, 3);
	CHECK(!memcmp(to.data(), want.data(), all * sizeof(float)));
}

TEST(sums_boxes)
{
	each_mode([] {
		for (int add = 0; add < 2; add++) {
			for (i64 len : {1, 33, 1100})
				check_sum(len, add, 1);
			for (i64 len : {4, 132, 4400})
				check_sum(len, add, 4);
		}
	});
}

/* More sources than arguments hold, every third of them packed: two rows of
 * three with a gap of five. */
TEST(sums_of_many)
{
	enum { N = 100, ROWS = 2, LEN = 3, STRIDE = 8 };
	Random r = {5};
	std::vector<float> x = normal_f32(r, N * ROWS * STRIDE, 1e4);
	std::vector<float> y(ROWS * STRIDE), want = y;
	lk_source table[N];
	nest_sum_args a = {};

	a.nest.rank = 1;
	a.nest.n[0] = a.nest.rows = ROWS;
	a.nest.src[0] = a.nest.dst[0] = STRIDE;
	a.nest.len = LEN;
	a.table = table;
	a.dst = y.data();
	a.nsrc = N;
	for (int i = 0; i < N; i += LK_SOURCES_MAX) {
		nest_sources_args t = {};

		t.to = table + i;
		t.n = N - i < LK_SOURCES_MAX ? N - i : LK_SOURCES_MAX;
		for (int j = 0; j < t.n; j++) {
			t.src[j] = x.data() + (i + j) * ROWS * STRIDE;
			t.packed |= (i + j) % 3 == 0 ? 1ull << j : 0;
		}
		launch_nest_sources(t);
	}
	for (int k = 0; k < ROWS * LEN; k++) {
		float &sum = want[(size_t)(k / LEN * STRIDE + k % LEN)];

		sum = x[(size_t)k];
		for (int i = 1; i < N; i++)
			sum += x[(size_t)(i * ROWS * STRIDE + (i % 3 == 0 ?
			    k : k / LEN * STRIDE + k % LEN))];
	}
	launch_nest_sum_4(a);
	CHECK(!memcmp(y.data(), want.data(), y.size() * sizeof(float)));
}

TEST(sums_into_a_source)
{
	float x[3] = {1, 2, 3}, y[3] = {10, 20, 30};
	nest_sum_args a = {};

	a.src[0] = y;
	a.src[1] = x;
	a.dst = x;
	a.nest.rows = 1;
	a.nest.len = 3;
	a.nsrc = 2;
	launch_nest_sum_4(a);
	CHECK(x[0] == 11 && x[1] == 22 && x[2] == 33);
}

/* ---- embeddings ---- */

TEST(embeds)
{
	enum { ROWS = 50, N = 77 };
	Random r = {4};
	int index[N];

	for (int &i : index)
		i = r.below(ROWS);
	each_mode([&] {
		for (int width : {1, 40, 264}) {
			std::vector<u16> table = normal_bf16(r,
			    (size_t)(ROWS * width));
			std::vector<u16> out((size_t)(N * width));
			embed_args a = {table.data(), index, out.data(), N,
			    width};

			if (width % 8) {
				launch_embed_2(a, 2);
			} else {
				a.units = width / 8;
				launch_embed_16(a, 2);
			}
			for (int i = 0; i < N * width; i++)
				CHECK(out[(size_t)i] == table[(size_t)
				    (index[i / width] * width + i % width)]);
		}
	});
}

/* Sums in the order of i are the same bits, so they are compared as such. */
template <class T, class F> static void
check_embed_bwd(const std::vector<T> &d, int width, int slice, F launch)
{
	enum { ROWS = 100, N = 700 };
	Random r = {5};
	std::vector<int> index(N);
	std::vector<float> table = normal_f32(r, (size_t)(ROWS * width)), want;

	/* half of them are the same row, none is row 99 */
	for (int &i : index)
		i = r.below(2) ? 42 : r.below(ROWS - 1);
	want = table;
	for (int i = 0; i < N; i++)
		for (int c = 0; c < width; c++)
			want[(size_t)(index[(size_t)i] * width + c)] +=
			    lk_float(d[(size_t)(i * width + c)]);
	launch({d.data(), index.data(), table.data(), N, ROWS, width, slice},
	    (unsigned)((ROWS + slice - 1) / slice),
	    (unsigned)((width + 1023) / 1024));
	CHECK(!memcmp(table.data(), want.data(), want.size() * sizeof(float)));
}

TEST(embeds_backward)
{
	Random r = {6};
	const std::vector<float> d = normal_f32(r, 700 * 1030, 1e3);
	const std::vector<u16> h = normal_bf16(r, 700 * 1030, 1e3);

	each_mode([&] {
		check_embed_bwd(d, 33, 7, [](const embed_bwd_args &a,
		    unsigned x, unsigned y) { launch_embed_bwd_f32(a, x, y); });
		check_embed_bwd(h, 1030, 64, [](const embed_bwd_args &a,
		    unsigned x, unsigned y) { launch_embed_bwd_bf16(a, x, y); });
	});
}

int
main(int argc, char **argv)
{
	return emu_test_main(argc, argv);
}
