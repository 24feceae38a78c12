/*
 * Fusion groups: ops that one generated row or map kernel computes together.
 * The pass fuse forms them; memory and code generation ask about them.
 *
 * A kernel runs over the rows of a space; the innermost dims of the space are
 * its columns.  What an op of it gives is one of
 *
 *	SPACE   an element for each of the space      y = add x, p
 *	ROW     an element for each row               D = attn.delta do, o
 *	COLS    sums over the rows, for each column   dw of rmsnorm.bwd
 *	ALL     one sum over everything               nll of xent
 */
#ifndef LOONG_IR_GROUP_H
#define LOONG_IR_GROUP_H

#include "ir/ir.h"

enum { GROUP_MAX = 12 }; /* ops in one group */
enum group_result { RESULT_SPACE, RESULT_ROW, RESULT_COLS, RESULT_ALL };

struct op_list {
	struct op *op[GROUP_MAX];
	int n;
};

/* Ops a row or map kernel can contain. */
bool group_fusable(const struct module *m, const struct op *op);
bool group_is_row(const struct op *op);

/* The dims an op runs over, and how many of the innermost are its row
 * (0: element by element, any split will do). */
const struct type *group_space(const struct op *op);
int group_cols(const struct module *m, const struct op *op);
enum group_result group_result(const struct op *op, int out);

/* Has t all of the last ncol dims of the space (1), none (0), or some (-1)? */
int group_covers(const struct type *space, int ncol, const struct type *t);

/* Can next join the group op[0..n)? */
bool group_fits(const struct module *m, struct op *const *op, int n,
    const struct op *next);

/* The ops of the group of r->op[at], in order. */
int group_collect(const struct region *r, int at, struct op_list *out);
/* The same for a region that stays as it is while it is asked about: for each
 * op the places of the first and the last one of its group. */
struct groups {
	const struct region *r;
	int *first, *last;
};
struct groups groups_of(struct arena *mem, const struct region *r);
int groups_collect(const struct groups *g, int at, struct op_list *out);

/* Is v read by any op but op[0..n)?  Then it reaches memory. */
bool group_used_outside(struct func *f, const struct value *v,
    struct op *const *op, int n);

/*
 * Blocks of rows of so many columns that have a partial sum each, and the
 * bytes of them all.  A GPU (setting target.gpu) needs more of them, and the
 * more the shorter the rows: several rows are one block's work there.
 */
uint64_t group_blocks(const struct module *m, uint64_t rows, uint64_t cols);
uint64_t group_scratch(const struct module *m, struct op *const *op, int n);

/*
 * The store of the weight gradient that the loss head r->op[at] gives, if that
 * follows at once and is its only use: the head then writes into the field,
 * and the gradient has no place of its own.  NULL otherwise.
 */
const struct op *group_head_store(struct func *f, const struct region *r,
    int at);

/*
 * Rope reads cosines and sines by position from a table, one for all ropes of
 * the same dims, cut alike, and base: the name of its slot; which dim counts
 * positions.
 */
const char *group_rope_slot(struct module *m, const struct op *op);
int group_position(const struct op *op);

#endif
