/* reduce, scalar, head, adamw: what computes numbers. */
#include "tests/kernels/launch.h"

/* ---- sums ---- */

TEST(column_sums)
{
	enum { BLOCKS = 37, COLS = 300, STRIDE = 310 };
	Random r = {1};
	const std::vector<float> x = normal_f32(r, BLOCKS * STRIDE, 1e3);
	const std::vector<float> before = normal_f32(r, COLS);

	each_mode([&] {
		for (int add = 0; add < 2; add++) {
			std::vector<float> out = before;
			Compare close;

			launch_colsum({x.data(), out.data(), BLOCKS, STRIDE,
			    COLS, add}, 3);
			for (size_t c = 0; c < COLS; c++) {
				double sum = add ? (double)before[c] : 0;
				double size = fabs(sum);

				for (size_t b = 0; b < BLOCKS; b++) {
					sum += (double)x[b * STRIDE + c];
					size += fabs((double)x[b * STRIDE + c]);
				}
				/* 5 additions of a thread, then 8 */
				close.add(out[c], sum, 13 * F32_EPS * size);
			}
			CHECK_CLOSE(close);
		}
	});
}

static float
sumsq(const std::vector<float> &x, i64 n)
{
	double part[256];
	const unsigned blocks = (unsigned)sumsq_blocks(n);
	float out = 0;

	launch_sumsq_part({x.data(), part, n}, blocks);
	launch_sumsq_total({part, &out, blocks});
	return out;
}

TEST(sums_of_squares)
{
	Random r = {2};
	const std::vector<float> x = normal_f32(r, 20000, 1e6);
	float bits[3] = {};

	each_mode([&] {
		i64 size[] = {1, 255, 20000};

		for (int k = 0; k < 3; k++) {
			long double sum = 0;
			float got = sumsq(x, size[k]);
			Compare c;

			for (i64 i = 0; i < size[k]; i++)
				sum += (long double)x[(size_t)i] *
				    x[(size_t)i];
			/* one rounding to f32; those of doubles are nothing */
			c.add(got, (double)sum, F32_EPS * (1 + 1e-6) *
			    (double)sum);
			CHECK_CLOSE(c);
			CHECK(bits[k] == 0 || bits[k] == got);
			bits[k] = got;
		}
	});
}

TEST(sums_of_vectors)
{
	Random r = {3};
	const std::vector<float> x = normal_f32(r, 1001, 1e4);
	double sum = 0, size = 0;

	for (float v : x) {
		sum += (double)v;
		size += fabs((double)v);
	}
	each_mode([&] {
		float out = 100;
		Compare c;

		launch_sum_f32({x.data(), &out, 1001, 0});
		c.add(out, sum, F32_EPS * fabs(sum) + 1e-13 * size);
		launch_sum_f32({x.data(), &out, 1001, 1});
		c.add(out, 2 * sum, 3 * F32_EPS * fabs(sum) + 1e-13 * size);
		CHECK_CLOSE(c);
	});
}

TEST(counts_labels)
{
	each_mode([] {
		int labels[777];
		float out = 0;
		int want = 0;

		for (int i = 0; i < 777; i++) {
			labels[i] = i % 7 ? i : -100;
			want += i % 7 != 0;
		}
		launch_count({labels, &out, 777, -100});
		CHECK(out == (float)want);
	});
}

/* ---- scalars ---- */

TEST(scalars)
{
	static const struct {
		float x, max, recip, clip;
	} want[] = {
		{4, 2, 0.25f, 0.5f}, {1, 2, 1, 1}, {2, 2, 0.5f, 1},
		{0, 2, 0, 1}, {5, 0, 0.2f, 1},
	};

	for (auto &w : want) {
		float x = w.x, y = 7; /* a device does not see statics */

		launch_recip({&x, &y, 0});
		CHECK(y == w.recip);
		launch_clip({&x, &y, w.max});
		CHECK(y == w.clip);
	}
}

