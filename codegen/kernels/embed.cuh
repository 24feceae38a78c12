/*
 * Rows of a table by index, and the gradient of the table.
 *
 *	embed_16, embed_2               out[i] = table[index[i]]; rows of units
 *	                                of so many bytes; any number of blocks
 *	embed_bwd_f32, embed_bwd_bf16   dtable[index[i]] += d[i], in the order
 *	                                of i for every row of the table
 *
 * The backward kernel adds without atomics and without a sort: a block owns a
 * slice of the table's rows and 1024 columns of them.  It looks through all
 * indices in order, keeps the numbers of those in its slice, also in order,
 * in a list in shared memory, and adds their rows one after the other; each
 * thread has columns of its own.  Reading n indices per slice costs 4 n bytes
 * from the cache, which is little beside the rows.
 */
#pragma once

#include "codegen/kernels/lk.h"

/* One warp a row. */
template <class T> LK_FN void
embed_rows(const embed_args &a)
{
	for (i64 i = lk_index() / 32; i < a.n; i += lk_stride() / 32) {
		const T *from = (const T *)a.table +
		    (i64)a.index[i] * a.units;
		T *to = (T *)a.out + i * a.units;

		for (int j = lk_lane(); j < a.units; j += 32)
			to[j] = from[j];
	}
}

LK_KERNEL(embed_16, 256, 1, struct embed_args)
{
	embed_rows<uint4>(a);
}

LK_KERNEL(embed_2, 256, 1, struct embed_args)
{
	embed_rows<u16>(a);
}

#define EMBED_THREADS 256
#define EMBED_COLUMNS 4 /* of a thread */
/* the list, and a count per warp */
#define EMBED_BWD_SMEM (EMBED_THREADS * 4 + EMBED_THREADS / 32 * 4)

/*
 * Thread t looks at index first + t; the last list may still be read until the
 * first barrier, the last counts until the second.  The list gets those in
 * lo..hi-1, in order: a thread's place is the number of hits before it in its
 * warp plus those of the warps before.  Returns how many there are.
 */
LK_FN int
embed_find(const embed_bwd_args &a, i64 first, int lo, int hi, u32 list)
{
	const u32 counts = list + EMBED_THREADS * 4;
	const i64 i = first + threadIdx.x;
	const int row = i < a.n ? a.index[i] : -1;
	const bool hit = row >= lo && row < hi;
	const u32 hits = lk_ballot(hit);
	int before = 0, all = 0;

	if (lk_lane() == 0)
		lk_sts(counts + 4 * (u32)lk_warp(), lk_popc(hits));
	lk_sync();
	for (int w = 0; w < EMBED_THREADS / 32; w++) {
		const int n = lk_lds<int>(counts + 4 * (u32)w);

		before += w < lk_warp() ? n : 0;
		all += n;
	}
	before += lk_popc(hits & ((1u << lk_lane()) - 1));
	if (hit)
		lk_sts(list + 4 * (u32)before, (u32)threadIdx.x);
	lk_sync();
	return all;
}

template <class T> LK_FN void
embed_bwd(const embed_bwd_args &a)
{
	LK_DYN_SMEM(smem);
	const u32 list = lk_saddr(smem);
	const int lo = (int)blockIdx.x * a.slice;
	const int hi = lo + a.slice < a.rows ? lo + a.slice : a.rows;
	const int column = (int)(blockIdx.y * EMBED_THREADS * EMBED_COLUMNS +
	    threadIdx.x);

	for (i64 first = 0; first < a.n; first += EMBED_THREADS) {
		const int found = embed_find(a, first, lo, hi, list);

		for (int k = 0; k < found; k++) {
			const i64 i = first + lk_lds<u32>(list + 4 * (u32)k);
			const T *d = (const T *)a.d + i * a.width;
			float *to = a.dtable + (i64)a.index[i] * a.width;

			LK_UNROLL
			for (int j = 0; j < EMBED_COLUMNS; j++) {
				const int c = column + j * EMBED_THREADS;

				if (c < a.width)
					to[c] += lk_float(d[c]);
			}
		}
	}
}

LK_KERNEL(embed_bwd_f32, EMBED_THREADS, 1, struct embed_bwd_args)
{
	embed_bwd<float>(a);
}

LK_KERNEL(embed_bwd_bf16, EMBED_THREADS, 1, struct embed_bwd_args)
{
	embed_bwd<u16>(a);
}
