/*
 * Boxes inside arrays: copies and sums of rows of len units at strided places.
 * Packing, unpacking and reducing what goes between ranks.
 *
 *	nest_copy_16, _4, _2   units of so many bytes
 *	nest_sum               f32, several sources, added in their order
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

/* Each element is read from all sources before it is written: dst may be one
 * of them. */
LK_KERNEL(nest_sum, 256, 1, struct nest_sum_args)
{
	const i64 pieces = (a.nest.len + NEST_PIECE - 1) / NEST_PIECE;

	for (i64 i = lk_index() / 32; i < a.nest.rows * pieces;
	    i += lk_stride() / 32) {
		const nest_piece p = nest_piece_of(a.nest, i, pieces);
		const i64 packed = p.row * a.nest.len;

		for (i64 j = p.first + lk_lane(); j < p.end; j += 32) {
			float sum = a.add ? a.dst[p.dst + j] : 0;

			for (int s = 0; s < a.nsrc; s++) {
				const i64 at = a.packed >> s & 1 ? packed :
				    p.src;
				const float x = a.src[s][at + j];

				sum = s == 0 && !a.add ? x : sum + x;
			}
			a.dst[p.dst + j] = sum;
		}
	}
}