TEST(results)
{
	const float fine = 2, nan = NAN, inf = -INFINITY;
	lk_result r = {};

	launch_step_check({&fine, &fine, &r});
	launch_step_check({&fine, NULL, &r});
	CHECK(r.bad == 0);
	launch_step_check({&fine, &nan, &r});
	CHECK(r.bad == 1);
	launch_step_check({&fine, &fine, &r});
	CHECK(r.bad == 1); /* once bad, the step stays bad */
	r.bad = 0;
	launch_step_check({&inf, &fine, &r});
	CHECK(r.bad == 1);
	r.bad = 0;
	launch_step_check({&nan, NULL, &r});
	CHECK(r.bad == 1);
	launch_step_return({&fine, &inf, &r});
	CHECK(r.loss == 2 && r.gnorm == inf);
	launch_eval_return({&fine, &fine, &r});
	launch_eval_return({&fine, &r.loss, &r});
	CHECK(r.eval_nll == 4 && r.eval_count == 4);
}

/* ---- the loss head ---- */

struct head_case {
	i64 vocab;
	int rows;
	std::vector<float> logits;
	std::vector<int> labels;
	double shift; /* of all logits */
};

/* Logits grow along a row: the maximum changes many times. */
static head_case
some_head(i64 vocab, double grow, double shift)
{
	Random r = {(u64)vocab};
	head_case h = {vocab, 6, {}, {}, shift};

	for (int i = 0; i < h.rows; i++) {
		std::vector<float> row = normal_f32(r, (size_t)vocab, grow);

		for (float &x : row)
			x += (float)shift;
		h.logits.insert(h.logits.end(), row.begin(), row.end());
		h.labels.push_back(i == 2 ? -100 : i == 0 ? 0 : i == 1 ?
		    (int)vocab - 1 : r.below((int)vocab));
	}
	return h;
}

struct head_reference {
	std::vector<double> nll, slope, p; /* p: softmax */
};

static head_reference
head_in_double(const head_case &h, double dn)
{
	head_reference f;

	for (int r = 0; r < h.rows; r++) {
		const float *x = &h.logits[(size_t)(r * h.vocab)];
		const int label = h.labels[(size_t)r];
		double max = -HUGE_VAL, sum = 0;

		for (i64 c = 0; c < h.vocab; c++)
			max = fmax(max, (double)x[c]);
		for (i64 c = 0; c < h.vocab; c++)
			sum += exp((double)x[c] - max);
		f.nll.push_back(label < 0 ? 0 : max + log(sum) -
		    (double)x[label]);
		for (i64 c = 0; c < h.vocab; c++) {
			double p = exp((double)x[c] - max) / sum;

			f.p.push_back(p);
			f.slope.push_back(label < 0 ? 0 :
			    dn * (p - (c == label)));
		}
	}
	return f;
}

/*
 * exp(x - max): the difference is rounded, by up to 2^-24 |x - max|, and with
 * x and max of size `most` the sum of magnitudes matters; expf and the scale
 * are right to a few ulp.  The sum of vocab terms: each thread adds vocab/256,
 * corrected for each new maximum, then 5 + 8 additions.
 */
static double
head_bound(const head_case &h)
{
	double most = 0;

	for (float x : h.logits)
		most = fmax(most, fabs((double)x - h.shift));
	return F32_EPS * (2 * most + 4 * ((double)h.vocab / 256 + 21) + 8);
}

static void
check_head(const head_case &h, int kind)
{
	const float dn = 0.03125f;
	const head_reference f = head_in_double(h, (double)dn);
	const double rel = head_bound(h);
	std::vector<float> x = h.logits, nll((size_t)h.rows, NAN);
	const head_args a = {x.data(), h.labels.data(), nll.data(), &dn,
	    h.vocab, -100};
	Compare c, s;

	if (kind == 0)
		launch_head_rows(a, (unsigned)h.rows);
	else if (kind == 1)
		launch_head_rows_bwd(a, (unsigned)h.rows);
	else
		launch_head_rows_bwd_bf16(a, (unsigned)h.rows);
	for (size_t r = 0; r < nll.size(); r++)
		c.add(nll[r], f.nll[r], rel + 4 * F32_EPS *
		    (fabs(f.nll[r]) + fabs(h.shift) + 20));
	CHECK_CLOSE(c);
	if (kind == 0) {
		CHECK(x == h.logits);
		return;
	}
	for (i64 i = 0; i < h.rows * h.vocab; i++) {
		const i64 row = i / h.vocab, col = i % h.vocab;
		const double p = f.p[(size_t)i], want = f.slope[(size_t)i];
		const double got = kind == 1 ? (double)x[(size_t)i] :
		    (double)lk_bf(((u16 *)x.data())[row * 2 * h.vocab + col]);

		s.add(got, want, (double)dn * (rel * p + 2 * F32_EPS) +
		    (kind == 2 ? BF16_EPS * fabs(want) : 0) + 1e-38);
	}
	CHECK_CLOSE(s);
}

