/*
 * How a CUDA kernel's threads share its rows: see codegen/kernels/fused.cuh.
 *
 *	columns       up to 32 V      128    2048 V..   wider
 *	lanes of a row  1..32         128..512          512
 *	rows of a block threads/lanes 1                 1
 *	arrays          registers     registers         shared memory, `wide`
 */
#ifndef LOONG_CODEGEN_KERNEL_GRID_H
#define LOONG_CODEGEN_KERNEL_GRID_H

#include <stdbool.h>
#include <stdint.h>

struct kernel_grid {
	int vec;           /* columns that lie together: 8, 4, 2, 1 */
	int lanes;         /* threads of a row */
	int threads;       /* of a block */
	int rows;          /* of a block at a time */
	uint64_t each;     /* pieces of a thread */
	bool wide;         /* too many for registers */
	bool exact;        /* no piece is beyond the columns */
};

/* The widest vec of which every row is a multiple. */
int kernel_grid_vec(uint64_t cols);
struct kernel_grid kernel_grid_choose(uint64_t cols);

#endif
