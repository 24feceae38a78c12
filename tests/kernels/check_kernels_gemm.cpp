/* gemm: products of all types, transposes and epilogues, against fp64. */
#include "tests/kernels/launch.h"

struct shape {
	int m, n, k;
};

struct matrix {
	int type;
	i64 ld;
	std::vector<float> f;
	std::vector<u16> h;

	double at(i64 row, i64 col) const
	{
		const size_t i = (size_t)(row * ld + col);

		return (double)(type == LK_BF16 ? lk_bf(h[i]) : f[i]);
	}
	void *data()
	{
		return type == LK_BF16 ? (void *)h.data() : (void *)f.data();
	}
};

/* Rows further apart than they are long, and behind the last one NaNs. */
static matrix
some_matrix(Random &r, int type, int rows, int cols, int pad, double grow)
{
	matrix x = {type, cols + pad, {}, {}};

	if (type == LK_BF16) {
		x.h = normal_bf16(r, (size_t)(rows * x.ld), grow);
		x.h.insert(x.h.end(), (size_t)(4 * x.ld), 0x7fff);
	} else {
		x.f = normal_f32(r, (size_t)(rows * x.ld), grow);
		x.f.insert(x.f.end(), (size_t)(4 * x.ld), NAN);
	}
	return x;
}

struct product {
	shape s;
	int ta, tb, acc, a_type, b_type, c_type;
	bool epilogue;
};

static void
launch_gemm(const gemm_args &a, bool tensor_cores)
{
	const unsigned x = (unsigned)((a.n + 63) / 64 * ((a.m + 63) / 64));

	if (!tensor_cores)
		launch_gemm_any(a, x);
	else if (a.ta)
		(a.tb ? launch_gemm_bf16_tt : launch_gemm_bf16_tn)(a, x, 1, 1);
	else
		(a.tb ? launch_gemm_bf16_nt : launch_gemm_bf16_nn)(a, x, 1, 1);
}

static void
check_product(const product &p, bool tensor_cores)
{
	const int pad = tensor_cores ? 8 : 3;
	const shape s = p.s;
	Random r = {(u64)(s.m + s.n + s.k)};
	matrix a = some_matrix(r, p.a_type, p.ta ? s.k : s.m,
	    p.ta ? s.m : s.k, pad, 30);
	matrix b = some_matrix(r, p.b_type, p.tb ? s.n : s.k,
	    p.tb ? s.k : s.n, pad, 30);
	matrix c = some_matrix(r, p.c_type, s.m, s.n, pad, 1);
	matrix bias = some_matrix(r, LK_F32, 1, s.n, 0, 1);
	matrix resid = some_matrix(r, LK_BF16, s.m, s.n, pad + 8, 1);
	const matrix before = c;
	gemm_args args = {a.data(), b.data(), c.data(), nullptr, nullptr, a.ld,
	    b.ld, c.ld, resid.ld, s.m, s.n, s.k, p.ta, p.tb, p.acc, a.type,
	    b.type, c.type, bias.type, resid.type};
	Compare x;

	if (p.epilogue) {
		args.bias = bias.data();
		args.resid = resid.data();
	}
	launch_gemm(args, tensor_cores);
	for (int i = 0; i < s.m; i++)
		for (int j = 0; j < s.n; j++) {
			double sum = 0, size = 0;

			for (int k = 0; k < s.k; k++) {
				double t = (p.ta ? a.at(k, i) : a.at(i, k)) *
				    (p.tb ? b.at(j, k) : b.at(k, j));

				sum += t;
				size += fabs(t);
			}
			for (double t : {p.acc ? before.at(i, j) : 0,
			    p.epilogue ? bias.at(0, j) : 0,
			    p.epilogue ? resid.at(i, j) : 0}) {
				sum += t;
				size += fabs(t);
			}
			/* k + 3 additions and roundings of products, then C */
			x.add(c.at(i, j), sum, (s.k + 4) * F32_EPS * size +
			    (p.c_type == LK_BF16 ? BF16_EPS * fabs(sum) : 0));
		}
	CHECK_CLOSE(x);
	for (int i = 0; i < s.m; i++)
		for (i64 j = s.n; j < c.ld; j++)
			CHECK(c.at(i, j) == before.at(i, j));
}

TEST(tensor_core_products)
{
	/* rows and columns beyond a tile and short of one; long and short k;
	 * along the rows of A and B multiples of 8 */
	static const shape shapes[] = {{64, 64, 64}, {72, 136, 40},
	    {8, 8, 200}, {136, 72, 136}};

	each_mode([] {
		for (const shape &s : shapes)
			for (int t = 0; t < 4; t++)
				check_product({s, t & 1, t >> 1, t == 3,
				    LK_BF16, LK_BF16, t == 2 ? LK_BF16 :
				    LK_F32, t == 1}, true);
	});
}

TEST(products_of_any_type)
{
	static const shape shapes[] = {{1, 1, 1}, {65, 70, 33}, {3, 130, 17}};

	each_mode([] {
		int n = 0;

		for (const shape &s : shapes)
			for (int t = 0; t < 8; t++, n++)
				check_product({s, t & 1, t >> 1 & 1, n % 3 == 0,
				    t & 4 ? LK_BF16 : LK_F32,
				    n % 2 ? LK_BF16 : LK_F32,
				    n % 5 ? LK_F32 : LK_BF16, n % 4 == 1},
				    false);
	});
}

/* No k: the epilogue of a zero product. */
TEST(empty_products)
{
	check_product({{10, 9, 0}, 0, 0, 1, LK_F32, LK_F32, LK_F32, true},
	    false);
	check_product({{16, 8, 0}, 0, 0, 0, LK_BF16, LK_BF16, LK_F32, true},
	    true);
}

int
main(int argc, char **argv)
{
	return emu_test_main(argc, argv);
}
