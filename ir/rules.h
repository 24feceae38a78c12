/*
 * Inside of op_infer: what the type rules of ops.def are written with.
 *
 * A rule looks at the operands in c->in, and either gives each result's type
 * with `result` or explains what is wrong with `rule_error`.  Nothing outside
 * ir/ includes this.
 */
#ifndef LOONG_IR_RULES_H
#define LOONG_IR_RULES_H

#include "ir/ir.h"

struct check {
	struct module *m;
	struct op *op;
	const struct type **in;  /* nin of them; NULL for bundles */
	const struct type **res; /* nout of them, from the rule */
};

#define OP(code, text, nin, nout, group, rule, summary)                        \
	bool rule_##rule(struct check *c);
#include "ir/ops.def"

/* Says which rule is broken, then every operand with its dims and sizes. */
bool rule_error(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What the program says result i is; NULL if it says nothing. */
const struct type *stated(const struct check *c, int i);

/* The building blocks of rules: each reports and returns false. */
bool all_typed(struct check *c, int nin); /* nin operands, none a bundle */
bool need_stated(struct check *c);        /* result 0 has a type */
bool is_scalar(struct check *c, int i);   /* operand i is f32[], complete */
bool is_index(struct check *c, int i);    /* operand i is i32 */
bool is_real(struct check *c, int i);     /* operand i is f32 or bf16 */
bool complete(struct check *c, int i);    /* operand i is not pending */
bool equal_type(struct check *c, int i, int j);
bool unsharded(struct check *c, int i, int dim);
bool accum_bundle(struct check *c);       /* accum of whole layers */
bool separate(struct check *c, axis_set a, axis_set b, const char *why);

/* True if all dims of part occur in whole in the same order, equal shards. */
bool dims_within(const struct type *part, const struct type *whole);
/* True if dims at..at+part->rank of whole are those of part. */
bool dims_at(const struct type *part, const struct type *whole, int at);
axis_set axes_of(const struct type *t, int from, int to);

/* The dimension whose indices are token positions: s, or the second one. */
int type_position(const struct module *m, const struct type *t);

/* t as f32 (or dt) with pend: what a reduction leaves. */
const struct type *reduced(struct check *c, const struct type *t,
    enum dtype dt, axis_set pend);
const struct type *reduced_scalar(struct check *c, axis_set pend);

/* Type t with loop variable `depth` replaced by k0 + k1 * variable. */
const struct type *type_subst(struct module *m, const struct type *t,
    int depth, int64_t k0, int64_t k1);

#endif
