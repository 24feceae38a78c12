/*
 * Fusion groups: ops that one generated row or map kernel computes together.
 * The pass fuse forms them; memory and code generation ask about them.
 */
#ifndef LOONG_IR_GROUP_H
#define LOONG_IR_GROUP_H

#include "ir/ir.h"

enum { GROUP_MAX = 12 }; /* ops in one group */

struct op_list {
	struct op *op[GROUP_MAX];
	int n;
};

/* Ops a row or map kernel can contain. */
bool group_fusable(const struct op *op);
bool group_is_row(const struct op *op);

/* The dims an op runs over, and how many of the innermost are its row
 * (0: element by element, any split will do). */
const struct type *group_space(const struct op *op);
int group_cols(const struct module *m, const struct op *op);

/* Can next join the group op[0..n)? */
bool group_fits(const struct module *m, struct op *const *op, int n,
    const struct op *next);

/* The ops of the group of r->op[at], in order. */
int group_collect(const struct region *r, int at, struct op_list *out);

/* Is v read by any op but op[0..n)?  Then it reaches memory. */
bool group_used_outside(struct func *f, const struct value *v,
    struct op *const *op, int n);

/* Blocks of rows that have a partial sum each, and the bytes of them all. */
uint64_t group_blocks(uint64_t rows);
uint64_t group_scratch(const struct module *m, struct op *const *op, int n);

#endif
