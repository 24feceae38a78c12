/*
 * The loss head's rows: cross-entropy of logits, one block a row.
 *
 *	nll[row] = max + log sum exp (x - max) - x[label], 0 if label is ignore
 *
 *	head_rows            that alone; the logits stay
 *	head_rows_bwd        and x = dn (softmax - one at the label), or 0
 *	head_rows_bwd_bf16   the same as bf16 in the first half of the row
 *
 * A row is read twice: once for maximum and sum, which each thread keeps for
 * its own elements and corrects when the maximum grows (Milakov and
 * Gimelshein 2018), once for the slopes.  Sums are in a fixed order.
 */
#pragma once

#include "codegen/kernels/lk.h"

#define HEAD_THREADS 256
#define HEAD_SMEM (HEAD_THREADS / 32 * 4)

#define HEAD_AT_ONCE 4 /* logits that a thread has under way */
#define HEAD_PIECE (HEAD_AT_ONCE * HEAD_THREADS)

/* This thread's logits of the piece that begins at `first`; -inf behind the
 * end of the row. */
LK_FN void
head_read(float (&y)[HEAD_AT_ONCE], const float *x, i64 first, i64 vocab)
{
	LK_UNROLL
	for (int j = 0; j < HEAD_AT_ONCE; j++) {
		const i64 c = first + j * HEAD_THREADS + threadIdx.x;

		y[j] = c < vocab ? x[c] : -LK_INF;
	}
}

struct head_sums {
	float max, sum; /* sum of exp(x - max) */
};

LK_FN head_sums
head_softmax(const float *x, i64 vocab, u32 scratch)
{
	float max = -LK_INF, sum = 0;

	for (i64 first = 0; first < vocab; first += HEAD_PIECE) {
		float y[HEAD_AT_ONCE], most = max;

		head_read(y, x, first, vocab);
		LK_UNROLL
		for (int j = 0; j < HEAD_AT_ONCE; j++)
			most = lk_max(y[j], most);
		if (most > max) {
			sum *= lk_exp(max - most);
			max = most;
		}
		LK_UNROLL
		for (int j = 0; j < HEAD_AT_ONCE; j++) /* -inf - -inf: none */
			sum += y[j] == -LK_INF ? 0 : lk_exp(y[j] - max);
	}
	const float all = lk_block_max(max, scratch);
	/* a thread without elements has sum 0 and max -inf */
	sum = max > -LK_INF ? sum * lk_exp(max - all) : sum;
	return {all, lk_block_sum(sum, scratch)};
}

/* The slope at column c. */
LK_FN float
head_slope(float x, const head_sums &s, float dn, bool target)
{
	const float p = lk_exp(x - s.max) * (dn / s.sum);

	return target ? p - dn : p;
}

LK_FN head_sums
head_row(const head_args &a, u32 scratch)
{
	const i64 row = blockIdx.x;
	const float *x = a.logits + row * a.vocab;
	const int label = a.labels[row];
	const head_sums s = head_softmax(x, a.vocab, scratch);

	if (threadIdx.x == 0)
		a.nll[row] = label == a.ignore ? 0 :
		    s.max + lk_log(s.sum) - x[label];
	return s;
}

LK_KERNEL(head_rows, HEAD_THREADS, 1, struct head_args)
{
	LK_DYN_SMEM(smem);

	head_row(a, lk_saddr(smem));
}

LK_KERNEL(head_rows_bwd, HEAD_THREADS, 1, struct head_args)
{
	LK_DYN_SMEM(smem);
	float *x = a.logits + (i64)blockIdx.x * a.vocab;
	const int label = a.labels[blockIdx.x];
	const float dn = label == a.ignore ? 0 : *a.dn;
	const head_sums s = head_row(a, lk_saddr(smem));

	lk_sync(); /* thread 0 has read x[label] */
	for (i64 first = 0; first < a.vocab; first += HEAD_PIECE) {
		float y[HEAD_AT_ONCE];

		head_read(y, x, first, a.vocab);
		LK_UNROLL
		for (int j = 0; j < HEAD_AT_ONCE; j++) {
			const i64 c = first + j * HEAD_THREADS + threadIdx.x;

			if (c < a.vocab)
				x[c] = head_slope(y[j], s, dn, c == label);
		}
	}
}

/*
 * bf16 c lies where f32 c / 2 was.  The block goes through the row piece by
 * piece: when all threads have read theirs, elements below the piece's end are
 * free, and its results need only the first half of these.
 */
LK_KERNEL(head_rows_bwd_bf16, HEAD_THREADS, 1, struct head_args)
{
	LK_DYN_SMEM(smem);
	float *x = a.logits + (i64)blockIdx.x * a.vocab;
	u16 *half = (u16 *)x;
	const int label = a.labels[blockIdx.x];
	const float dn = label == a.ignore ? 0 : *a.dn;
	const head_sums s = head_row(a, lk_saddr(smem));

	for (i64 first = 0; first < a.vocab; first += HEAD_PIECE) {
		float y[HEAD_AT_ONCE];

		head_read(y, x, first, a.vocab);
		lk_sync(); /* the piece is read; so has been x[label] */
		LK_UNROLL
		for (int j = 0; j < HEAD_AT_ONCE; j++) {
			const i64 c = first + j * HEAD_THREADS + threadIdx.x;

			if (c < a.vocab)
				half[c] = lk_tobf(head_slope(y[j], s, dn,
				    c == label));
		}
	}
}
