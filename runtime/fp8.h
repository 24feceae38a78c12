/*
 * Numbers of fp8 as codes of one byte: e4m3 has 3 bits of fraction and numbers
 * up to 448, e5m2 has 2 and numbers up to 57344 (arXiv 2209.05433).  A tensor
 * has one scale, a power of two; what a code stands for is its number times
 * the scale, and is a number of bf16.
 *
 * Plain C for CPUs and kernels alike.  Who includes this defines FP8_FN, the
 * mark of a function, FP8_BITS(x), the bits of a float, and FP8_FLOAT(u).
 */
#ifndef LT_RUNTIME_FP8_H
#define LT_RUNTIME_FP8_H

enum { FP8_E4M3, FP8_E5M2 };

/* The least 2^k, k at least -100, with amax <= 1.75 2^(top + k), the largest
 * number of the format.  From 2^100 on (infinite, NaN): NaN. */
FP8_FN float
lt_fp8_scale(float amax, int format)
{
	int top = format == FP8_E5M2 ? 15 : 8;
	int k = (int)((FP8_BITS(amax) + 0x1fffffu) >> 23) - 127 - top;

	return amax < 0x1p100f ?
	    FP8_FLOAT((unsigned)((k < -100 ? -100 : k) + 127) << 23) :
	    FP8_FLOAT(0x7fc00000u);
}

FP8_FN float
lt_e4m3_scale(float amax)
{
	return lt_fp8_scale(amax, FP8_E4M3);
}

FP8_FN float
lt_e5m2_scale(float amax)
{
	return lt_fp8_scale(amax, FP8_E5M2);
}

/*
 * The nearest number, ties to even, none beyond the largest; NaN: NaN.  Below
 * 2^bottom, the least with a leading 1, numbers are whole multiples of
 * 2^(bottom - bits): adding 2^23 of these rounds to one.
 */
FP8_FN unsigned
lt_fp8_code(float x, int format)
{
	int bits = format == FP8_E5M2 ? 2 : 3;
	int bottom = format == FP8_E5M2 ? -14 : -6, drop = 23 - bits;
	unsigned last = format == FP8_E5M2 ? 0x7b : 0x7e, code;
	unsigned u = FP8_BITS(x), a = u & 0x7fffffffu;
	unsigned whole = (unsigned)(127 + bottom - bits + 23) << 23;

	if (a < (unsigned)(127 + bottom) << 23)
		code = FP8_BITS(FP8_FLOAT(a) + FP8_FLOAT(whole)) - whole;
	else
		code = ((a + (1u << (drop - 1)) - 1 + (a >> drop & 1)) >>
		    drop) - ((unsigned)(126 + bottom) << bits);
	code = a > 0x7f800000u ? 0x7f : code > last ? last : code;
	return code | (u >> 24 & 0x80);
}

FP8_FN float
lt_fp8_value(unsigned code, int format)
{
	int bits = format == FP8_E5M2 ? 2 : 3;
	int bottom = format == FP8_E5M2 ? -14 : -6;
	unsigned a = code & 0x7f, top = format == FP8_E5M2 ? 0x7c : 0x7f;
	float x = a >> bits ?
	    FP8_FLOAT((a << (23 - bits)) + ((unsigned)(126 + bottom) << 23)) :
	    (float)a * FP8_FLOAT((unsigned)(127 + bottom - bits) << 23);

	if (a >= top)
		x = FP8_FLOAT(a == 0x7c ? 0x7f800000u : 0x7fc00000u);
	return code & 0x80 ? -x : x;
}

#endif