TEST(loss_heads)
{
	const head_case cases[] = {some_head(3, 1, 0), some_head(1000, 30, 0),
	    some_head(2049, 1, 80), some_head(5003, 50, -60)};

	each_mode([&] {
		for (const head_case &h : cases)
			for (int kind = 0; kind < 3; kind++)
				check_head(h, kind);
	});
}

/* Masked logits are -inf: they have no weight, wherever they are. */
TEST(loss_head_of_masked_logits)
{
	each_mode([] {
		std::vector<float> x(1200, -INFINITY);
		float nll = 0, dn = 1;
		int label = 7;

		x[7] = 1;
		x[1100] = 1;
		launch_head_rows_bwd({x.data(), &label, &nll, &dn, 1200, -1});
		CHECK(fabsf(nll - logf(2)) < 1e-6f);
		CHECK(x[7] == -0.5f && x[1100] == 0.5f && x[0] == 0);
	});
}

/* A logit that is no number, or infinite, is not lost: the step is bad. */
TEST(loss_head_of_broken_logits)
{
	for (float broken : {NAN, INFINITY})
		for (size_t at : {0, 600, 1199}) {
			std::vector<float> x(1200, 1.f);
			float nll = 0, dn = 1;
			int label = 7;

			x[at] = broken;
			launch_head_rows({x.data(), &label, &nll, &dn, 1200,
			    -1});
			CHECK(!lk_finite(nll));
		}
}

/* ---- AdamW ---- */

struct adam {
	std::vector<float> w, m, v, g;
	std::vector<u16> w16;
	float clip;
	lk_step step;
	lk_result result;

	adamw_args args(i64 n)
	{
		adamw_args a = {};

		a.w = w.data();
		a.m = m.data();
		a.v = v.data();
		a.g = g.data();
		a.clip = &clip;
		a.step = &step;
		a.result = &result;
		a.n = n;
		a.b1 = 0.9f;
		a.c1 = (float)(1 - 0.9);
		a.b2 = 0.95f;
		a.c2 = (float)(1 - 0.95);
		a.eps = 1e-8f;
		return a;
	}
};

static adam
some_adam(size_t n)
{
	Random r = {7};
	adam a;

	a.w = normal_f32(r, n, 100);
	a.m = normal_f32(r, n);
	a.v = normal_f32(r, n);
	for (float &x : a.v)
		x = x * x;
	a.g = normal_f32(r, n, 1e3);
	for (size_t i = 7; i < n; i += 50) /* never had a gradient */
		a.m[i] = a.v[i] = a.g[i] = 0;
	a.w16.assign(n, 7);
	a.clip = 0.25f;
	a.step = {};
	a.step.lr = 1e-2;
	a.step.step = 3;
	a.step.seed = 11;
	a.step.rate = (float)(1e-2 / (1 - pow(0.9, 3)));
	a.step.ifix2 = (float)(1 / (1 - pow(0.95, 3)));
	a.step.decay = 1e-3f;
	a.result = {};
	return a;
}

/* Elements first..first+n of `after` are those of `before`, updated. */
static void
check_update(const adam &before, const adam &after, size_t at, size_t n,
    bool decay)
{
	Compare w, m, v;

	for (size_t i = at; i < at + n; i++) {
		double g = 0.25 * (double)before.g[i];
		double w0 = (double)before.w[i];
		double m1 = 0.9 * (double)before.m[i] + (1 - 0.9) * g;
		double v1 = 0.95 * (double)before.v[i] + (1 - 0.95) * g * g;
		double move = (double)before.step.rate * m1 /
		    (sqrt(v1 * (double)before.step.ifix2) + 1e-8) +
		    (decay ? (double)before.step.decay * w0 : 0);
		double size = 0.9 * fabs((double)before.m[i]) + 0.1 * fabs(g);

		/* constants, two products, a sum: each half an ulp */
		m.add(after.m[i], m1, 4 * F32_EPS * size + 1e-38);
		v.add(after.v[i], v1, 5 * F32_EPS * v1 + 1e-38);
		/* m's error, v's by its root, six operations, the last sum */
		w.add(after.w[i], w0 - move, F32_EPS * (fabs(w0 - move) +
		    12 * fabs(move) + 8 * (double)before.step.rate * size /
		    (sqrt(v1) + 1e-30)));
	}
	CHECK_CLOSE(m);
	CHECK_CLOSE(v);
	CHECK_CLOSE(w);
}

