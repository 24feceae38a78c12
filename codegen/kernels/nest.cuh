/*
 * Boxes inside arrays: copies and sums of rows of len units at strided places.
 * Packing, unpacking and reducing what goes between ranks.
 *
 *	nest_copy_16, _4, _2   units of so many bytes
 *	nest_sum_16, _4        f32, 4 or 1 at a time: several sources, added in
 *	                       their order, or the largest of them
 *	nest_sources           a part of the table of many sources
 *
 * A warp takes a piece of a row, up to PIECE units, so that its 32 lanes read
 * and write neighbours.  Any number of blocks.
 */
#pragma once

#include "codegen/kernels/lk.h"

#define NEST_PIECE 1024

/* A piece: units first.. of a row, and where the row begins on both sides. */
struct nest_piece {
	i64 row, first, end, src, dst;
};

LK_FN nest_piece
nest_piece_of(const lk_nest &x, i64 number, i64 pieces)
{
	nest_piece p = {number / pieces, number % pieces * NEST_PIECE, 0, 0, 0};
	u32 row = (u32)p.row; /* 32-bit division is the cheap one */

	p.end = p.first + NEST_PIECE < x.len ? p.first + NEST_PIECE : x.len;
	for (int i = x.rank - 1; i >= 0; i--) {
		const u32 n = (u32)x.n[i], at = row % n;

		p.src += at * x.src[i];
		p.dst += at * x.dst[i];
		row /= n;
	}
	return p;
}

template <class T> LK_FN void
nest_copy(const nest_copy_args &a)
{
	const i64 pieces = (a.nest.len + NEST_PIECE - 1) / NEST_PIECE;
	const T *src = (const T *)a.src;
	T *dst = (T *)a.dst;

	for (i64 i = lk_index() / 32; i < a.nest.rows * pieces;
	    i += lk_stride() / 32) {
		const nest_piece p = nest_piece_of(a.nest, i, pieces);

		for (i64 j = p.first + lk_lane(); j < p.end; j += 32)
			dst[p.dst + j] = src[p.src + j];
	}
}

LK_KERNEL(nest_copy_16, 256, 1, struct nest_copy_args)
{
	nest_copy<uint4>(a);
}

LK_KERNEL(nest_copy_4, 256, 1, struct nest_copy_args)
{
	nest_copy<u32>(a);
}

LK_KERNEL(nest_copy_2, 256, 1, struct nest_copy_args)
{
	nest_copy<u16>(a);
}

LK_FN float
nest_plus(float x, float y)
{
	return x + y;
}

LK_FN float4
nest_plus(float4 x, float4 y)
{
	return float4{x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w};
}

/* Numbers from 0 on are in the order of their bits, NaN after infinity. */
LK_FN float
nest_largest(float x, float y)
{
	return lk_f2u(x) > lk_f2u(y) ? x : y;
}

LK_FN float4
nest_largest(float4 x, float4 y)
{
	return float4{nest_largest(x.x, y.x), nest_largest(x.y, y.y),
	    nest_largest(x.z, y.z), nest_largest(x.w, y.w)};
}

/* Few sources are in the arguments, many in a table. */
LK_FN lk_source
nest_source(const nest_sum_args &a, int s)
{
	if (a.table)
		return a.table[s];
	return lk_source{a.src[s], (i64)(a.packed >> s & 1)};
}

/* Each unit is read from all sources before it is written: dst may be one of
 * them. */
template <class V> LK_FN void
nest_sum(const nest_sum_args &a)
{
	const i64 pieces = (a.nest.len + NEST_PIECE - 1) / NEST_PIECE;
	V *dst = (V *)a.dst;

	for (i64 i = lk_index() / 32; i < a.nest.rows * pieces;
	    i += lk_stride() / 32) {
		const nest_piece p = nest_piece_of(a.nest, i, pieces);
		const i64 packed = p.row * a.nest.len;

		for (i64 j = p.first + lk_lane(); j < p.end; j += 32) {
			V sum = a.add ? dst[p.dst + j] : V{};

			for (int s = 0; s < a.nsrc; s++) {
				const lk_source from = nest_source(a, s);
				const i64 at = from.packed ? packed : p.src;
				const V x = ((const V *)from.at)[at + j];

				sum = s == 0 && !a.add ? x :
				    a.max ? nest_largest(sum, x) :
				    nest_plus(sum, x);
			}
			dst[p.dst + j] = sum;
		}
	}
}

LK_KERNEL(nest_sum_16, 256, 1, struct nest_sum_args)
{
	nest_sum<float4>(a);
}

LK_KERNEL(nest_sum_4, 256, 1, struct nest_sum_args)
{
	nest_sum<float>(a);
}

LK_KERNEL(nest_sources, LK_SOURCES_MAX, 1, struct nest_sources_args)
{
	const int i = (int)threadIdx.x;

	if (i < a.n)
		a.to[i] = lk_source{a.src[i], (i64)(a.packed >> i & 1)};
}
