/*
 * The vector functions against libm in double, over all magnitudes: errors in
 * units in the last place of the exact result, bounds as vec.h states them.
 */
#include <check.h>

#include "runtime/cpu/act.h"
#include "tests/unit/kernels.h"

enum { STRIDE = 4099 }; /* prime: every exponent, about a million floats */

struct function {
	const char *name;
	float (*fast)(float);
	double (*exact)(double);
	double ulps;
};

static const struct function functions[] = {
	{ "expf", lt_expf, exp, 1.0 },
	{ "logf", lt_logf, log, 1.0 },
	{ "tanhf", lt_tanhf, tanh, 1.5 },
	{ "erff", lt_erff, erf, 1.25 },
};

/* Distance in units of the last place of want; results below the normal
 * range count in units of the smallest normal's. */
static double
distance(float got, double want)
{
	float w = (float)want;
	int e;

	if (isnan(want) || isnan(got))
		return isnan(want) && isnan(got) ? 0 : INFINITY;
	if (isinf(w) || isinf(got))
		return w == got ? 0 : INFINITY;
	frexp(want, &e);
	return fabs(got - want) / ldexp(1, (e < -125 ? -125 : e) - 24);
}

START_TEST(close_to_libm)
{
	const struct function *f = &functions[_i];
	double worst = 0;
	float at = 0;
	uint64_t u;

	for (u = 0; u <= UINT32_MAX; u += STRIDE) {
		float x = lt_float((uint32_t)u);
		double d = distance(f->fast(x), f->exact(x));

		if (!(d <= worst)) {
			worst = d;
			at = x;
		}
	}
	ck_assert_msg(worst <= f->ulps, "%s(%.9g) = %.9g, off by %g", f->name,
	    at, f->fast(at), worst);
	printf("%s: worst %.2f at %.9g\n", f->name, worst, at);
}
END_TEST

START_TEST(special_values)
{
	static const float x[] = { 0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e-45f,
		-1e-45f, 3.4e38f, -3.4e38f, 88.7228f, 88.73f, -87.3f, -103.9f };
	const struct function *f = &functions[_i];
	size_t i;

	for (i = 0; i < sizeof(x) / sizeof(*x); i++)
		ck_assert_msg(distance(f->fast(x[i]), f->exact(x[i])) <= f->ulps,
		    "%s(%g) = %g", f->name, x[i], f->fast(x[i]));
}
END_TEST

/* Every bf16 survives the round trip; ties go to even. */
START_TEST(bf16)
{
	uint32_t h;

	for (h = 0; h < 0x10000; h++) {
		float x = lt_from_bf16((uint16_t)h);

		if (isnan(x))
			ck_assert(isnan(lt_from_bf16(lt_to_bf16(x))));
		else
			ck_assert_uint_eq(lt_to_bf16(x), h);
	}
	ck_assert_uint_eq(lt_to_bf16(lt_float(0x3f808000)), 0x3f80);
	ck_assert_uint_eq(lt_to_bf16(lt_float(0x3f818000)), 0x3f82);
	ck_assert_uint_eq(lt_to_bf16(lt_float(0x3f808001)), 0x3f81);
	ck_assert_uint_eq(lt_to_bf16(3.4e38f), 0x7f80);
	ck_assert(isnan(lt_from_bf16(lt_to_bf16(lt_float(0x7f800001)))));
}
END_TEST

/* Number `code` of fp8 as its bits say: e of exponent, then m of fraction. */
static float
decoded(int code, int m, int bias)
{
	int e = (code & 127) >> m, f = code & ((1 << m) - 1);
	double v = ldexp(e ? (1 << m) + f : f, (e ? e : 1) - bias - m);

	return (float)(code & 128 ? -v : v);
}

static const struct format {
	int format, m, bias, last; /* last: the code of the largest number */
} formats[] = {{FP8_E4M3, 3, 7, 0x7e}, {FP8_E5M2, 2, 15, 0x7b}};

/* From a number up to the next: the nearer one, in the middle the even code. */
static void
between(const struct format *f, int code)
{
	float lo = decoded(code, f->m, f->bias);
	float hi = decoded(code + 1, f->m, f->bias);
	float mid = lo + (hi - lo) / 2;
	unsigned c = (unsigned)code;

	ck_assert_uint_eq(lt_fp8_code(mid, f->format), c + (c & 1));
	ck_assert_uint_eq(lt_fp8_code(nextafterf(mid, lo), f->format), c);
	ck_assert_uint_eq(lt_fp8_code(nextafterf(mid, hi), f->format), c + 1);
}

/* All codes of both formats. */
START_TEST(fp8)
{
	const struct format *f = &formats[_i];
	float most = decoded(f->last, f->m, f->bias);

	for (int code = 0; code < 256; code++) {
		float v = decoded(code, f->m, f->bias);

		if ((code & 127) > f->last)
			continue; /* infinite, NaN */
		ck_assert(lt_fp8_value((unsigned)code, f->format) == v);
		ck_assert_uint_eq(lt_fp8_code(v, f->format), (unsigned)code);
		if ((code & 127) < f->last)
			between(f, code);
	}
	ck_assert_uint_eq(lt_fp8_code(most * 1.5f, f->format), f->last);
	ck_assert_uint_eq(lt_fp8_code(-INFINITY, f->format), f->last | 128);
	ck_assert_uint_eq(lt_fp8_code(NAN, f->format) & 127, 127);
	ck_assert(isnan(lt_fp8_value(127, f->format)));
}
END_TEST

/* The smallest and the largest amax that have a scale; what a code stands for
 * is a number of bf16. */
START_TEST(fp8_scales)
{
	static const int scales[] = {-100, -37, 0, 5, 80, 84};
	const struct format *f = &formats[_i % 2];
	float scale = (float)ldexp(1, scales[_i / 2]);
	float most = decoded(f->last, f->m, f->bias) * scale;

	if (most >= 0x1p100f)
		return;
	ck_assert(lt_fp8_scale(most, f->format) == scale);
	ck_assert(lt_fp8_scale(nextafterf(most / 2, most), f->format) ==
	    scale);
	ck_assert(lt_fp8_scale(nextafterf(most, INFINITY), f->format) ==
	    2 * scale);
	for (int code = 0; code < 256; code++) {
		float v = lt_fp8_value((unsigned)code, f->format) * scale;

		if ((code & 127) <= f->last)
			ck_assert(lt_from_bf16(lt_to_bf16(v)) == v);
	}
}
END_TEST

START_TEST(fp8_of_what_has_no_scale)
{
	for (int i = 0; i < 2; i++) {
		int f = formats[i].format;

		ck_assert(lt_fp8_scale(0, f) == 0x1p-100f);
		ck_assert(isnan(lt_fp8_scale(0x1p100f, f)));
		ck_assert(isnan(lt_fp8_scale(INFINITY, f)));
		ck_assert(isnan(lt_fp8_scale(NAN, f)));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vec");
	TCase *t = tcase_create("vec");
	SRunner *r = srunner_create(s);
	int n = sizeof(functions) / sizeof(*functions), failed;

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, close_to_libm, 0, n);
	tcase_add_loop_test(t, special_values, 0, n);
	tcase_add_test(t, bf16);
	tcase_add_loop_test(t, fp8, 0, 2);
	tcase_add_loop_test(t, fp8_scales, 0, 12);
	tcase_add_test(t, fp8_of_what_has_no_scale);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
