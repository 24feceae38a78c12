/*
 * Inside of autodiff: reverse mode over one function.
 *
 * Ops are visited last to first.  When an op is reached, the cotangents of its
 * results are complete; its row of the VJP table turns them into cotangents of
 * its operands.  A cotangent that several readers contribute to is the sum of
 * their parts; a parameter's goes straight into its gradient bundle.  Nothing
 * is done for values that no parameter influences or that the loss ignores.
 */
#ifndef LOONG_PASSES_GRAD_H
#define LOONG_PASSES_GRAD_H

#include "passes/rewrite.h"

struct cotangent {
	struct value *sum;    /* of the parts so far; NULL: none */
	bool owned;           /* sum's buffer is read by nobody else */
	struct value **part;  /* values without a name, to be named */
	int npart, cap;
};

struct grad {
	struct module *m;
	struct func *from;    /* the function being differentiated */
	struct func *to;      /* where the backward ops go: its twin, or step */
	struct region *out;   /* where the next backward op goes */
	struct op *op;        /* the forward op being differentiated */
	struct value **copy;  /* by id in from: what stands for it in `to` */
	bool *saved;          /* by id in from: loaded by the twin */
	bool *varied;         /* by id: real, and a parameter influences it */
	struct cotangent *cot; /* by id */
	int n;                /* ids of from when the tables were made */
};

void grad_init(struct grad *g, struct module *m, struct func *from,
    struct func *to);
/* Marks what the parameters influence, in program order. */
void grad_mark(struct grad *g, struct region *r);
/* d is (a part of) the cotangent of v, and stays readable for others. */
void grad_seed(struct grad *g, const struct value *v, struct value *d);
/* The finished cotangent of v, named; NULL if nothing contributes. */
struct value *grad_take(struct grad *g, const struct value *v);
/* The same, or zeros. */
struct value *grad_take_or_zeros(struct grad *g, const struct value *v);
/* Backward ops of r's ops 0..n-1, last to first. */
void grad_region(struct grad *g, const struct region *r, int n);
/* What stands for forward value v where backward ops are. */
struct value *grad_forward(struct grad *g, struct value *v);
/* base, or base1..: a name that neither function uses. */
const char *grad_name(struct grad *g, const char *base);
void grad_give_name(struct grad *g, struct value *v, const char *base);
/* The gradient bundle of parameters b. */
struct bundle *grad_bundle(const struct module *m, const struct bundle *b);

/* ---- what the rows of the VJP table are written with; they mean g->op ---- */

typedef void vjp_fn(struct grad *g);
extern vjp_fn *const vjp_of[OP_COUNT]; /* every row of ops.def has one */
vjp_fn vjp_FOR, vjp_CALL;

/* The cotangent of result i as an operand; ask vjp_has first. */
bool vjp_has(struct grad *g, int i);
struct arg vjp_d(struct grad *g, int i);
/* Operand i needs a cotangent: a parameter or influenced by one. */
bool vjp_wants(const struct grad *g, int i);
/* Forward operand i and result i, readable by backward ops. */
struct arg vjp_x(struct grad *g, int i);
struct arg vjp_y(struct grad *g, int i);
const struct type *vjp_type(const struct grad *g, int i); /* of operand i */

/* A backward op for a temporary of type t; its value as an operand. */
struct arg vjp_temp(struct grad *g, enum opcode code, const struct arg *in,
    int nin, const struct type *t);
struct arg vjp_named(struct grad *g, const char *base, struct arg temp);
/* An op with one result that is a part of operand i's cotangent. */
struct op *vjp_op(struct grad *g, enum opcode code, const struct arg *in,
    int nin);
void vjp_give(struct grad *g, int i, struct op *op);
/* x, with all dims of the op's result, summed down to operand i's dims. */
void vjp_reduce(struct grad *g, int i, struct arg x);
/* Attributes of g->op, for a backward op. */
void vjp_attrs(struct grad *g, struct op *op);
/* Result j of op, appended, is a part of operand i's cotangent. */
struct value *vjp_result(struct grad *g, struct op *op, int j, int i,
    const struct type *t);
void vjp_give_value(struct grad *g, int i, struct value *v, bool owned);
void vjp_refuse(struct grad *g, const char *why);

#endif
