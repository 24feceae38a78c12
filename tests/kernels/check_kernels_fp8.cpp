/* fp8: rounding in two layouts, and back, against the bits of the formats. */
#include "tests/kernels/launch.h"

/* Number `code` of fp8: e bits of exponent, the rest fraction. */
static double
number(unsigned code, int e)
{
	const int m = 7 - e, x = (int)(code & 127) >> m;
	const int f = (int)code & ((1 << m) - 1);
	const double v = ldexp(x ? (1 << m) + f : f, (x ? x : 1) - m -
	    (1 << (e - 1)) + 1);

	return code & 128 ? -v : v;
}

/* The code of the nearest number by trying all of them; among two that are as
 * near the even one. */
static unsigned
nearest(double x, int format)
{
	const unsigned last = format ? 0x7b : 0x7e;
	unsigned best = 0;

	for (unsigned c = 1; c <= last; c++) {
		const double now = fabs(number(c, format ? 5 : 4) - fabs(x));
		const double before = fabs(number(best, format ? 5 : 4) -
		    fabs(x));

		if (now < before || (now == before && c % 2 == 0))
			best = c;
	}
	return best | (std::signbit(x) ? 128u : 0);
}

struct Matrix {
	i64 rows, cols;
	std::vector<u16> x;
	float scale;
	int format;
};

static Matrix
matrix(Random &r, i64 rows, i64 cols, int format)
{
	Matrix m = {rows, cols, {}, 0x1p-3f, format};

	for (float v : normal_f32(r, (size_t)(rows * cols), format ? 3e3 :
	    20.))
		m.x.push_back(lk_tobf(v));
	m.x[0] = 0x7fc0; /* NaN */
	return m;
}

static void
check_layouts(const Matrix &m, bool plain, bool turned)
{
	const size_t n = m.x.size();
	std::vector<unsigned char> y(n, 0x55), t(n, 0x55);
	const i64 blocks = (m.rows + 127) / 128 * ((m.cols + 127) / 128);
	size_t wrong = 0;

	launch_fp8_round({m.x.data(), &m.scale, plain ? y.data() : nullptr,
	    turned ? t.data() : nullptr, m.rows, m.cols, m.format},
	    (unsigned)blocks);
	for (size_t i = 0; i < n; i++) {
		const size_t j = i % (size_t)m.cols * (size_t)m.rows +
		    i / (size_t)m.cols;
		const unsigned want = i == 0 ? 0x7f : nearest(
		    (double)lk_bf(m.x[i]) / (double)m.scale, m.format);

		wrong += y[i] != (plain ? want : 0x55);
		wrong += t[j] != (turned ? want : 0x55);
	}
	CHECK(wrong == 0);
}

TEST(rounds_both_layouts)
{
	static const i64 size[][2] = {{4, 4}, {128, 256}, {132, 8}, {5, 131},
	    {130, 7}, {3, 260}};
	Random r = {1};

	each_mode([&] {
		for (auto &s : size)
			for (int format = 0; format < 2; format++)
				check_layouts(matrix(r, s[0], s[1], format),
				    true, true);
	});
	check_layouts(matrix(r, 36, 132, 0), true, false);
	check_layouts(matrix(r, 36, 132, 1), false, true);
}

/* An image may begin a field anywhere. */
TEST(rounds_what_is_not_aligned)
{
	Random r = {2};
	Matrix m = matrix(r, 12, 16, 0);
	std::vector<u16> x(m.x.size() + 1);
	std::vector<unsigned char> y(m.x.size()), z(m.x.size());

	std::copy(m.x.begin(), m.x.end(), x.begin() + 1);
	launch_fp8_round({x.data() + 1, &m.scale, y.data(), nullptr, 12, 16,
	    0});
	launch_fp8_round({m.x.data(), &m.scale, z.data(), nullptr, 12, 16, 0});
	CHECK(y == z);
}

/* All codes, and a few more than a whole number of words. */
TEST(widens_all_codes)
{
	const float scale = 0x1p-20f;
	alignas(8) unsigned char all[260];
	alignas(8) u16 y[259];

	for (int i = 0; i < 260; i++)
		all[i] = (unsigned char)(i * 7);
	for (int k = 0; k < 4; k++) {
		const unsigned char *x = all + k / 2;
		const int format = k % 2;

		launch_fp8_widen({x, &scale, y, 259, format});
		for (int i = 0; i < 259; i++) {
			const unsigned a = x[i] & 127u;
			const float got = lk_bf(y[i]);

			if (a > (format ? 0x7cu : 0x7eu))
				CHECK(std::isnan(got));
			else if (format && a == 0x7c)
				CHECK(std::isinf(got));
			else
				CHECK((double)got == number(x[i], format ? 5 :
				    4) * (double)scale);
		}
	}
}

int
main(int argc, char **argv)
{
	return emu_test_main(argc, argv);
}
