/*
 * Attention to be tested: its data, and what it must give, in f64, with a bound
 * on the error of every element.
 *
 * Bounds.  u = 2^-8 is the unit roundoff of bf16, e = 2^-24 that of f32, n the
 * number of keys (or queries) summed over, t the number of ring steps.
 *	score s_ij      products of bf16 are exact in f32; the sum of d of them,
 *	                scaled, is off by at most e (d + 16) A, A the largest
 *	                scale sum |q||k| of the row; a weight is off by the same
 *	                relative amount, and exp2 and log2 add some 2^-22:
 *	                w = t e ((d + 16) A + 64)
 *	o               weights are rounded to bf16, their sum is not:
 *	                (u + 2 w + 2 n e) sum p|v|, + u|o| if o is bf16
 *	z               2 w + n e + 4 e |z|
 *	p of backward   relative: y = 3 w + n e + 4 e |z|
 *	dv              (u + y + n e) sum p|do|
 *	ds              rounded to bf16; do v^T and delta are off by e (d + 4) of
 *	                B = sum |do||v| + |delta|:
 *	                E = (u + y + n e)|ds| + e (d + 4) p B
 *	dk, dq          scale sum E|q|, scale sum E|k|
 * and u|x| for each gradient x that is stored as bf16.
 */
#ifndef TESTS_KERNELS_ATTN_CASE_H
#define TESTS_KERNELS_ATTN_CASE_H

#include <math.h>
#include <stdint.h>
#include <string>
#include <vector>

#include "runtime/cpu/attn.h"

enum attn_layout {
	LINE,   /* positions in order; fewer queries than keys are the last */
	ZIGZAG, /* chunks r and 2 n - 1 - r of 2 n, r = 1 of n = steps */
	SHUFFLE /* four runs that are not in order */
};

struct attn_shape {
	const char *name;
	int b, sq, sk, k, g;
	bool causal;
	int window;
	int docs; /* length of the first document; 0: no documents */
	attn_layout layout;
	int steps; /* 0: one call without a ring */
};

/* What comes together in a step: keys and their gradients. */
struct attn_piece {
	lt_runs pos = {};
	int rows = 0;
	std::vector<uint16_t> k, v;
	std::vector<int> doc;
	std::vector<double> dk, dv, dk_bound, dv_bound;
};

struct attn_case {
	attn_shape shape;
	int d;
	float scale;
	lt_runs qpos = {};
	std::vector<int> qdoc;
	std::vector<uint16_t> q, dout;
	std::vector<attn_piece> piece;
	std::vector<float> delta;
	std::vector<double> o, z, dq, o_bound, z_bound, dq_bound;
};

/* Data and reference; the same for the same arguments. */
void attn_case_make(attn_case *, const attn_shape &, int d);

/* lt_attn of the piece. */
lt_attn attn_case_step(const attn_case &, const attn_piece &);

float attn_bf(uint16_t);
uint16_t attn_tobf(float);

#endif
