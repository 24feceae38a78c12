/*
 * Inside of partition: roles and their layouts, and how a value gets another.
 */
#ifndef LOONG_PASSES_PARTITION_H
#define LOONG_PASSES_PARTITION_H

#include "ir/ir.h"

/* What a value is to the op that reads it. */
enum role {
	ROLE_TOKEN, /* T: b/dp, s/zz(co,ci)/hr/hk */
	ROLE_QUERY, /* A: b/dp, s/zz(co,ci), k/hk, g/hr */
	ROLE_KEY,   /* A without g: b/dp, s/zz(co,ci), k/hk */
	ROLE_DOC,   /* b/dp, s/zz(co,ci) */
	ROLE_FULL,  /* no pending sums; cut as it is */
	ROLE_AS_IS
};

/* A value in another layout. */
struct view {
	struct value *is;
	uint8_t role; /* enum role */
	struct view *next;
};

/* Where a value is defined, and how else it is there. */
struct home {
	int depth;
	struct view *view;
};

/* A function that is being rebuilt, or was. */
struct part_func {
	struct func *f;
	struct part_func *twin; /* of a .bwd: its block */
	struct region *out[MAX_LOOPS + 2]; /* new bodies, outermost first */
	int depth;                         /* of the body being built */
	struct home *home;                 /* by value id */
	int nhome;
	struct op *load;
	struct part_func *next;
};

struct part {
	struct module *m;
	axis_set all;
	int dp, hk, hr;    /* axes, -1: none; hk is hp where there is no hr */
	int nctx, ctx[2];  /* the context's, outer first */
	bool blocks;       /* context cuts s into blocks, not zigzag pairs */
	struct part_func *func;
	int errors;
};

/* ---- partition_layout.c ---- */

/* The axes of the mesh; false after reporting one that has no role. */
bool part_axes(struct part *p);
/* t, whatever its shards, cut as the role says; pending sums stay. */
const struct type *part_layout(struct part *p, const struct type *t,
    enum role role);
/* True if t has a dim of tokens, b or s. */
bool part_has_tokens(const struct type *t);
/* The dim of queries in t that hr cuts, or NULL. */
const char *part_group(const struct part *p, const struct type *t);
/* The dim of heads in t, or NULL. */
const char *part_heads(const struct type *t);

/* ---- partition_view.c ---- */

/*
 * v in the layout of a role, made once, as soon as v is there; NULL after
 * reporting, at `at`, that no op makes it.
 */
struct value *part_view(struct part *p, struct part_func *x, struct value *v,
    enum role role, struct span at);
/* Appends op to the body at that depth; its results are at home there. */
void part_append(struct part *p, struct part_func *x, struct op *op,
    int depth);
void part_home(struct part *p, struct part_func *x, const struct value *v,
    int depth);
/* op over the axes in set, in the order of the mesh. */
void part_on(struct part *p, struct op *op, axis_set set);
void part_error(struct part *p, struct span at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
const char *part_type_text(struct part *p, const struct type *t);

/* ---- partition_step.c ---- */

/* Gradient bundles are pending; R* are their sums, made before sumsq. */
void part_bundles(struct part *p);
/* @G in op becomes @R, after its reduction, if op needs whole gradients. */
void part_optimizer(struct part *p, struct part_func *x, struct op *op);

#endif