TEST(adamw_updates)
{
	const adam before = some_adam(1001);

	each_mode([&] {
		for (int decay = 0; decay < 2; decay++) {
			adam a = before;
			adamw_args args = a.args(1000);

			args.w16 = a.w16.data();
			args.decay = decay;
			launch_adamw(args, 3);
			check_update(before, a, 0, 1000, decay);
			CHECK(a.w[1000] == before.w[1000] &&
			    a.w16[1000] == 7);
			for (size_t i = 0; i < 1000; i++)
				CHECK(a.w16[i] == lk_tobf(a.w[i]));
		}
	});
}

TEST(adamw_skips_bad_steps)
{
	const adam before = some_adam(300);
	adam a = before;
	adamw_blocks_args blocks = {};

	a.result.bad = 1;
	launch_adamw(a.args(300), 1);
	blocks.a = a.args(300);
	blocks.size = 300;
	launch_adamw_blocks(blocks, 1);
	CHECK(a.w == before.w && a.m == before.m && a.v == before.v);
}

/* Layers of 64 elements from place 32 on of an image: ranges that begin
 * before, end after, and lie between. */
TEST(adamw_of_image_blocks)
{
	const adam before = some_adam(3 * 64);

	each_mode([&] {
		adam a = before;
		adamw_blocks_args b = {};

		b.a = a.args(3 * 64);
		b.a.clip = &a.clip;
		b.size = 64;
		b.first = 32;
		b.nrange = 4;
		b.range[0] = {0, 16};
		b.range[1] = {16, 48};
		b.range[2] = {64, 80};
		b.range[3] = {80, 96};
		launch_adamw_blocks(b, 2);
		for (size_t l = 0; l < 3; l++) {
			check_update(before, a, l * 64, 16, true);
			check_update(before, a, l * 64 + 16, 16, false);
			check_update(before, a, l * 64 + 32, 32, true);
		}
	});
}

/* The mean of many roundings of one weight is the weight: each is up with
 * probability p, so the mean of n differs by more than 6 sqrt(p (1-p) / n)
 * ulp in one of 10^9 cases; the seed is fixed. */
TEST(adamw_rounds_at_random)
{
	enum { N = 1 << 16 };
	adam a = some_adam(N);
	double sum = 0;
	int ups = 0, same = 0;
	adamw_args args = a.args(N);
	std::vector<u16> first;

	for (size_t i = 0; i < N; i++) {
		a.w[i] = lk_u2f(0x3f804000); /* a quarter above 1 */
		a.m[i] = a.v[i] = a.g[i] = 0;
	}
	args.w16 = a.w16.data();
	args.random = 1;
	lk_emu_control(emu::EAGER, 0, 1);
	launch_adamw(args, 4);
	for (u16 h : a.w16) {
		sum += (double)lk_bf(h);
		ups += h == 0x3f81;
		CHECK(h == 0x3f80 || h == 0x3f81);
	}
	CHECK(fabs(ups / (double)N - 0.25) < 6 * sqrt(0.25 * 0.75 / N));
	CHECK(fabs(sum / N - (double)lk_u2f(0x3f804000)) <
	    0x1p-7 * 6 * sqrt(0.25 * 0.75 / N));
	first = a.w16;
	launch_adamw(args, 2);
	CHECK(a.w16 == first); /* the grid does not matter */
	a.step.step++;
	launch_adamw(args, 4);
	for (size_t i = 0; i < N; i++)
		same += a.w16[i] == first[i];
	/* independent: the same with probability 10/16 */
	CHECK(fabs(same / (double)N - 0.625) < 6 * sqrt(0.24 / N));
}

int
main(int argc, char **argv)
{
	return emu_test_main(argc, argv);
}
