/*
 * What passes build programs with: ops in one line, copies of ops from one
 * function into another, and the removal of what nobody reads.
 */
#ifndef LOONG_PASSES_REWRITE_H
#define LOONG_PASSES_REWRITE_H

#include "ir/ir.h"

/* An op with these operands and room for nout results, in no region yet. */
struct op *op_make(struct module *m, enum opcode code, const struct arg *in,
    int nin, int nout, struct span at);

/* Result i of op becomes a new value of f; its name is base or baseN. */
struct value *op_result(struct module *m, struct func *f, struct op *op,
    int i, const char *base, const struct type *t);

/* One more operand, one more result. */
void op_add_in(struct module *m, struct op *op, struct value *v);
void op_add_out(struct module *m, struct op *op, struct value *v);

/* Ops copied into `to`; map[v->id] stands for value v of `from` there. */
struct copier {
	struct module *m;
	struct func *from, *to;
	struct value **map;
};

struct copier copier_new(struct module *m, struct func *from, struct func *to);

/*
 * A copy of op (inner regions included) whose operands are the mapped values;
 * its results are new values of `to`, called as in `from` if the name is free.
 */
struct op *copier_op(struct copier *c, const struct op *op);
void copier_region(struct copier *c, struct region *to,
    const struct region *from);
/* f under a fresh name, last in the module; without a twin. */
struct func *func_copy(struct module *m, struct func *f, const char *name);

/* True if reading op's results is all it is for. */
bool op_is_pure(const struct op *op);
/* Removes pure ops whose results nobody reads; returns how many. */
int remove_dead(struct func *f);
/* In f, readers of a read b instead. */
void replace_uses(struct func *f, const struct value *a, struct value *b);
/* want[v->id] becomes true for the values op reads, inner regions included. */
void want_operands(const struct op *op, bool *want);
/* Operands that read v in f, targets and inner regions included. */
int count_uses(struct func *f, const struct value *v);
/* Adds to uses[id], for every value, how many operands in r are it. */
void count_reads(const struct region *r, int *uses);

#endif
